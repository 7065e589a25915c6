"use strict";
// The parts of the pages: series by class, one series at a time, rivals, tokens, training, runs side by side.

const sourceNames = { train: "training series", test: "held-out series", generated: "generated series",
  unconditional: "generated series (no class)", reconstructed: "reconstruction" };
const shortNames = { train: "training", test: "held-out", generated: "generated" };
const nameOf = (source) => sourceNames[source] || source;
const classText = (data, place) => (place < 0 ? "" : `, class ${data.classes[place]}`);

// Checkboxes of the classes; `changed` hears of the chosen places.
function chooser(container, data, initially, changed) {
  const chosen = new Set(initially);
  const boxes = data.classes.map((name, place) => {
    const box = html("input", { type: "checkbox", checked: chosen.has(place), value: place,
      onchange: () => { box.checked ? chosen.add(place) : chosen.delete(place); changed(chosen); } });
    return { box, label: html("label", {}, box, html("span", { class: "swatch", style: `background:var(--k${place % 8})` }), name) };
  });
  const every = (on) => {
    for (const [place, { box }] of boxes.entries()) { box.checked = on; on ? chosen.add(place) : chosen.delete(place); }
    changed(chosen);
  };
  if (data.classes.length) {
    container.append(html("fieldset", {}, html("legend", {}, "Classes"),
      html("div", { class: "choices" }, html("span", {}, html("button", { type: "button", onclick: () => every(true) }, "All"), " ",
        html("button", { type: "button", onclick: () => every(false) }, "None")), boxes.map(({ label }) => label))));
  }
  changed(chosen);
}

// Real beside generated series: one chart a class, with a column a source and a row a channel.
function gridView(container, data) {
  const { grid } = data;
  const parts = new Map(grid.rows.map((row) => {
    const title = row.label >= 0 ? `Class ${data.classes[row.label]}`
      : grid.unconditional ? "All classes; generated without a class" : "All series";
    return [row.label, html("figure", { "data-label": row.label }, html("figcaption", {}, title), html("div", { class: "panels" }))];
  }));
  const choice = html("div"), shown = html("div", { class: "grid" });
  container.append(choice, shown);
  chooser(choice, data, [...data.classes.keys()].slice(0, 4), (chosen) => {
    const rows = grid.rows.filter(({ label }) => label < 0 || chosen.has(label));
    shown.replaceChildren(...rows.map(({ label }) => parts.get(label)));
    for (const row of rows) {
      const node = parts.get(row.label).lastChild;
      if (!chartOf(node)) panels(node, data, row, parts.get(row.label).firstChild.textContent);
    }
  });
}

function panels(container, data, row, title) {
  const { grid, pool, limits } = data, columns = grid.columns.length, rows = pool.channels;
  const counts = row.cells.map((ids, i) => `${ids.length} ${nameOf(grid.columns[i])}`).join(", ");
  new Chart(container, `${title}: ${counts}, overlaid`, (theme, width) => {
    const narrow = width < 310 * columns, top = narrow ? 64 : 46, [wide, high] = [width - 74, 100 * rows + 12 * (rows - 1)];
    const gap = narrow ? 9 : 26, at = places(wide, high, columns, rows, gap, 12), letters = Math.floor((wide / columns - gap) / 7);
    const traces = [], layout = { height: high + top + 40, margin: { l: 56, r: 18, t: top, b: 40 }, annotations: [] };
    for (let channel = 0; channel < rows; channel++) {
      for (const [column, ids] of row.cells.entries()) {
        const n = channel * columns + column + 1, key = n > 1 ? n : "", [x, y] = at(channel, column), last = channel === rows - 1;
        traces.push({ ...overlay(pool, ids, channel), xaxis: `x${key}`, yaxis: `y${key}`, mode: "lines", opacity: 0.65, line: { color: colorOf(theme, row.label), width: 1.1 },
          hovertemplate: "no. %{customdata}, step %{x:.4~g}: %{y:.4~g}<extra></extra>" });
        layout[`xaxis${key}`] = axis(theme, last && column === Math.floor((columns - 1) / 2) ? "time step" : "", { domain: x, anchor: `y${key}`, range: [0, pool.length - 1],
          nticks: narrow ? 3 : 5, showticklabels: last, automargin: false, ...(n > 1 ? { matches: "x" } : {}) });
        layout[`yaxis${key}`] = axis(theme, column ? "" : brief(data.channels[channel], 16), { domain: y, anchor: `x${key}`, range: limits[channel], nticks: 4,
          showticklabels: !column, automargin: false, ...(column ? { matches: `y${channel ? channel * columns + 1 : ""}` } : {}) });
        const name = (narrow && shortNames[grid.columns[column]]) || nameOf(grid.columns[column]);
        if (!channel) layout.annotations.push({ text: `${brief(name, letters)}<br>n = ${ids.length}`, showarrow: false, xref: "paper", x: x[0], xanchor: "left", yref: "paper",
          y: 1, yanchor: "bottom", align: "left", font: { color: theme.text } });
      }
    }
    return { traces, layout };
  });
}

