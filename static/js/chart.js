/*
  Draws the charts of components/chart.html with ECharts, in the colours of the theme, and swaps drawing and table. Bars with
  an address open their rows. Tooltips are drawn on the canvas: HTML ones need inline styles, which the CSP forbids.
*/
const { echarts } = window;
const drawn = new Map();

function colours() {
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("span");
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const all = {
    act: "#066fd1",
    good: "#2fb344",
    soon: "#f08c2e",
    late: "#d63939",
    quiet: "#c3ccd9",
    ink: read("--tblr-body-color"),
    faint: read("--ls-quiet"),
    line: read("--tblr-border-color"),
    paper: read("--tblr-bg-surface"),
    font: style.getPropertyValue("--tblr-font-sans-serif"),
  };
  probe.remove();
  return all;
}

const format = new Intl.NumberFormat(document.documentElement.lang);

function options(data, tint) {
  const show = (value) => (value === null ? "–" : format.format(value) + (data.unit ? ` ${data.unit}` : ""));
  const text = { color: tint.ink, fontFamily: tint.font, fontSize: 12 };
  const categories = {
    type: "category",
    data: data.categories,
    inverse: data.horizontal,
    axisTick: { show: false },
    axisLine: { show: !data.horizontal, lineStyle: { color: tint.line } },
    axisLabel: { ...text, color: tint.faint },
  };
  const values = {
    type: "value",
    show: !data.horizontal || data.stacked,
    max: data.maximum ?? undefined,
    axisLabel: { ...text, color: tint.faint, formatter: (value) => show(value) },
    splitLine: { lineStyle: { color: tint.line } },
  };
  return {
    animation: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
    animationDuration: 250,
    textStyle: text,
    grid: { left: 4, right: data.horizontal ? (data.stacked ? 24 : 96) : 12, top: data.series.length > 1 ? 32 : 12, bottom: 4, containLabel: true },
    legend: data.series.length > 1 ? { top: 0, left: 0, icon: "roundRect", textStyle: text } : undefined,
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      axisPointer: { type: data.kind === "bar" ? "shadow" : "line" },
      backgroundColor: tint.paper,
      borderColor: tint.line,
      textStyle: text,
      valueFormatter: show,
    },
    xAxis: data.horizontal ? values : categories,
    yAxis: data.horizontal ? categories : values,
    series: data.series.map((series, index) => ({
      name: series.name,
      type: data.kind,
      data: series.values,
      stack: data.stacked ? "all" : undefined,
      barMaxWidth: 28,
      symbol: "circle",
      cursor: data.urls.length ? "pointer" : "default",
      itemStyle: { color: tint[series.tone], borderRadius: data.stacked || data.kind === "line" ? 0 : 3 },
      label: {
        show: data.kind === "bar" && (data.horizontal || data.stacked) && data.series.length < 3,
        position: data.stacked ? "inside" : "right",
        ...text,
        color: data.stacked ? "#fff" : tint.ink,
        formatter: ({ value, dataIndex }) => {
          if (data.stacked && index > 0) return "";
          return index === 0 && data.notes[dataIndex] ? `${show(value)}   ${data.notes[dataIndex]}` : show(value);
        },
      },
    })),
  };
}

function draw(place) {
  const data = JSON.parse(document.getElementById(place.dataset.chartData).textContent);
  const chart = drawn.get(place) ?? echarts.init(place, null, { renderer: "canvas" });
  chart.setOption(options(data, colours()), true);
  if (drawn.has(place)) return;
  drawn.set(place, chart);
  chart.on("click", ({ dataIndex }) => {
    if (data.urls[dataIndex]) window.location.assign(data.urls[dataIndex]);
  });
  new ResizeObserver(() => chart.resize()).observe(place);
}

function drawAll() {
  for (const [place, chart] of drawn) {
    if (!place.isConnected) {
      chart.dispose();
      drawn.delete(place);
    }
  }
  for (const place of document.querySelectorAll("[data-chart-data]")) if (!drawn.has(place)) draw(place);
}

drawAll();
document.fonts?.ready.then(() => drawn.forEach((_chart, place) => draw(place)));
document.addEventListener("htmx:afterSettle", drawAll);
document.addEventListener("leadsys:theme", () => drawn.forEach((_chart, place) => draw(place)));

document.addEventListener("click", (event) => {
  const toggle = event.target.closest("[data-chart-toggle]");
  if (!toggle) return;
  const card = toggle.closest("[data-chart]");
  const table = card.querySelector("[data-chart-table]");
  table.hidden = !table.hidden;
  card.querySelector("[data-chart-view]").hidden = !table.hidden;
  toggle.setAttribute("aria-expanded", String(!table.hidden));
});
