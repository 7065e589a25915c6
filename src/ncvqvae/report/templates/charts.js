"use strict";
// Drawing: elements, the pool of series, axes, lines, points. Text goes in as text nodes only, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const DASHES = ["", "6 3", "2 2.5", "9 3 2 3"];
const MARKERS = [
  "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z", "M-3.6,-3.6h7.2v7.2h-7.2Z", "M0,-4.6L4.4,3.2H-4.4Z", "M0,-5L5,0L0,5L-5,0Z",
  "M0,4.6L4.4,-3.2H-4.4Z", "M-1.6,-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3Z",
  "M-4.4,-2.4L-2.4,-4.4L0,-2L2.4,-4.4L4.4,-2.4L2,0L4.4,2.4L2.4,4.4L0,2L-2.4,4.4L-4.4,2.4L-2,0Z",
  "M0,-4.8L4.6,-1.5L2.8,3.9H-2.8L-4.6,-1.5Z",
];

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.flat());
  return node;
}
const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

// Colour, marker and dash of a class; a place below 0 is "no class".
const colorOf = (place) => (place < 0 ? "var(--none)" : `var(--k${place % 8})`);
const markerOf = (place) => MARKERS[place < 0 ? 0 : (place + Math.floor(place / 8)) % 8];
const dashOf = (place) => DASHES[place < 0 ? 0 : place % 4];

// Short text of a number: three significant digits without trailing zeros.
const short = (value) => String(Number(value.toPrecision(3)));