// Many series as one line with gaps, and the number of each.
function overlay(pool, ids, channel) {
  const [x, y, customdata] = [[], [], []];
  for (const id of ids) {
    x.push(...pool.steps, null);
    y.push(...pool.series(id, channel), null);
    customdata.push(...new Array(pool.points + 1).fill(pool.number(id)));
  }
  return { x, y, customdata };
}

// Points of one plane by source and class. `isShown(source)` chooses, `picked(id)` hears of the point under pointer or keys.
function scatter(container, data, points, label, isShown, picked) {
  const { pool } = data, groups = new Map();
  for (const point of points) {
    const key = `${pool.label(point[0])} ${pool.source(point[0])}`;
    groups.set(key, [...(groups.get(key) || []), point]);
  }
  const kinds = [...groups.values()].map((part) => ({ part, place: pool.label(part[0][0]), source: pool.source(part[0][0]) }))
    .sort((a, b) => a.place - b.place);
  const titled = (place, source) => (place < 0 ? nameOf(source) : data.classes[place]);
  let current = null;
  const chart = new Chart(container, `${label}: ${points.length} points. Arrow keys go from point to point.`, (theme, width) => {
    const count = new Set(kinds.map(({ place, source }) => titled(place, source))).size, listed = new Set(), traces = kinds.filter(({ source }) => isShown(source)).map(({ part, place, source }) => {
      const name = titled(place, source), firstOne = !listed.has(name);
      listed.add(name);
      const color = colorOf(theme, place), hollow = source !== "train" && source !== "test";
      return { x: part.map((point) => point[1]), y: part.map((point) => point[2]), customdata: part.map((point) => point[0]), mode: "markers",
        uid: `${place} ${source}`, name: legendName(name, count), legendgroup: String(place < 0 ? source : place), showlegend: firstOne,
        text: part.map(([id]) => plain(`${nameOf(source)} no. ${pool.number(id)}`) + brief(classText(data, place), 40)), hovertemplate: "%{text}<extra></extra>",
        marker: { size: 8, color, symbol: symbolOf(place) + (hollow ? "-open" : ""), opacity: source === "test" ? 0.45 : 1, line: { width: hollow ? 1.5 : 0, color } } };
    });
    const at = points.find(([id]) => id === current);
    traces.push({ x: at ? [at[1]] : [], y: at ? [at[2]] : [], mode: "markers", uid: "selected", name: "selected", showlegend: false, hoverinfo: "skip",
      marker: { size: 17, symbol: "circle-open", color: theme.text, line: { width: 2 } } });
    const names = [...listed], { room, legend } = legendBelow(theme, width, names.map((name) => legendName(name, count)), 14);
    const bare = { showticklabels: false, title: { text: "" }, showgrid: false, mirror: true, linecolor: theme.line, showline: true };
    return { traces, layout: { height: Math.min(440, Math.max(240, width * 0.72)) + room, showlegend: true, legend, margin: { l: 12, r: 12, t: 30, b: room },
      xaxis: axis(theme, "", bare), yaxis: axis(theme, "", { ...bare, scaleanchor: "x", scaleratio: 1 }) } };
  });
  const choose = (id, tell = true) => {
    current = id;
    const at = points.find((point) => point[0] === id);
    if (chart.drawn) Plotly.restyle(container, { x: [at ? [at[1]] : []], y: [at ? [at[2]] : []] }, [container.data.length - 1]);
    container.dataset.selected = id;
    if (tell) picked(id);
  };
  chart.ready = () => {
    for (const event of ["plotly_hover", "plotly_click"]) container.on(event, ({ points: [point] }) => { if (point.customdata !== current) choose(point.customdata); });
  };
  for (const [name, value] of [["role", "application"], ["tabindex", 0], ["aria-roledescription", "scatter plot"]]) container.setAttribute(name, value);
  container.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || !chart.drawn) return;
    event.preventDefault();
    const hidden = new Set(container.data.filter(({ visible }) => visible === "legendonly").flatMap(({ customdata }) => customdata || []));
    const shown = points.filter(([id]) => isShown(pool.source(id)) && !hidden.has(id)).sort((a, b) => a[1] - b[1]);
    const at = shown.findIndex(([id]) => id === current);
    if (shown.length) choose(shown[at < 0 ? 0 : (at + by + shown.length) % shown.length][0]);
  });
  return { chart, mark: (id) => choose(id, false) };
}

