/*
  What is shown once and has to be taken along: <input id="made" readonly data-select> is selected when focused,
  <button data-copy="made" data-copied="The link is copied."> copies its value and says so.
*/
document.addEventListener("focusin", (event) => {
  if (event.target.matches("input[data-select]")) event.target.select();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.focus();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    // Without permission the text stays selected, ready for the keyboard.
    field.select();
    return;
  }
  document.dispatchEvent(new CustomEvent("toast", { detail: { text: button.dataset.copied.trim(), tone: "good" } }));
});
