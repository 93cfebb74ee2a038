/*
  Keyboard: an element with data-key="c" is pressed by C, wherever the focus is except in fields that take letters. data-key="shift+h"
  and data-key="/" work too; a link or button is clicked, a field is focused. Hidden and disabled ones are skipped.
  "?" shows the map of the keys on the page, named by data-key-label, aria-label or the element's text.
*/
const { Modal } = window.tabler ?? window.bootstrap;
const dialog = document.getElementById("shortcuts-dialog");

// A box or a circle takes no letters: who has just answered a question goes on with the key of the next act.
const TAKES_LETTERS =
  "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable=true], .ts-wrapper";

const usable = (element) =>
  element.getClientRects().length > 0 && !element.disabled && element.getAttribute("aria-disabled") !== "true";

function labelOf(element) {
  if (element.dataset.keyLabel) return element.dataset.keyLabel;
  if (element.getAttribute("aria-label")) return element.getAttribute("aria-label");
  const copy = element.cloneNode(true);
  for (const key of copy.querySelectorAll("kbd")) key.remove();
  return (copy.textContent || element.getAttribute("placeholder") || "").trim();
}

function pressed(event) {
  const key = event.key.toLowerCase();
  return event.shiftKey && /^[a-z]$/.test(key) ? `shift+${key}` : key;
}

function showMap() {
  const list = dialog.querySelector("[data-shortcuts-list]");
  list.replaceChildren();
  for (const element of document.querySelectorAll("[data-key]")) {
    if (!usable(element)) continue;
    const term = document.createElement("dt");
    term.className = "col-3";
    const key = document.createElement("kbd");
    key.textContent = element.dataset.key.toUpperCase();
    term.append(key);
    const what = document.createElement("dd");
    what.className = "col-9";
    what.textContent = labelOf(element);
    list.append(term, what);
  }
  Modal.getOrCreateInstance(dialog).show();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest?.(TAKES_LETTERS)) return;
  if (document.querySelector(".modal.show, .offcanvas.show:not(.app-sidebar), .dropdown-menu.show")) return;
  const key = pressed(event);
  if (event.key === "?") {
    event.preventDefault();
    showMap();
    return;
  }
  const element = [...document.querySelectorAll("[data-key]")].find(
    (candidate) => candidate.dataset.key.toLowerCase() === key && usable(candidate),
  );
  if (!element) return;
  event.preventDefault();
  if (element.matches("input, textarea, select")) element.focus();
  else element.click();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-shortcuts-open]")) showMap();
});