// One series, and its nearest training series if wanted; the container holds the chart of one series at a time.
function preview(container, data, id, withNeighbours) {
  const { pool } = data, found = (data.neighbours || {})[id];
  let text = `${nameOf(pool.source(id))} no. ${pool.number(id)}${classText(data, pool.label(id))}`;
  text = text[0].toUpperCase() + text.slice(1) + ".";
  if (found) {
    text += ` Nearest training series at distance ${short(found.distances[0])}: nearer than `
      + `${Math.round(100 * found.nearer)} % of held-out series are to theirs.`;
  }
  const others = found && withNeighbours ? found.ids : [];
  for (const node of container.querySelectorAll(".chart")) chartOf(node).drop();
  const nodes = Array.from({ length: pool.channels }, () => html("div"));
  container.replaceChildren(html("figcaption", { "aria-live": "polite" }, text), ...nodes);
  container.dataset.id = id;
  for (const [channel, node] of nodes.entries()) {
    const named = channel === pool.channels - 1; // one legend, below the last channel
    lineChart(node, (theme) => [
      ...others.map((other, rank) => ({ x: pool.steps, y: pool.series(other, channel), color: colorOf(theme, [0, 1, 4][rank]), dash: DASHES[rank + 1],
        name: named ? `training series no. ${pool.number(other)}, distance ${short(found.distances[rank])}` : "" })),
      { x: pool.steps, y: pool.series(id, channel), color: theme.text, width: 2.2, name: named ? `this ${nameOf(pool.source(id))}` : "" },
    ], { label: `${text} ${data.channels[channel]}`, xLabel: named ? "time step" : "", yLabel: data.channels[channel],
      height: pool.channels > 1 ? 170 : 250, limits: data.limits[channel] }).paint();
  }
}

