"use strict";
// Elements, the pool of series, and charts by Plotly. Labels are text: nodes in the page, escaped in charts.

function html(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.flat());
  return node;
}

// Plotly reads <b>, <a>, <br> and entities in its texts; labels are shown as written.
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const brief = (text, most) => plain([...text].length > most ? [...text].slice(0, most - 1).join("") + "…" : text);

// Short text of a number: three significant digits without trailing zeros.
const short = (value) => String(Number(value.toPrecision(3)));

// Colour, marker and dash of a class; a place below 0 is "no class".
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "pentagon"];
const DASHES = ["solid", "dash", "dot", "longdashdot"];
const colorOf = (theme, place) => (place < 0 ? theme.none : theme[`k${place % 8}`]);
const symbolOf = (place) => SYMBOLS[place < 0 ? 0 : (place + Math.floor(place / 8)) % 8];
const dashOf = (place) => DASHES[place < 0 ? 0 : place % 4];

// The series of a page: 16-bit integers over each channel's range.
class Pool {
  constructor(raw) {
    const bytes = Uint8Array.from(atob(raw.data), (character) => character.charCodeAt(0));
    this.values = new Uint16Array(bytes.buffer);
    Object.assign(this, { channels: raw.channels, points: raw.points, length: raw.length, raw });
    this.steps = Array.from({ length: raw.points }, (_, i) => (i * (raw.length - 1)) / Math.max(1, raw.points - 1));
  }
  series(id, channel) {
    const start = (id * this.channels + channel) * this.points;
    const { low, span } = this.raw;
    return Array.from(this.values.subarray(start, start + this.points),
      (step) => low[channel] + (span[channel] * step) / 65535);
  }
  source(id) { return this.raw.sources[this.raw.source[id]]; }
  label(id) { return this.raw.label[id]; }
  number(id) { return this.raw.case[id] + 1; }
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const coarse = matchMedia("(pointer: coarse)").matches;
const screenTheme = () => THEMES[dark.matches ? "dark" : "light"];
const PRINTED = 680; // width of a printed page in pixels
const charts = new Set();

// One chart: `describe(theme, width)` gives its traces and layout. It is drawn when it comes near the window.
class Chart {
  constructor(container, label, describe) {
    Object.assign(this, { container, describe, drawn: false });
    container.classList.add("chart");
    container.setAttribute("role", "figure");
    container.setAttribute("aria-label", label);
    this.name = label.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60);
    charts.add(this);
    near.observe(container);
    sizes.observe(container);
  }
  paint(theme = screenTheme(), width = this.container.clientWidth) {
    if (!width) return;
    const { traces, layout } = this.describe(theme, width);
    const first = !this.drawn;
    [this.drawn, this.width] = [true, width];
    this.container.classList.add("drawn");
    Plotly.react(this.container, traces, { ...baseLayout(theme), ...layout, width }, {
      displaylogo: false, displayModeBar: "hover", typesetMath: false, showTips: false, doubleClick: "reset", plotlyServerURL: "",
      modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]], // none that sends data away
      toImageButtonOptions: { filename: this.name, format: "png", scale: 2 } });
    if (first && this.ready) this.ready();
  }
  again() { if (this.drawn) this.paint(); }
  drop() { charts.delete(this); near.unobserve(this.container); sizes.unobserve(this.container); Plotly.purge(this.container); }
}

const chartOf = (node) => [...charts].find(({ container }) => container === node);
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting && !chartOf(target)?.drawn) chartOf(target)?.paint();
}, { rootMargin: "600px" });
const sizes = new ResizeObserver((entries) => requestAnimationFrame(() => {
  for (const { target } of entries) {
    const chart = chartOf(target);
    if (chart?.drawn && target.clientWidth && target.clientWidth !== chart.width) chart.paint();
  }
}));

// On paper charts are light, and as wide as the paper, and the tables of metrics are unfolded.
let unfolded = [];
window.addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details.metrics:not([open])")];
  for (const part of unfolded) part.open = true;
  const whole = document.querySelector("main").clientWidth - 32;
  for (const chart of charts) chart.paint(THEMES.light, Math.round((PRINTED * chart.container.clientWidth) / whole));
});
window.addEventListener("afterprint", () => {
  for (const part of unfolded) part.open = false;
  for (const chart of charts) chart.again();
});
dark.addEventListener("change", () => { for (const chart of charts) chart.again(); });

