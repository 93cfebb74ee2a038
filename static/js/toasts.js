/*
  Toasts, announced politely. Three ways in:
    - Django messages, rendered by the frame as .toast-card;
    - an HX-Trigger header {"toast": {"text", "tone", "undo_url", "undo_values"}} (tenancy.fragments.trigger_toast);
    - document.dispatchEvent(new CustomEvent("toast", {detail: {text, tone}})) from another module.
  They leave after 6 seconds, 12 with an undo, not while hovered or focused; late ones (errors) stay until closed.
  Requests that fail say so here, in words.
*/
const texts = JSON.parse(document.getElementById("ui-texts").textContent);
const area = document.getElementById("toasts");
const icons = { good: "circle-check", act: "info-circle", soon: "alert-triangle", late: "alert-circle" };

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${area.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

function leaveLater(card, seconds) {
  let timer = null;
  const stop = () => clearTimeout(timer);
  const start = () => {
    stop();
    timer = setTimeout(() => card.remove(), seconds * 1000);
  };
  card.addEventListener("pointerenter", stop);
  card.addEventListener("pointerleave", start);
  card.addEventListener("focusin", stop);
  card.addEventListener("focusout", start);
  start();
}

function show({ text, tone = "good", undo_url: undoUrl = "", undo_values: values = {} }) {
  const card = document.createElement("div");
  card.className = "toast-card";
  card.dataset.tone = tone;
  const words = document.createElement("div");
  words.className = "toast-text";
  words.textContent = text;
  card.append(icon(icons[tone] ?? icons.act), words);
  if (undoUrl) {
    const undo = document.createElement("button");
    undo.type = "button";
    undo.className = "btn btn-sm";
    undo.textContent = texts.undo;
    undo.addEventListener("click", () => {
      undo.disabled = true;
      window.htmx.ajax("POST", undoUrl, { source: document.body, swap: "none", values }).then(() => card.remove());
    });
    card.append(undo);
  }
  card.append(closeButton());
  area.append(card);
  watch(card, undoUrl ? 12 : 6);
}

function closeButton() {
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-close";
  close.setAttribute("aria-label", texts.close);
  return close;
}

function watch(card, seconds) {
  card.querySelector(".btn-close")?.addEventListener("click", () => card.remove());
  if (card.dataset.tone !== "late") leaveLater(card, seconds);
}

for (const card of area.querySelectorAll(".toast-card")) watch(card, 8);

document.addEventListener("toast", (event) => show(event.detail));

document.addEventListener("htmx:sendError", () => show({ text: texts.offline, tone: "late" }));
document.addEventListener("htmx:timeout", () => show({ text: texts.slow, tone: "late" }));

// An anticipated error comes as its page (errors/card.html): its own words are the best ones.
function wordsOf(xhr) {
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector("[data-problem]");
  if (!page) return "";
  const parts = [page.querySelector("[data-problem-text]"), ...page.querySelectorAll("li")];
  return parts.map((part) => part?.textContent.trim()).filter(Boolean).join(" ");
}

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const { status } = xhr;
  const said = wordsOf(xhr);
  if (said) show({ text: said, tone: "late" });
  else if (status === 401) window.location.reload();
  else if (status === 403) show({ text: texts.forbidden, tone: "late" });
  else if (status === 404) show({ text: texts.gone, tone: "late" });
  else if (status === 429) show({ text: texts.tooMany, tone: "soon" });
  else show({ text: texts.failed, tone: "late" });
});
