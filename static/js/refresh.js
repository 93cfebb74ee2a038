/*
  Parts that refresh by themselves: <div data-refresh-every="15" hx-get="URL" hx-trigger="refresh-due" hx-swap="outerHTML">.
  Waits while the tab is hidden, while something inside is focused for typing or was changed, and while a panel or dialog is
  open. Shows "Updated 10:32" in every [data-refreshed-at] inside, or in the element named by data-refresh-note="#id".
*/
const texts = JSON.parse(document.getElementById("ui-texts").textContent);
const due = new WeakMap();

const seconds = (part) => Math.max(2, Number(part.dataset.refreshEvery) || 15);

function occupied(part) {
  if (document.hidden || document.querySelector(".modal.show, .offcanvas.show, .dropdown-menu.show")) return true;
  const focused = document.activeElement;
  if (part.contains(focused) && focused.matches("input, textarea, select")) return true;
  return [...part.querySelectorAll("input, textarea")].some(
    (field) => field.type !== "hidden" && (field.value !== field.defaultValue || field.checked !== field.defaultChecked),
  );
}

function note(part) {
  const time = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }).format(new Date());
  const places = part.dataset.refreshNote
    ? document.querySelectorAll(part.dataset.refreshNote)
    : part.querySelectorAll("[data-refreshed-at]");
  for (const place of places) place.textContent = texts.updated.replace("%s", time);
}

setInterval(() => {
  for (const part of document.querySelectorAll("[data-refresh-every]")) {
    if (!due.has(part)) {
      due.set(part, Date.now() + seconds(part) * 1000);
      note(part);
    }
    if (Date.now() < due.get(part) || occupied(part)) continue;
    due.set(part, Date.now() + seconds(part) * 1000);
    window.htmx.trigger(part, "refresh-due");
  }
}, 1000);

document.addEventListener("htmx:afterRequest", (event) => {
  const part = event.detail.elt;
  if (event.detail.successful && part.matches?.("[data-refresh-every]")) note(part);
});