const FONT = "system-ui, sans-serif";
const baseLayout = (theme) => ({
  uirevision: "kept", height: 260, margin: { l: 56, r: 18, t: 30, b: 40 }, showlegend: false, dragmode: coarse ? false : "zoom",
  paper_bgcolor: theme.page, plot_bgcolor: theme.box, font: { family: FONT, size: 12, color: theme.quiet }, hovermode: "closest",
  hoverlabel: { bgcolor: theme.page, bordercolor: theme.edge, font: { family: FONT, color: theme.text }, namelength: 40 },
  modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.edge, activecolor: theme.link } });

const axis = (theme, title = "", more = {}) => ({ title: { text: title, standoff: 6, font: { size: 12 } }, gridcolor: theme.line,
  linecolor: theme.edge, zeroline: false, automargin: true, nticks: 6, ...more });

// A logarithmic axis over positive values, with whole powers of ten where there are many.
function logAxis(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)].map(Math.log10);
  const steps = high - low > 2 ? [1] : [1, 2, 5], powers = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => 10 ** (Math.floor(low) + i));
  const tickvals = powers.flatMap((power) => steps.map((step) => step * power));
  return { type: "log", tickmode: "array", tickvals, ticktext: tickvals.map(short) };
}

// Names in a legend are the shorter the more there are.
const legendName = (name, count) => brief(name, count > 8 ? 14 : 40);

// A legend below the plot; `room` is its height. A click hides or shows, two clicks single out.
function legendBelow(theme, width, names, axisRoom = 44) {
  const entry = Math.min(330, 46 + 7 * Math.max(0, ...names.map((name) => name.length)));
  const rows = Math.ceil(names.length / Math.max(1, Math.floor((width - 20) / entry)));
  const room = 14 + 22 * rows;
  return { room: room + axisRoom, legend: { orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom",
    font: { color: theme.text, size: 12 }, entrywidth: entry - 40, itemsizing: "constant", maxheight: room } };
}

// Lines with a legend: `lines(theme)` gives [{name, x, y, color, dash, width}].
function lineChart(container, lines, { label, xLabel = "time step", yLabel = "", height = 240, log = false, limits = null }) {
  return new Chart(container, label, (theme, width) => {
    const all = lines(theme), named = all.filter(({ name }) => name).length, names = all.filter(({ name }) => name).map(({ name }) => legendName(name, named));
    const { room, legend } = legendBelow(theme, width, names);
    const traces = all.map((line) => ({ x: line.x, y: line.y, mode: "lines", name: line.name ? legendName(line.name, named) : "",
      showlegend: Boolean(line.name), line: { color: line.color, width: line.width || 1.6, dash: line.dash || "solid" },
      hovertemplate: `%{x:.5~g}: %{y:.4~g}<extra>${line.name ? "%{fullData.name}" : ""}</extra>` }));
    const y = limits ? { range: limits } : {};
    return { traces, layout: { height: height + (names.length ? room - 44 : 0), showlegend: names.length > 0, legend,
      margin: { l: 56, r: 18, t: 30, b: names.length ? room : 40 }, xaxis: axis(theme, plain(xLabel)),
      yaxis: axis(theme, plain(yLabel), { ...y, nticks: 5, ...(log ? logAxis(all.flatMap((line) => line.y)) : {}) }) } };
  });
}

// Domains of panels in a plot of `width` times `height` pixels, with gaps in pixels: `at(row, column)` gives [x, y].
function places(width, height, columns, rows, gapX, gapY) {
  const span = (size, n, gap, i) => { const part = (size - gap * (n - 1)) / n; return [(i * (part + gap)) / size, (i * (part + gap) + part) / size]; };
  return (row, column) => [span(width, columns, gapX, column), span(height, rows, gapY, row).map((y) => 1 - y).reverse()];
}

