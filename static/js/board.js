/*
  The board of opportunities (templates/leads/opportunity_board.html): a card that is dropped on a column presses the button of the
  act that leads there, so dragging asks and does what the button does. Columns to which a card may go are marked while it hangs.
*/
let dragged = null;

const moveTo = (card, column) => card?.querySelector(`[data-board-move="${column.dataset.boardColumn}"]`);
const columnAt = (element) => element.closest?.("[data-board-column]");

function mark(card) {
  for (const column of document.querySelectorAll("[data-board-column]")) {
    column.classList.toggle("board-column-open", Boolean(moveTo(card, column)));
  }
}

document.addEventListener("dragstart", (event) => {
  const card = event.target.closest?.("[data-board-card]");
  if (!card) return;
  dragged = card;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", "");
  card.classList.add("board-card-dragged");
  mark(card);
});

document.addEventListener("dragover", (event) => {
  const column = columnAt(event.target);
  if (column && moveTo(dragged, column)) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  const column = columnAt(event.target);
  const button = column && moveTo(dragged, column);
  if (!button) return;
  event.preventDefault();
  button.click();
});

document.addEventListener("dragend", () => {
  dragged?.classList.remove("board-card-dragged");
  dragged = null;
  mark(null);
});
