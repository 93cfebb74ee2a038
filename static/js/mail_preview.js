/* How an e-mail of a sequence will look: its text goes to the server, the answer into a frame in which nothing runs. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-mail-preview]");
  if (!button) return;
  const part = button.closest("[data-mail-text]");
  const frame = part.querySelector("iframe");
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: button.dataset.mailPreview, target: frame.name, hidden: true });
  const values = {
    csrfmiddlewaretoken: document.querySelector("[data-rules-form] [name=csrfmiddlewaretoken]").value,
    language: part.dataset.mailLanguage,
    subject: part.querySelector("[data-mail-subject]").value,
    body: part.querySelector("[data-mail-body]").value,
    from_name: document.querySelector('[name="whole-from_name"]')?.value ?? "",
  };
  for (const [name, value] of Object.entries(values)) {
    // A text area keeps the ends of lines; a hidden input loses them.
    form.append(Object.assign(document.createElement("textarea"), { name, value }));
  }
  document.body.append(form);
  frame.hidden = false;
  form.submit();
  form.remove();
});
