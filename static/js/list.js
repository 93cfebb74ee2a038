/*
  Lists. Columns (templates/components/list_columns.html) are moved by buttons, by Alt and an arrow, or by dragging the handle; the
  order of the rows is the order in which they are sent. The first column always comes first.

  Rows are marked by their boxes, with Shift a whole range; then the acts appear, which take the ids of the marked rows, or what
  narrows the list when all that match are meant.
*/
const say = (text) => {
  document.getElementById("live-region").textContent = text;
};
const isFirst = (row) => row?.querySelector("input")?.disabled;
let dragged = null;

function told(row) {
  const rows = [...row.parentElement.children];
  say(`${row.textContent.trim()}: ${rows.indexOf(row) + 1} / ${rows.length}`);
}

function move(row, step) {
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (!other || isFirst(other) || isFirst(row)) return;
  const focused = document.activeElement;
  if (step < 0) other.before(row);
  else other.after(row);
  focused?.focus();
  row.scrollIntoView({ block: "nearest" });
  told(row);
}

document.addEventListener("click", (event) => {
  const moving = event.target.closest("[data-column-move]");
  if (moving) move(moving.closest("[data-column]"), Number(moving.dataset.columnMove));
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const row = event.target.closest("[data-column]");
  if (!step || !event.altKey || !row) return;
  event.preventDefault();
  move(row, step);
});

document.addEventListener("pointerdown", (event) => {
  const row = event.target.closest("[data-column-handle]")?.closest("[data-column]");
  if (row && !isFirst(row)) row.draggable = true;
});

document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.("[data-column]");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", "");
  dragged.classList.add("column-dragged");
});

document.addEventListener("dragover", (event) => {
  const over = event.target.closest?.("[data-column]");
  if (!dragged || !over || over.parentElement !== dragged.parentElement) return;
  event.preventDefault();
  if (over === dragged) return;
  const { top, height } = over.getBoundingClientRect();
  if (event.clientY < top + height / 2 && !isFirst(over)) over.before(dragged);
  else over.after(dragged);
});

document.addEventListener("drop", (event) => {
  if (dragged) event.preventDefault();
});

document.addEventListener("dragend", () => {
  if (!dragged) return;
  dragged.draggable = false;
  dragged.classList.remove("column-dragged");
  told(dragged);
  dragged = null;
});

const boxes = (list) => [...list.querySelectorAll("[data-mark]")];
let lastMarked = null;

function showMarked(list, isAll = false) {
  const bar = list.querySelector("[data-marked]");
  const marked = boxes(list).filter((box) => box.checked);
  const words = bar.querySelector("[data-marked-count]");
  bar.hidden = !marked.length;
  const some = marked.length === 1 ? words.dataset.one : words.dataset.many.replace("{count}", marked.length);
  words.textContent = isAll ? words.dataset.all : some;
  // The view says which columns are shown, whoever is marked.
  const view = bar.dataset.view;
  const ids = `ids=${marked.map((box) => box.value).join(",")}${view ? `&view=${view}` : ""}`;
  const query = isAll ? bar.dataset.narrowing : ids;
  for (const act of bar.querySelectorAll("[data-mark-act]")) act.href = `${act.dataset.markAct}?${query}`;
  const page = list.querySelector("[data-mark-page]");
  page.checked = marked.length > 0 && marked.length === boxes(list).length;
  page.indeterminate = marked.length > 0 && !page.checked;
}

document.addEventListener("click", (event) => {
  const list = event.target.closest(".list-rows");
  if (!list) return;
  const box = event.target.closest("[data-mark]");
  if (box) {
    const all = boxes(list);
    if (event.shiftKey && all.includes(lastMarked)) {
      const [from, to] = [all.indexOf(lastMarked), all.indexOf(box)].sort((a, b) => a - b);
      for (const each of all.slice(from, to + 1)) each.checked = box.checked;
    }
    lastMarked = box;
    showMarked(list);
  }
  if (event.target.matches("[data-mark-page]")) {
    for (const each of boxes(list)) each.checked = event.target.checked;
    showMarked(list);
  }
  if (event.target.closest("[data-mark-all]")) {
    for (const each of boxes(list)) each.checked = true;
    showMarked(list, true);
  }
  if (event.target.closest("[data-mark-none]")) {
    for (const each of boxes(list)) each.checked = false;
    showMarked(list);
    list.querySelector("[data-mark-page]")?.focus();
  }
});
