/*
  The builder of a form (templates/leads/form_edit.html): fields are added from the list beneath, only the words of the form's own
  language are shown, and the preview follows what is typed. Order and removal are those of rule_rows.js.
*/
const form = document.getElementById("form-builder");
const list = form.querySelector("[data-rule-rows]");
const preview = document.getElementById("form-preview");
const language = form.querySelector("[data-form-languages]");
const fields = new Map(JSON.parse(document.getElementById("form-fields").textContent).map((field) => [field.name, field]));

let lastNew = 0;
let due = 0;

function showLanguages() {
  for (const words of form.querySelectorAll("[data-form-language]")) {
    words.hidden = language.value !== "" && words.dataset.formLanguage !== language.value;
    words.querySelector("[data-form-language-name]").hidden = language.value !== "";
  }
}

function showOffered() {
  const used = new Set([...list.children].map((row) => row.dataset.formField));
  for (const button of form.querySelectorAll("[data-form-add]")) button.disabled = used.has(button.dataset.formAdd);
}

function add(name) {
  const field = fields.get(name);
  lastNew += 1;
  const template = form.querySelector("template[data-form-template]");
  list.insertAdjacentHTML("beforeend", template.innerHTML.replaceAll("__row__", `n${lastNew}`));
  const row = list.lastElementChild;
  row.dataset.formField = name;
  row.querySelector('input[type="hidden"][name$="-name"]').value = name;
  row.querySelector("[data-form-name]").textContent = name;
  row.querySelector("[data-form-choices]").hidden = !field.listed;
  for (const input of row.querySelectorAll("[data-rule-label]")) {
    if (!language.value || language.value === input.dataset.ruleLabel) input.value = field.labels[input.dataset.ruleLabel];
  }
  showLanguages();
  row.querySelector("details").open = true;
  row.querySelector("[type=checkbox]").dispatchEvent(new Event("input", { bubbles: true }));
  row.querySelector("[data-rule-title]").textContent = field.labels[document.documentElement.lang.toLowerCase()] ?? name;
  row.scrollIntoView({ block: "nearest" });
  row.querySelector("summary").focus();
}

function refresh() {
  clearTimeout(due);
  due = setTimeout(() => window.htmx.trigger(preview, "preview-due"), 300);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-form-add]");
  if (button) add(button.dataset.formAdd);
});
form.addEventListener("input", refresh);
language.addEventListener("change", showLanguages);
document.querySelector('[name="preview_language"]').addEventListener("change", refresh);
new MutationObserver(() => {
  showOffered();
  refresh();
}).observe(list, { childList: true });

showLanguages();
showOffered();