// Small panels in one chart, as many in a row as fit: [{title, traces(theme, axes), yTitle, mark}].
function smallPanels(container, panels, { label, least = 230, tall = 100, xTitle, yAxis = {}, xAxis = {} }) {
  return new Chart(container, label, (theme, width) => {
    const [left, right, top, bottom, gapX, gapY] = [56, 18, 52, 44, 62, 74];
    const columns = Math.max(1, Math.min(panels.length, Math.floor(width / least))), rows = Math.ceil(panels.length / columns);
    const [wide, high] = [width - left - right, rows * tall + (rows - 1) * gapY], at = places(wide, high, columns, rows, gapX, gapY);
    const letters = Math.floor((wide - gapX * (columns - 1)) / columns / 6.2);
    const traces = [], layout = { height: high + top + bottom, margin: { l: left, r: right, t: top, b: bottom }, annotations: [], shapes: [] };
    panels.forEach((panel, i) => {
      const key = i ? i + 1 : "", [x, y] = at(Math.floor(i / columns), i % columns);
      traces.push(...panel.traces(theme).map((trace) => ({ ...trace, xaxis: `x${key}`, yaxis: `y${key}` })));
      layout[`xaxis${key}`] = axis(theme, plain(xTitle), { domain: x, anchor: `y${key}`, nticks: 4, automargin: false, ...xAxis });
      layout[`yaxis${key}`] = axis(theme, brief(panel.yTitle || "", 16), { domain: y, anchor: `x${key}`, nticks: 3, automargin: false, ...yAxis });
      layout.annotations.push({ text: brief(panel.title, letters), showarrow: false, xref: "paper", yref: "paper", x: x[0], y: y[1], xanchor: "left", yanchor: "bottom", font: { color: theme.text } });
      if (panel.mark) layout.shapes.push({ type: "line", xref: `x${key}`, yref: `y${key} domain`, x0: panel.mark, x1: panel.mark, y0: 0, y1: 1, line: { color: theme.k1, width: 1.5, dash: "dash" } });
    });
    return { traces, layout };
  });
}

// Bars side by side, whose heights are shares.
const bars = (x, shares, width) => (theme) => [{ type: "bar", x, y: shares, width, marker: { color: theme.k0 }, hovertemplate: "%{x:.3~g}: %{y:.1%}<extra></extra>" }];
const shareAxis = (rows) => ({ range: [0, 1.05 * (Math.max(...rows.flatMap(({ shares }) => shares)) || 1)], tickformat: ".0%" });

// A point a name, with its standard deviation, and a dashed rule where real data stands.
function dotChart(container, { title, better, runs, real, log }, marked) {
  const known = runs.filter(({ value }) => value !== null);
  const logarithmic = log && known.every(({ value }) => value > 0) && !(real <= 0 && real !== null);
  const values = runs.map((run) => `${run.title} ${run.value === null ? "not known" : short(run.value)}`).join(", ");
  const label = `${title}${better ? `, better: ${better}` : ""}: ${values}${real === null ? "" : `; real data ${short(real)}`}`;
  return new Chart(container, label, (theme, width) => {
    const letters = Math.max(10, Math.floor(width / 18)), names = runs.map((run, i) => ({ i, text: brief(run.title, letters) }));
    const rule = real === null ? [] : [{ type: "line", x0: real, x1: real, yref: "paper", y0: 0, y1: 1, line: { color: theme.text, width: 1.5, dash: "dash" } }];
    const note = real === null ? [] : [{ x: logarithmic ? Math.log10(real) : real, yref: "paper", y: 1, yanchor: "bottom", text: `real data ${short(real)}`,
      showarrow: false, font: { color: theme.text } }];
    return { traces: [{ x: runs.map(({ value }) => value), y: runs.map((_, i) => i), mode: "markers+text", text: runs.map(({ value }) => (value === null ? "" : short(value))),
      textposition: "top center", textfont: { color: theme.text }, cliponaxis: false, marker: { size: 11, color: runs.map((_, i) => (i === marked ? theme.k1 : theme.k0)) },
      error_x: { type: "data", array: runs.map(({ sd }) => sd || 0), color: theme.edge, visible: runs.some(({ sd }) => sd) },
      hovertemplate: "%{x:.4~g}<extra></extra>" }],
    layout: { height: 70 + 38 * runs.length, shapes: rule, annotations: note, margin: { l: 56, r: 30, t: 34, b: 40 },
      xaxis: axis(theme, plain(title) + (better ? ` (better: ${plain(better)})` : ""), { nticks: width < 500 ? 3 : 6, tickangle: 0, ...(logarithmic ? logAxis(known.map(({ value }) => value).concat(real ?? [])) : {}) }),
      yaxis: axis(theme, "", { tickvals: names.map(({ i }) => i), ticktext: names.map(({ text }) => text), range: [runs.length - 0.4, -0.7], showgrid: true }) } };
  });
}

// Choose one of several titled things to draw.
function switcher(container, label, options, draw) {
  const canvas = html("div");
  let shown = [];
  const show = (option) => {
    for (const chart of shown) chart.drop();
    canvas.replaceChildren();
    shown = draw(canvas, option);
    for (const chart of shown) chart.paint(); // at once: it stands where the reader looks
  };
  const choice = html("select", { onchange: () => show(options[Number(choice.value)]) },
    options.map(({ title }, i) => html("option", { value: i }, title)));
  container.append(html("div", { class: "controls" }, html("label", {}, `${label} `, choice)), canvas);
  show(options[0]);
}
