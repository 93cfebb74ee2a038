/*
  Forms that may be sent twice without harm: the pressed button shows that it is busy and every submit button of the form
  is disabled until the answer is there. Also focuses the first wrong field after an error, and the confirm dialog.

  Confirm: data-confirm="Delete the key “CRM”?" on a submit button or a form, with data-confirm-act="Delete the key" for the
  button's words. Works for plain forms and for HTMX (hx-confirm is not needed). A form with data-download is answered by a file,
  and the page stays.
*/
const { Modal } = window.tabler ?? window.bootstrap;

function submitButtons(form) {
  return [...form.elements].filter((element) => element.type === "submit");
}

function setBusy(form, pressed, busy) {
  for (const button of submitButtons(form)) {
    // aria-disabled keeps the pressed button's name=value in the data that is being sent.
    button.toggleAttribute("data-busy", busy);
    button.setAttribute("aria-disabled", String(busy));
    button.classList.toggle("disabled", busy);
  }
  if (pressed) pressed.setAttribute("aria-busy", String(busy));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.matches("[data-theme-form], [data-download]") || form.method.toLowerCase() === "get") return;
  if (form.dataset.sending) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  if (form.matches("[hx-post], [hx-put], [hx-patch], [hx-delete]")) return;
  form.dataset.sending = "true";
  setBusy(form, event.submitter, true);
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sending]")) {
    delete form.dataset.sending;
    setBusy(form, form.querySelector("[aria-busy]"), false);
  }
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt.closest("form");
  if (!form || event.detail.requestConfig.verb === "get") return;
  if (form.dataset.sending) {
    event.preventDefault();
    return;
  }
  form.dataset.sending = "true";
  setBusy(form, event.detail.requestConfig.triggeringEvent?.submitter, true);
});

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt.closest("form");
  if (!form?.dataset.sending) return;
  delete form.dataset.sending;
  setBusy(form, form.querySelector("[aria-busy]"), false);
});

function focusFirstError(root) {
  const summary = root.querySelector?.(".form-error-summary");
  const field = root.querySelector?.(".is-invalid");
  (summary ?? field)?.focus();
}

focusFirstError(document);
document.addEventListener("htmx:afterSettle", (event) => focusFirstError(event.detail.elt));

const dialog = document.getElementById("confirm-dialog");
const confirmed = new WeakSet();

function ask(question, act, andThen) {
  dialog.querySelector("[data-confirm-question]").textContent = question;
  const button = dialog.querySelector("[data-confirm-button]");
  button.textContent = act || button.dataset.default;
  const modal = Modal.getOrCreateInstance(dialog);
  const proceed = () => {
    modal.hide();
    andThen();
  };
  button.addEventListener("click", proceed, { once: true });
  dialog.addEventListener("hidden.bs.modal", () => button.removeEventListener("click", proceed), { once: true });
  dialog.addEventListener("shown.bs.modal", () => button.focus(), { once: true });
  modal.show();
}

document.addEventListener(
  "submit",
  (event) => {
    const { target: form, submitter } = event;
    const asking = submitter?.dataset.confirm ? submitter : form.dataset.confirm ? form : null;
    if (!dialog || !asking || confirmed.has(form)) {
      confirmed.delete(form);
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(asking.dataset.confirm, asking.dataset.confirmAct, () => {
      confirmed.add(form);
      form.requestSubmit(submitter);
    });
  },
  true,
);

document.addEventListener("htmx:confirm", (event) => {
  const { elt, issueRequest } = event.detail;
  if (!dialog || elt.matches("form") || !elt.dataset.confirm) return;
  event.preventDefault();
  ask(elt.dataset.confirm, elt.dataset.confirmAct, () => issueRequest(true));
});