// The series of a page: 16-bit integers over each channel's range.
class Pool {
  constructor(raw) {
    const bytes = Uint8Array.from(atob(raw.data), (character) => character.charCodeAt(0));
    this.values = new Uint16Array(bytes.buffer);
    Object.assign(this, { channels: raw.channels, points: raw.points, length: raw.length, raw });
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

function linePath(values, X, Y) {
  return "M" + values.map((value, i) => `${X(i).toFixed(1)},${Y(value).toFixed(1)}`).join("L");
}

// Many series over one another, stretched to whatever room there is.
function panel(pool, ids, channel, limits, place, name) {
  const [width, height] = [300, 110];
  const X = (i) => (i / Math.max(1, pool.points - 1)) * width;
  const Y = (value) => height * (1 - (value - limits[0]) / (limits[1] - limits[0]));
  const opacity = Math.min(0.9, Math.max(0.22, 8 / Math.max(1, ids.length)));
  const paths = ids.map((id) => svg("path", { d: linePath(pool.series(id, channel), X, Y), "stroke-opacity": opacity }));
  const group = svg("g", { style: `stroke:${colorOf(place)}`, "stroke-width": 1.1 }, paths);
  return svg("svg", { class: "panel", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img",
    "aria-label": name }, group);
}

function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [10, 5, 2, 1].find((factor) => factor * power <= 1.2 * rough) * power;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const factors = decades > 2.5 ? [1] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found.length > 1 ? found : [low, high];
}

// Axes with room for text; `area` takes what is drawn, X and Y map values to pixels.
function axes(width, height, x, y, { log = false, label = "", xLabel = "" } = {}) {
  const [left, right, top, bottom] = [48, 8, 8, xLabel ? 38 : 24];
  const scale = log ? Math.log10 : (value) => value;
  const X = (value) => left + ((value - x[0]) / (x[1] - x[0] || 1)) * (width - left - right);
  const Y = (value) => height - bottom - ((scale(value) - scale(y[0])) / (scale(y[1]) - scale(y[0]) || 1)) * (height - top - bottom);
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const tick of log ? logTicks(...y) : ticks(...y, Math.max(3, height / 60))) {
    root.append(svg("line", { class: "rule", x1: left, x2: width - right, y1: Y(tick), y2: Y(tick) }),
      svg("text", { x: left - 6, y: Y(tick) + 4, "text-anchor": "end" }, short(tick)));
  }
  for (const tick of ticks(...x, Math.max(3, width / 80))) {
    root.append(svg("text", { x: X(tick), y: height - bottom + 16, "text-anchor": "middle" }, short(tick)));
  }
  root.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  if (xLabel) root.append(svg("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, xLabel));
  const area = svg("g");
  root.append(area);
  return { root, area, X, Y };
}

// Draw again whenever the width of the container changes, so that text keeps its size.
function responsive(container, draw) {
  let last = 0;
  const redraw = (force) => {
    const width = Math.round(container.clientWidth);
    if (!width || (width === last && !force)) return;
    last = width;
    container.replaceChildren(draw(width));
  };
  new ResizeObserver(() => requestAnimationFrame(() => redraw(false))).observe(container);
  redraw(false);
  return () => redraw(true);
}

const swatch = (color, dash, width = 2) => svg("svg", { width: 26, height: 10, "aria-hidden": "true" },
  svg("line", { x1: 0, x2: 26, y1: 5, y2: 5, style: `stroke:${color}`, "stroke-width": width, "stroke-dasharray": dash }));

const keys = (entries) => html("ul", { class: "keys" },
  entries.map(({ name, color, dash, width }) => html("li", {}, swatch(color, dash, width), name)));

// Lines with a key: [{name, x, y, color, dash, width}].
function lineChart(container, lines, { log = false, label = "", xLabel = "", height = 260, limits = null } = {}) {
  const all = lines.flatMap((line) => line.y);
  const bounds = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const x = bounds(lines.flatMap((line) => line.x));
  let y = limits ? bounds([...limits, ...all]) : bounds(all);
  if (y[0] === y[1]) y = log ? [y[0] / 2, y[1] * 2] : [y[0] - 1, y[1] + 1];
  const plot = html("div");
  container.replaceChildren(plot, keys(lines.filter((line) => line.name)));
  responsive(plot, (width) => {
    const { root, area, X, Y } = axes(width, height, x, y, { log, label, xLabel });
    for (const line of lines) {
      const path = "M" + line.y.map((value, i) => `${X(line.x[i]).toFixed(1)},${Y(value).toFixed(1)}`).join("L");
      area.append(svg("path", { d: path, style: `stroke:${line.color}`, "stroke-width": line.width || 1.6,
        "stroke-dasharray": line.dash || "" }));
    }
    return root;
  });
}

// Bars between 0 and 1 share each; `mark` draws a rule at a place between 0 and 1.
function barChart(container, shares, { label, mark = null, top = null, height = 120, x = [0, shares.length], xLabel = "" }) {
  const high = top || Math.max(...shares);
  responsive(container, (width) => {
    const { root, area, X, Y } = axes(width, height, x, [0, high || 1], { label, xLabel });
    const step = (x[1] - x[0]) / shares.length;
    shares.forEach((share, i) => area.append(svg("rect", { class: "bar", x: X(x[0] + i * step) + 0.5,
      width: Math.max(0.5, X(step) - X(0) - 1), y: Y(share || 0), height: Y(0) - Y(share || 0) })));
    if (mark !== null) {
      area.append(svg("line", { x1: X(mark), x2: X(mark), y1: Y(0), y2: Y(high || 1), style: "stroke:var(--k1)",
        "stroke-width": 1.5, "stroke-dasharray": "5 3" }));
    }
    return root;
  });
}

// A square matrix of numbers: blue above 0, orange below, nothing where a value is missing. `read` hears of a cell.
function heatmap(container, values, { label, read }) {
  const n = values.length, most = Math.max(...values.flat().map((value) => Math.abs(value || 0))) || 1, levels = 12;
  const paths = new Map();
  values.forEach((row, i) => row.forEach((value, j) => {
    const level = Math.ceil((Math.abs(value || 0) / most) * levels);
    if (level) {
      const key = `${value > 0 ? 0 : 1} ${level}`;
      paths.set(key, `${paths.get(key) || ""}M${j},${i}h1v1h-1Z`);
    }
  }));
  const root = svg("svg", { class: "chart matrix", viewBox: `0 0 ${n} ${n}`, role: "img", "aria-label": label,
    "shape-rendering": "crispEdges", onpointermove: (event) => {
      const box = root.getBoundingClientRect();
      const [i, j] = [event.clientY - box.top, event.clientX - box.left].map((at) => Math.min(n - 1, Math.max(0, Math.floor((at / box.width) * n))));
      read(i, j);
    } });
  root.append(svg("rect", { width: n, height: n, fill: "var(--box)" }));
  for (const [key, d] of paths) {
    const [sign, level] = key.split(" ").map(Number);
    root.append(svg("path", { d, style: `fill:var(--k${sign});fill-opacity:${(level / levels).toFixed(2)}` }));
  }
  container.append(root);
}

// A horizontal bar a name, with a rule where real data stands; a log axis has no zero to begin at, so points stand there.
function namedBars(container, rows, { real = null, log = false, label }) {
  responsive(container, (width) => {
    const step = 44, height = rows.length * step + 30, values = rows.map(({ value }) => value).concat(real ?? []).filter((value) => value !== null);
    const logarithmic = log && values.every((value) => value > 0);
    const scale = logarithmic ? Math.log10 : (value) => value;
    const least = logarithmic ? Math.min(...values) / 1.5 : Math.min(0, ...values), most = Math.max(...values) * (logarithmic ? 1.5 : 1) || 1;
    const X = (value) => 4 + ((scale(value) - scale(least)) / (scale(most) - scale(least) || 1)) * (width - 70);
    const root = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    rows.forEach(({ title, value }, i) => {
      root.append(svg("text", { x: 4, y: i * step + 14, style: "fill:var(--text)" }, title));
      if (value === null) return;
      const y = i * step + 20;
      root.append(logarithmic ? svg("circle", { class: "bar", cx: X(value), cy: y + 8, r: 7 })
        : svg("rect", { class: "bar", x: Math.min(X(0), X(value)), y, height: 16, width: Math.max(1, Math.abs(X(value) - X(0))) }),
      svg("text", { x: X(value) + (logarithmic ? 12 : 6), y: y + 13, style: "fill:var(--text)" }, short(value)));
    });
    if (real !== null) {
      root.append(svg("line", { x1: X(real), x2: X(real), y1: 4, y2: height - 22, style: "stroke:var(--k1)", "stroke-width": 2, "stroke-dasharray": "5 3" }),
        svg("text", { x: Math.min(X(real), width - 110), y: height - 6 }, `real data ${short(real)}`));
    }
    return root;
  });
}
