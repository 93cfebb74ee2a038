/*
  The command palette (templates/components/overlays.html): Ctrl K or any [data-palette-open] opens it, arrows choose, Enter goes.
  The field asks by HTMX what its letters may mean; focus stays in it, the chosen entry is its active descendant.
*/
const { Modal } = window.tabler ?? window.bootstrap;
const dialog = document.getElementById("palette");
const field = document.getElementById("palette-field");
const results = document.getElementById("palette-results");

const entries = () => [...results.querySelectorAll("[role=option]")];
const chosen = () => results.querySelector("[aria-selected=true]");

function choose(entry) {
  chosen()?.setAttribute("aria-selected", "false");
  if (!entry) {
    field.removeAttribute("aria-activedescendant");
    return;
  }
  entry.setAttribute("aria-selected", "true");
  entry.scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", entry.id);
}

function open() {
  if (document.querySelector(".modal.show")) return;
  Modal.getOrCreateInstance(dialog).show();
}

if (dialog) {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette-open]")) open();
  });

  dialog.addEventListener("show.bs.modal", () => {
    field.value = "";
    window.htmx.trigger(field, "palette-open");
  });

  dialog.addEventListener("shown.bs.modal", () => field.focus());

  results.addEventListener("htmx:afterSwap", () => choose(entries()[0]));

  field.addEventListener("keydown", (event) => {
    const all = entries();
    const place = all.indexOf(chosen());
    if (event.key === "ArrowDown") choose(all[(place + 1) % all.length]);
    else if (event.key === "ArrowUp") choose(all[(place - 1 + all.length) % all.length]);
    else if (event.key === "Enter") chosen()?.click();
    else return;
    event.preventDefault();
  });
}
