/*
  Searchable selects: <select data-enhance>, with data-create="true" for words of one's own. The plain select stays in the form
  and keeps the values.
*/
const texts = JSON.parse(document.getElementById("ui-texts").textContent);

export function enhance(select) {
  if (select.tomselect) return;
  // Out of sight and out of the tab order, its label now names the field that stands for it.
  select.setAttribute("aria-hidden", "true");
  new window.TomSelect(select, {
    plugins: select.multiple ? ["remove_button"] : [],
    create: select.dataset.create === "true",
    persist: false,
    maxOptions: 500,
    render: {
      no_results: () => Object.assign(document.createElement("div"), { className: "no-results", textContent: texts.nothingFound }),
      option_create: ({ input }) => {
        const option = document.createElement("div");
        option.className = "create";
        option.textContent = texts.useWord.replace("%s", input);
        return option;
      },
    },
  });
}

const enhanceAll = (root) => root.querySelectorAll("select[data-enhance]").forEach(enhance);

enhanceAll(document);
document.addEventListener("htmx:load", (event) => enhanceAll(event.detail.elt));
document.addEventListener("leadsys:enhance", (event) => enhanceAll(event.target));
