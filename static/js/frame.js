/*
  The frame's own behaviour: the theme buttons of the user menu (saved by their form, shown at once), the "why" panel, busy
  marks for navigation by HTMX, and which tabs a phone shows.

  Why panel: any link with class "why" and hx-get fills #why-body; the panel opens as soon as the link is pressed and
  returns focus to it when closed. Without JavaScript the link's href opens the same explanation as a page.
*/
const { Offcanvas } = window.tabler ?? window.bootstrap;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-theme-form]")) return;
  event.preventDefault();
  const choice = event.submitter.value;
  const body = new FormData(form);
  body.set("theme", choice);
  document.documentElement.dataset.themeChoice = choice;
  for (const button of form.querySelectorAll("button[name=theme]")) {
    button.setAttribute("aria-pressed", String(button.value === choice));
  }
  fetch(form.action, { method: "POST", body, headers: { "X-Requested-With": "fetch" } });
});

const panel = document.getElementById("why-panel");
let opener = null;

if (panel) {
  const waiting = document.getElementById("why-waiting");

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, target } = event.detail;
    if (target?.id !== "why-body") return;
    opener = elt.closest("a, button") ?? elt;
    target.replaceChildren(waiting.content.cloneNode(true));
    Offcanvas.getOrCreateInstance(panel).show();
  });

  panel.addEventListener("hidden.bs.offcanvas", () => {
    if (opener?.isConnected) opener.focus();
    opener = null;
  });
}

// Of tabs that do not fit on a phone the open one is in sight; they alone are moved, never the page.
function showOpenTabs() {
  for (const row of document.querySelectorAll(".settings-tabs, .stage-tabs")) {
    const open = row.querySelector("[aria-current=page]");
    if (!open) continue;
    const [tab, whole] = [open.getBoundingClientRect(), row.getBoundingClientRect()];
    row.scrollLeft += tab.left - whole.left - (whole.width - tab.width) / 2;
  }
}
showOpenTabs();
document.addEventListener("htmx:oobAfterSwap", showOpenTabs);

// The same for the page that is open in a navigation longer than the window.
const pages = document.querySelector(".app-sidebar-scroll");
const openPage = pages?.querySelector("[aria-current=page]");
if (openPage) pages.scrollTop = openPage.offsetTop - pages.offsetTop - (pages.clientHeight - openPage.offsetHeight) / 2;
