/*
  Clocks count while the page is open. <span class="clock" data-left="6120" data-total="86400" data-open-for="20000">:
  data-left        open seconds left when the page was made; below 0 the clock is broken and counts up
  data-total       open seconds of the whole clock, for the colour by share used (data-soon, data-late: shares, 0 to 1)
  data-open-for    seconds for which the calendar is still open; the clock stands still after them. "" = always open,
                   0 = closed now
  data-state       running; any other state stands still
  Screen readers are told once when a clock becomes soon, late or broken, by the frame's live region.
*/
const texts = JSON.parse(document.getElementById("ui-texts").textContent);
const live = document.getElementById("live-region");
const made = new WeakMap();

function hoursMinutes(seconds) {
  const minutes = Math.floor(Math.abs(seconds) / 60);
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

function tone(left, total, soon, late) {
  if (left < 0) return "late";
  const used = total > 0 ? 1 - left / total : 0;
  return used >= late ? "late" : used >= soon ? "soon" : "quiet";
}

function tick(clock) {
  if (clock.dataset.state !== "running") return;
  if (!made.has(clock)) made.set(clock, performance.now());
  const passed = (performance.now() - made.get(clock)) / 1000;
  const openFor = clock.dataset.openFor === "" ? Infinity : Number(clock.dataset.openFor);
  const left = Number(clock.dataset.left) - Math.min(passed, openFor);
  const next = tone(left, Number(clock.dataset.total), Number(clock.dataset.soon), Number(clock.dataset.late));
  const broken = left < 0;
  clock.querySelector("[data-clock-time]").textContent = (broken ? "+" : "") + hoursMinutes(left);
  const word = clock.querySelector("[data-clock-word]");
  if (word && broken) word.textContent = texts.clockLate;
  if (next !== clock.dataset.tone || broken !== (clock.dataset.broken === "true")) {
    clock.classList.remove(`tone-${clock.dataset.tone}`);
    clock.classList.add(`tone-${next}`);
    clock.dataset.tone = next;
    clock.dataset.broken = String(broken);
    if (live) live.textContent = `${clock.dataset.label}: ${hoursMinutes(left)} ${broken ? texts.clockLate : texts.clockLeft}`;
  }
}

const tickAll = () => document.querySelectorAll(".clock[data-left]").forEach(tick);

tickAll();
setInterval(tickAll, 5000);
document.addEventListener("htmx:afterSettle", tickAll);
document.addEventListener("visibilitychange", () => document.hidden || tickAll());