// Planes of latents and series, and the series behind the point.
function planeView(container, data) {
  const { pool, planes } = data;
  const sources = ["train", "test", "generated"].filter((name) => planes[0].points.some(([id]) => pool.source(id) === name));
  const shownSources = new Set(sources), options = suspects(data);
  let current = null, marks = null;
  const figure = html("figure", { class: "preview", id: "preview" });
  const drawing = html("div", { id: "plane" });
  const overlaid = html("input", { type: "checkbox", id: "overlay", checked: true, onchange: () => show(current) });
  const pick = html("select", { id: "pick", onchange: () => { show(Number(pick.value)); marks.mark(current); } },
    html("option", { value: "" }, "choose …"), options.map(({ id, text }) => html("option", { value: id }, text)));
  function show(id) {
    if (id === null || Number.isNaN(id)) return;
    current = id;
    pick.value = options.some((option) => option.id === id) ? String(id) : "";
    preview(figure, data, id, overlaid.checked);
  }
  const looks = { train: "filled", test: "pale", generated: "hollow" };
  const sourceBoxes = sources.map((name) => {
    const box = html("input", { type: "checkbox", checked: true, value: name,
      onchange: () => { box.checked ? shownSources.add(name) : shownSources.delete(name); marks.chart.again(); } });
    return html("label", {}, box, `${nameOf(name)} (${looks[name]})`);
  });
  const side = html("div", { class: "side" }, figure, options.length ? html("div", { class: "controls" },
    html("label", {}, "Generated series, nearest to train first ", pick),
    html("label", {}, overlaid, "overlay its nearest training series")) : "");
  const controls = html("div", { class: "controls" }, sourceBoxes);
  container.append(controls, html("div", { class: "split" }, drawing, side));
  switcher(drawing, "Plane", planes, (canvas, { points, title }) => {
    const node = part(canvas);
    marks = scatter(node, data, points, title, (source) => shownSources.has(source), show);
    if (current !== null) marks.mark(current);
    return [marks.chart];
  });
  show(options.length ? options[0].id : planes[0].points[0][0]);
  marks.mark(current);
}

// Generated series in order of their distance to the nearest training series.
function suspects(data) {
  return Object.entries(data.neighbours || {})
    .map(([id, { distances }]) => ({ id: Number(id), distance: distances[0] }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ id, distance }) => ({ id, text: `no. ${data.pool.number(id)}${classText(data, data.pool.label(id))}, distance ${short(distance)}` }));
}

// The node of a chart that has no caption of its own.
function part(container) {
  const node = html("div");
  container.append(node);
  return node;
}

// A captioned chart in a row of small ones; returns its node.
function captioned(container, text) {
  const node = html("div");
  container.append(html("figure", {}, html("figcaption", {}, text), node));
  return node;
}

function reconstructionView(container, data) {
  const { pool } = data;
  const line = (id, channel, color, dash) => ({ x: pool.steps, y: pool.series(id, channel), mode: "lines", line: { color, dash, width: 1.6 }, hovertemplate: "%{x:.4~g}: %{y:.4~g}<extra></extra>" });
  const panels = data.reconstructions.flatMap(([original, decoded]) => Array.from({ length: pool.channels }, (_, channel) => ({
    title: `no. ${pool.number(original)}${classText(data, pool.label(original))}`, yTitle: data.channels[channel],
    traces: (theme) => [line(original, channel, theme.k0, "solid"), line(decoded, channel, theme.k1, "dash")] })));
  smallPanels(part(container), panels, { label: "Held-out series and their reconstructions", xTitle: "time step" });
}

function lossView(container, stages) {
  for (const { title, curves } of stages) {
    const log = curves.every(({ y }) => y.every((value) => value > 0));
    const last = curves.map(({ name, y }) => `${name} ${short(y[y.length - 1])}`).join(", ");
    // the thick line of the total first, so that a term equal to it stays visible upon it
    lineChart(captioned(container, title), (theme) => curves.map((curve, i) => ({ ...curve, color: curve.name === "loss" ? theme.text : colorOf(theme, i - 1),
      dash: curve.name === "loss" ? "solid" : DASHES[i % 4], width: curve.name === "loss" ? 2.4 : 1.6 })),
    { log, label: `${title}, weighted loss terms by step; at the end ${last}`, xLabel: "training step", yLabel: "weighted loss", height: 300 });
  }
}

function usageView(container, rows) {
  const panels = rows.map(({ title, shares, perplexity, unused }) => ({ title: `${title}: perplexity ${perplexity.toFixed(1)} of ${shares.length}, ${unused} unused`,
    traces: bars(shares.map((_, code) => code), shares), yTitle: "share" }));
  smallPanels(part(container), panels, { label: `Share of each code; ${panels.map(({ title }) => title).join("; ")}`, least: 320, tall: 120, xTitle: "code", yAxis: shareAxis(rows) });
}

