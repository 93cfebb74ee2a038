/*
  A form that takes one file: <form data-upload data-most-bytes="…" data-too-large="…"> with a label [data-drop] around its file
  field. A file can be dropped on it; its name and size are shown in [data-file]; one that is too large is refused before it is
  sent, in [data-file-error].
*/
const form = document.querySelector("form[data-upload]");
const zone = form.querySelector("[data-drop]");
const field = form.querySelector("input[type=file]");
const shown = form.querySelector("[data-file]");
const fault = form.querySelector("[data-file-error]");

function size(bytes) {
  const unit = bytes < 1 << 20 ? "kilobyte" : "megabyte";
  const number = bytes / (unit === "kilobyte" ? 1 << 10 : 1 << 20);
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit",
    unit,
    maximumFractionDigits: number < 10 ? 1 : 0,
  }).format(number);
}

function show() {
  const [file] = field.files;
  const isTooLarge = Boolean(file) && file.size > Number(form.dataset.mostBytes);
  shown.textContent = file ? `${file.name} · ${size(file.size)}` : "";
  fault.textContent = isTooLarge ? form.dataset.tooLarge : "";
  zone.classList.toggle("is-filled", Boolean(file) && !isTooLarge);
  return !isTooLarge;
}

field.addEventListener("change", show);
form.addEventListener("submit", (event) => {
  if (show()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

for (const name of ["dragenter", "dragover"]) {
  zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.add("is-over");
  });
}
for (const name of ["dragleave", "drop"]) {
  zone.addEventListener(name, () => zone.classList.remove("is-over"));
}
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  if (!event.dataTransfer.files.length) return;
  const files = new DataTransfer();
  files.items.add(event.dataTransfer.files[0]);
  field.files = files.files;
  show();
});
show();
