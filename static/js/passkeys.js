/*
  What allauth's scripts leave to the page: a passkey that was not given is said in words (data-passkey-failed), and Enter in the
  form of a new one asks for it, as its button does (data-passkey-asks).
*/
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const text = document.querySelector("[data-passkey-failed]").dataset.passkeyFailed;
  document.dispatchEvent(new CustomEvent("toast", { detail: { text, tone: "late" } }));
});

document.addEventListener(
  "submit",
  (event) => {
    const button = event.target.querySelector("[data-passkey-asks]");
    // An empty field for JSON holds "null".
    if (!button || !["", "null"].includes(event.target.elements.credential.value)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    button.click();
  },
  true,
);