function confidenceView(container, steps) {
  const panels = steps.map(({ shares, sure, entropy }, i) => ({ mark: 0.9, yTitle: "share",
    title: `${i + 1}: ${sure === null ? "none drawn" : `${Math.round(100 * sure)} % above 0.9`}${entropy === null ? "" : `, entropy ${short(entropy)}`}`,
    traces: bars(shares.map((_, bin) => (bin + 0.5) / shares.length), shares, 1 / shares.length) }));
  smallPanels(part(container), panels, { label: `Probability of the tokens drawn by step; ${panels.map(({ title }) => title).join("; ")}`, least: 260,
    xTitle: "probability", xAxis: { range: [0, 1] }, yAxis: shareAxis(steps) });
}

function codebookView(container, codes) {
  const most = Math.max(...codes.map((code) => code[2])) || 1;
  new Chart(part(container), `PCA of the ${codes.length} code vectors; size by use in the training split`, (theme, width) => {
    const height = Math.min(460, Math.max(300, width * 0.7)), named = apart(codes, width - 74, height - 70, 20);
    return { traces: [{ x: codes.map(([x]) => x), y: codes.map(([, y]) => y), mode: "markers+text", text: codes.map((_, code) => (named.has(code) ? String(code) : "")),
      textfont: { size: 11, color: theme.text }, customdata: codes.map((code, i) => [i, code[2]]), hovertemplate: "code %{customdata[0]}: %{customdata[1]:.1%} of training tokens<extra></extra>",
      marker: { size: codes.map(([, , share]) => 8 + 32 * Math.sqrt(share / most)), color: codes.map(([, , share]) => (share > 0 ? theme.k0 : theme.box)), opacity: 0.45,
        line: { color: theme.k0, width: 1.5 } } }],
    layout: { height, xaxis: axis(theme, "component 1"), yaxis: axis(theme, "component 2") } };
  });
}

// Places of points whose names do not stand upon each other on `width` times `height` pixels; the most used come first.
function apart(codes, width, height, least) {
  const wide = Math.max(...codes.map(([x]) => x)) || 1, high = Math.max(...codes.map(([, y]) => y)) || 1, kept = new Set();
  for (const i of [...codes.keys()].sort((a, b) => codes[b][2] - codes[a][2])) {
    const free = [...kept].every((j) => Math.hypot(((codes[i][0] - codes[j][0]) / wide) * width, ((codes[i][1] - codes[j][1]) / high) * height) > least);
    if (free) kept.add(i);
  }
  return kept;
}

function matrixView(container, matrices) {
  switcher(container, "Pairs", matrices, (canvas, { title, codes, values }) => {
    const node = part(canvas);
    node.classList.add("square");
    const most = Math.max(...values.flat().map((value) => Math.abs(value || 0))) || 1;
    return [new Chart(node, `${title} of ${codes.length} codes`, (theme, width) => {
      const codeAxis = axis(theme, "code", { type: "category", nticks: Math.max(4, Math.floor(width / 40)), showgrid: false });
      return { traces: [{ type: "heatmap", x: codes.map(String), y: codes.map(String), z: values, zmid: 0, zmin: -most, zmax: most, hoverongaps: false, name: "",
        colorscale: [[0, theme.k1], [0.5, theme.page], [1, theme.k0]], colorbar: { thickness: 12, outlinewidth: 0, tickfont: { color: theme.quiet } },
        hovertemplate: "codes %{y} and %{x}: %{z:.3~g}<extra></extra>" }],
      layout: { height: Math.min(560, width * 0.9), xaxis: codeAxis, yaxis: { ...codeAxis, autorange: "reversed" } } };
    })];
  });
}

