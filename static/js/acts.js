/*
  The dialog of an act (templates/leads/act_dialog.html): closed when the act is done, focus on the first question when it opens,
  and emptied when it closes, so that the next act never shows the questions of the last one.
*/
const { Modal } = window.tabler ?? window.bootstrap;
const dialog = document.getElementById("act-dialog");
const body = document.getElementById("act-dialog-body");
const waiting = [...body.children].map((child) => child.cloneNode(true));

document.body.addEventListener("act-done", () => {
  Modal.getInstance(dialog)?.hide();
});

function focusFirst() {
  if (!dialog.classList.contains("show")) return;
  const field = dialog.querySelector(".form-error-summary, input:not([type=hidden]), select, textarea");
  field?.focus();
}

dialog.addEventListener("shown.bs.modal", focusFirst);
dialog.addEventListener("htmx:afterSettle", focusFirst);

dialog.addEventListener("hidden.bs.modal", () => {
  body.replaceChildren(...waiting.map((child) => child.cloneNode(true)));
});

// An act that is refused before it asks anything shows its words as a toast; an empty dialog would stand in the way. What was typed stays.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.target === body && !body.querySelector("form")) Modal.getInstance(dialog)?.hide();
});
