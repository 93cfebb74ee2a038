/*
  The rows of a rule document's form (templates/leads/rules_edit.html): added from a <template>, removed, moved by buttons, by Alt
  and an arrow, or by dragging the handle. The order of the rows is the order in which they are sent. A row that was touched says
  so; leaving the page with changes asks first. Of a long document the later rows come without their fields, which are fetched when
  a row is opened; until then the row goes along as it is.
*/
const fill = (sentence, values) => sentence.replace(/%\((\w+)\)s/g, (_all, name) => values[name]);
const say = (text) => {
  document.getElementById("live-region").textContent = text;
};

const texts = JSON.parse(document.getElementById("condition-builder-texts").textContent);

let lastNew = 0;
let isChanged = false;
let dragged = null;

const formOf = (element) => element.closest("[data-rules-form]");
const listOf = (form) => form.querySelector("[data-rule-rows]");

function touch(row) {
  isChanged = true;
  row?.classList.add("rule-row-touched");
}

const idOf = (row) => row.querySelector('input[type=hidden][name$="-id"]');

// Where a branch may go on: the rows below it. What was chosen stays, so that the server can say what is wrong with it.
function fillJumps(list) {
  const rows = [...list.children];
  const name = (row) => `${rows.indexOf(row) + 1}. ${row.querySelector("[data-rule-title]").textContent.trim()}`;
  for (const select of list.querySelectorAll("[data-rule-jump]")) {
    const own = rows.indexOf(select.closest("[data-rule-row]"));
    const chosen = select.value;
    while (select.options.length > 2) select.options[2].remove();
    const targets = rows.filter((row, place) => place > own || (idOf(row).value === chosen && chosen));
    for (const row of targets) select.add(new Option(name(row), idOf(row).value));
    if (chosen && ![...select.options].some(({ value }) => value === chosen)) select.add(new Option(chosen, chosen));
    select.value = chosen;
  }
}

function add(form, key) {
  const template = form.querySelector(`template[data-rule-template="${key}"]`);
  lastNew += 1;
  const list = listOf(form);
  list.insertAdjacentHTML("beforeend", template.innerHTML.replaceAll("__row__", `n${lastNew}`));
  const row = list.lastElementChild;
  equip(row);
  // Steps are jumped to by their ids, also before they are saved.
  if (list.hasAttribute("data-rule-jumps")) idOf(row).value = `step_${Date.now().toString(36)}`;
  row.dispatchEvent(new CustomEvent("leadsys:added", { bubbles: true }));
  fillJumps(list);
  touch(row);
  row.scrollIntoView({ block: "nearest" });
  row.querySelector("input:not([type=hidden]), select")?.focus();
}

function remove(row) {
  const list = row.parentElement;
  const next = row.nextElementSibling ?? row.previousElementSibling;
  isChanged = true;
  row.remove();
  fillJumps(list);
  say(list.dataset.removed);
  (next?.querySelector("summary") ?? formOf(list).querySelector("[data-rule-add], [data-form-add]")).focus();
}

function told(row) {
  const rows = [...row.parentElement.children];
  fillJumps(row.parentElement);
  touch(row);
  say(fill(texts.movedTo, { place: rows.indexOf(row) + 1, count: rows.length }));
}

function move(row, step) {
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  const focused = document.activeElement;
  if (step < 0) other.before(row);
  else other.after(row);
  focused?.focus();
  told(row);
}

// What is the same in every row stands in the page once: the handle, the mark of a change, the buttons.
function equip(row) {
  const template = formOf(row)?.querySelector("template[data-rule-tools]");
  if (!template || row.querySelector(":scope > .rule-tools")) return;
  const [handle, touched, chevron, tools] = template.content.cloneNode(true).children;
  row.querySelector(":scope > details").before(handle);
  row.querySelector("[data-rule-title]").after(" ", touched);
  row.querySelector("summary").append(chevron);
  row.append(tools);
}

async function fetchFields(row) {
  const place = row.querySelector("[data-rule-fields]");
  if (!place || place.ariaBusy === "true") return;
  place.ariaBusy = "true";
  const kept = row.querySelector('input[type=hidden][name$="-kept"]');
  const values = { row: row.querySelector("input[name=row]").value, [kept.name]: kept.value };
  await window.htmx.ajax("POST", row.parentElement.dataset.ruleAsks, { source: row, target: place, swap: "outerHTML", values });
  place.ariaBusy = "false";
  // Gone only if the fields came: a row of which nothing came still goes along as it is.
  if (!place.isConnected) kept.remove();
}

function prepare() {
  document.querySelectorAll("[data-rule-row]").forEach(equip);
  document.querySelectorAll("[data-rule-jumps]").forEach(fillJumps);
}
prepare();
document.addEventListener("htmx:load", prepare);
document.addEventListener("toggle", (event) => event.target.open && event.target.matches(".rule-details") && fetchFields(event.target.closest("[data-rule-row]")), true);

document.addEventListener("click", (event) => {
  const adding = event.target.closest("[data-rule-add]");
  if (adding) add(formOf(adding), adding.dataset.ruleAdd);
  const removing = event.target.closest("[data-rule-remove]");
  if (removing) remove(removing.closest("[data-rule-row]"));
  const moving = event.target.closest("[data-rule-move]");
  if (moving) move(moving.closest("[data-rule-row]"), Number(moving.dataset.ruleMove));
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const row = event.target.closest("[data-rule-row]");
  if (!step || !event.altKey || !row || !event.target.closest("summary, .rule-tools")) return;
  event.preventDefault();
  move(row, step);
});

document.addEventListener("input", (event) => {
  const row = event.target.closest("[data-rule-row]");
  if (!row && !formOf(event.target)) return;
  touch(row);
  const label = event.target.dataset.ruleLabel;
  if (label && row && document.documentElement.lang.toLowerCase() === label) {
    row.querySelector("[data-rule-title]").textContent = event.target.value;
  }
});

// A builder writes its condition when it is drawn, too; only what differs then is a change.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (!formOf(field)) return;
  if (field.matches("[data-cond-output]") && field.value === field.dataset.was) return;
  if (field.matches("[data-cond-output]") && field.dataset.was === undefined) {
    field.dataset.was = field.value;
    return;
  }
  touch(field.closest("[data-rule-row]"));
});

// Dragging: the row follows over the others and stays where it is let go.
document.addEventListener("pointerdown", (event) => {
  const row = event.target.closest("[data-rule-handle]")?.closest("[data-rule-row]");
  if (row) row.draggable = true;
});

document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.("[data-rule-row]");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", "");
  dragged.classList.add("rule-row-dragged");
});

document.addEventListener("dragover", (event) => {
  const over = event.target.closest?.("[data-rule-row]");
  if (!dragged || !over || over.parentElement !== dragged.parentElement) return;
  event.preventDefault();
  if (over === dragged) return;
  const { top, height } = over.getBoundingClientRect();
  if (event.clientY < top + height / 2) over.before(dragged);
  else over.after(dragged);
});

document.addEventListener("drop", (event) => {
  if (dragged) event.preventDefault();
});

document.addEventListener("dragend", () => {
  if (!dragged) return;
  dragged.draggable = false;
  dragged.classList.remove("rule-row-dragged");
  told(dragged);
  dragged = null;
});

// What was typed and not saved.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Redirect")) isChanged = false;
});
document.addEventListener("submit", (event) => {
  if (!formOf(event.target)) isChanged = false;
});
window.addEventListener("beforeunload", (event) => {
  if (isChanged) event.preventDefault();
});