function attentionView(container, classes) {
  switcher(container, "Class", classes, (canvas, { title, heads, times, values, series }) => {
    const most = Math.max(...values.flat()) || 1;
    return [new Chart(part(canvas), `Attention over time by layer and head, class ${title}`, (theme) => ({
      traces: [{ type: "heatmap", x: times, y: heads, z: values, zmin: 0, zmax: most, name: "", colorscale: [[0, theme.page], [1, theme.k0]],
        colorbar: { thickness: 12, outlinewidth: 0, x: 1.08, tickfont: { color: theme.quiet } }, hovertemplate: "head %{y}, step %{x}: %{z:.1%}<extra></extra>" },
      { ...series, yaxis: "y2", mode: "lines", line: { color: theme.text, width: 2 }, hoverinfo: "skip", showlegend: false }],
      layout: { height: 90 + 28 * heads.length, xaxis: axis(theme, "time step", { showgrid: false }),
        yaxis: axis(theme, "layer.head", { type: "category", autorange: "reversed", showgrid: false }),
        yaxis2: axis(theme, "", { overlaying: "y", side: "right", showgrid: false, nticks: 4 }) } }))];
  });
}

// One metric at a time; the row at `marked` has another colour.
function dotsView(container, options, marked = null) {
  switcher(container, "Metric", options, (canvas, option) => {
    const node = part(canvas);
    node.classList.add("dots");
    return [dotChart(node, option, marked)];
  });
}

// Runs side by side: the grid, one metric by run, planes with one common preview, losses.
function comparisonView(container, data) {
  const titled = (title, name) => {
    const node = html("div", { class: name });
    container.append(html("h3", {}, title), node);
    return node;
  };
  gridView(titled("Held-out series and what each run generates", "grid-part"), data);
  if (data.bars.length) dotsView(titled("One metric by run", "bars-part"), data.bars);
  const planes = data.planes.filter(({ runs }) => runs.length);
  if (planes.length) planesByRun(titled("Latents and generated series in the plane, by run", "planes-part"), data, planes);
  if (data.losses.length) {
    switcher(titled("Losses during training, by run", "losses-part"), "Term", data.losses, (canvas, { title, curves }) => {
      const log = curves.every(({ y }) => y.every((value) => value > 0));
      return [lineChart(part(canvas), (theme) => curves.map((curve, i) => ({ ...curve, color: colorOf(theme, i), dash: DASHES[i % 4] })),
        { log, label: `${title} by step: ${curves.map(({ name }) => name).join(", ")}`, xLabel: "training step", yLabel: title, height: 300 })];
    });
  }
}

function planesByRun(container, data, planes) {
  const figure = html("figure", { class: "preview" });
  let drawn = [];
  switcher(container, "Plane", planes, (canvas, { runs }) => {
    const row = html("div", { class: "several" });
    canvas.append(row);
    drawn = runs.map(({ title, points }) => scatter(captioned(row, title), data, points, title, () => true, (id) => {
      preview(figure, data, id, false);
      for (const other of drawn) other.mark(id);
    }));
    return drawn.map(({ chart }) => chart);
  });
  container.append(figure);
  preview(figure, data, planes[0].runs[0].points[0][0], false);
}

const views = { grid: gridView, planes: planeView, reconstructions: reconstructionView,
  losses: (node, data) => lossView(node, data.losses), usage: (node, data) => usageView(node, data.usage),
  confidence: (node, data) => confidenceView(node, data.confidence), codebook: (node, data) => codebookView(node, data.codebook),
  matrices: (node, data) => matrixView(node, data.matrices), attention: (node, data) => attentionView(node, data.attention),
  rivals: (node, data) => dotsView(node, data.rivals, 0),
  comparison: comparisonView };

for (const script of document.querySelectorAll("script[type='application/json']")) {
  const data = JSON.parse(script.textContent);
  data.pool = new Pool(data.pool);
  for (const node of document.querySelectorAll(`[data-of="${script.id}"]`)) views[node.dataset.view](node, data);
}

// A link to a folded part unfolds it.
for (const link of document.querySelectorAll("a[href^='#']")) {
  link.addEventListener("click", () => {
    const part = document.getElementById(link.hash.slice(1))?.closest("details");
    if (part) part.open = true;
  });
}
document.documentElement.dataset.ready = "";
