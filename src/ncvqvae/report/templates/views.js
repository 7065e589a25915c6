"use strict";
// The interactive parts: choose classes, look at one series, overlay its nearest training series.

const sourceNames = { train: "training series", test: "held-out series", generated: "generated series",
  unconditional: "generated series (no class)", reconstructed: "reconstruction" };
const nameOf = (source) => sourceNames[source] || source;
const classText = (data, place) => (place < 0 ? "" : `, class ${data.classes[place]}`);

// Checkboxes of the classes; `changed` hears of the chosen places.
function chooser(container, data, initially, changed) {
  const chosen = new Set(initially);
  const boxes = data.classes.map((name, place) => {
    const box = html("input", { type: "checkbox", checked: chosen.has(place), value: place,
      onchange: () => { box.checked ? chosen.add(place) : chosen.delete(place); changed(chosen); } });
    const marker = svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" },
      svg("path", { d: markerOf(place), style: `fill:${colorOf(place)}` }));
    return { box, label: html("label", {}, box, marker, name) };
  });
  const every = (on) => {
    for (const [place, { box }] of boxes.entries()) { box.checked = on; on ? chosen.add(place) : chosen.delete(place); }
    changed(chosen);
  };
  if (data.classes.length) {
    container.append(html("fieldset", {}, html("legend", {}, "Classes"),
      html("div", { class: "choices" }, boxes.map(({ label }) => label),
        html("span", {}, html("button", { type: "button", onclick: () => every(true) }, "All"), " ",
          html("button", { type: "button", onclick: () => every(false) }, "None")))));
  }
  changed(chosen);
}

// Real beside generated series: a row a class and channel, a column a source.
function gridView(container, data) {
  const { grid, pool, limits } = data;
  const table = html("table", { class: "grid" },
    html("caption", { class: "unseen" }, "Overlaid series by class and source"),
    html("thead", {}, html("tr", {}, grid.columns.map((name) => html("th", { scope: "col" }, nameOf(name))))));
  const bodies = new Map();
  for (const row of grid.rows) {
    const title = row.label >= 0 ? `Class ${data.classes[row.label]}`
      : grid.unconditional ? "All classes; generated without a class" : "All series";
    const lines = [];
    for (let channel = 0; channel < pool.channels; channel++) {
      const part = pool.channels > 1 ? `${data.channels[channel]}, ` : "";
      const note = ` ${part}values ${short(limits[channel][0])} to ${short(limits[channel][1])}`;
      lines.push(html("tr", {}, html("th", { colspan: grid.columns.length, scope: "colgroup" },
        channel ? "" : title, html("span", { class: "quiet" }, note))));
      lines.push(html("tr", {}, row.cells.map((ids, column) => html("td", {},
        panel(pool, ids, channel, limits[channel], row.label, `${ids.length} ${nameOf(grid.columns[column])}, ${title}, ${part}overlaid`),
        html("span", { class: "quiet" }, `n = ${ids.length}`)))));
    }
    bodies.set(row.label, lines);
  }
  const choice = html("div");
  container.append(choice, table);
  chooser(choice, data, [...data.classes.keys()].slice(0, 4), (chosen) => {
    for (const body of table.querySelectorAll("tbody")) body.remove();
    for (const row of grid.rows) {
      if (row.label < 0 || chosen.has(row.label)) table.append(html("tbody", { "data-label": row.label }, bodies.get(row.label)));
    }
  });
}

// Points of one plane. `isShown(id)` chooses, `picked(id)` hears of the point under pointer or keys.
function scatter(container, data, points, label, isShown, picked) {
  const { pool } = data;
  let current = null, shown = [], places = new Map(), ring = null, root = null;
  const choose = (id, tell = true) => {
    current = id;
    const place = places.get(id);
    ring.setAttribute("visibility", place ? "visible" : "hidden");
    if (place) ring.setAttribute("transform", `translate(${place[0]},${place[1]})`);
    if (tell) picked(id);
  };
  const nearest = (event) => {
    const box = root.getBoundingClientRect();
    const ratio = root.viewBox.baseVal.width / box.width;
    const [x, y] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    let best = null, least = 28;
    for (const [id, place] of places) {
      const distance = Math.hypot(place[0] - x, place[1] - y);
      if (distance < least) [best, least] = [id, distance];
    }
    if (best !== null && best !== current) choose(best);
  };
  const step = (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || !shown.length) return;
    event.preventDefault();
    const at = shown.findIndex(([id]) => id === current);
    choose(shown[at < 0 ? 0 : (at + by + shown.length) % shown.length][0]);
  };
  const redraw = responsive(container, (width) => {
    const focused = root !== null && document.activeElement === root;
    const height = Math.min(440, Math.max(240, width * 0.72));
    const scale = Math.min(width, height) - 28;
    shown = points.filter(([id]) => isShown(id)).sort((a, b) => a[1] - b[1]);
    const wide = Math.max(...points.map((point) => point[1])), high = Math.max(...points.map((point) => point[2]));
    const stretch = Math.min((width - 28) / (wide || 1), (height - 28) / (high || 1), 3 * scale);
    places = new Map(shown.map(([id, x, y]) => [id, [width / 2 + (x - wide / 2) * stretch, height / 2 - (y - high / 2) * stretch]]));
    ring = svg("circle", { class: "ring", r: 9, visibility: "hidden" });
    root = svg("svg", { class: "chart plane", viewBox: `0 0 ${width} ${height}`, role: "application", tabindex: 0,
      "aria-roledescription": "scatter plot", "aria-label": `${label}: ${shown.length} points. Arrow keys go from point to point.`,
      onpointermove: nearest, onpointerdown: nearest, onkeydown: step });
    root.append(svg("rect", { width, height, fill: "var(--box)", stroke: "var(--line)" }));
    for (const [id, place] of places) {
      const [color, source] = [colorOf(pool.label(id)), pool.source(id)];
      const look = source === "train" ? `fill:${color}` : source === "test" ? `fill:${color};fill-opacity:.4`
        : `fill:none;stroke:${color};stroke-width:1.5`;
      root.append(svg("path", { d: markerOf(pool.label(id)), style: look, "data-id": id, transform: `translate(${place[0].toFixed(1)},${place[1].toFixed(1)})` }));
    }
    root.append(ring);
    if (current !== null) choose(current, false);
    if (focused) requestAnimationFrame(() => root.focus());
    return root;
  });
  return { redraw, mark: (id) => choose(id, false) };
}

// One series, and its nearest training series if wanted.
function preview(container, data, id, withNeighbours) {
  const { pool } = data;
  const found = (data.neighbours || {})[id];
  let text = `${nameOf(pool.source(id))} no. ${pool.number(id)}${classText(data, pool.label(id))}`;
  text = text[0].toUpperCase() + text.slice(1) + ".";
  if (found) {
    text += ` Nearest training series at distance ${short(found.distances[0])}: nearer than `
      + `${Math.round(100 * found.nearer)} % of held-out series are to theirs.`;
  }
  const others = found && withNeighbours ? found.ids : [];
  const x = Array.from({ length: pool.points }, (_, i) => (i * (pool.length - 1)) / Math.max(1, pool.points - 1));
  const charts = Array.from({ length: pool.channels }, (_, channel) => {
    const chart = html("div");
    const lines = others.map((other, rank) => ({ x, y: pool.series(other, channel), color: colorOf([0, 1, 4][rank]), dash: DASHES[rank + 1],
      name: channel ? "" : `training series no. ${pool.number(other)}${classText(data, pool.label(other))}, distance ${short(found.distances[rank])}` }));
    lines.push({ x, y: pool.series(id, channel), color: "var(--text)", width: 2.2, name: channel ? "" : `this ${nameOf(pool.source(id))}` });
    return { chart, lines, channel };
  });
  container.replaceChildren(html("figcaption", { "aria-live": "polite" }, text), ...charts.map(({ chart }) => chart));
  container.dataset.id = id;
  for (const { chart, lines, channel } of charts) {
    lineChart(chart, lines, { label: text, height: pool.channels > 1 ? 150 : 250, limits: data.limits[channel] });
  }
}

// Planes of latents and series with hover, and the series behind the point.
function planeView(container, data) {
  const { pool, planes } = data;
  const sources = ["train", "test", "generated"].filter((name) => planes[0].points.some(([id]) => pool.source(id) === name));
  const shownSources = new Set(sources);
  let classes = new Set(), current = null, marks = null, plane = 0;
  const figure = html("figure", { class: "preview box", id: "preview" });
  const drawing = html("div", { id: "plane" });
  const overlay = html("input", { type: "checkbox", id: "overlay", checked: true, onchange: () => show(current) });
  const options = suspects(data);
  const pick = html("select", { id: "pick", onchange: () => { show(Number(pick.value)); marks.mark(current); } },
    html("option", { value: "" }, "choose …"), options.map(({ id, text }) => html("option", { value: id }, text)));
  function show(id) {
    if (id === null || Number.isNaN(id)) return;
    current = id;
    pick.value = options.some((option) => option.id === id) ? String(id) : "";
    preview(figure, data, id, overlay.checked);
  }
  const isShown = (id) => shownSources.has(pool.source(id)) && (pool.label(id) < 0 || classes.has(pool.label(id)));
  function draw() {
    const canvas = html("div");
    drawing.replaceChildren(canvas);
    marks = scatter(canvas, data, planes[plane].points, planes[plane].title, isShown, show);
    if (current !== null) marks.mark(current);
  }
  const which = html("select", { id: "which", onchange: () => { plane = Number(which.value); draw(); } },
    planes.map(({ title }, i) => html("option", { value: i }, title)));
  const looks = { train: "filled", test: "pale", generated: "hollow" };
  const sourceBoxes = sources.map((name) => {
    const box = html("input", { type: "checkbox", checked: true, value: name,
      onchange: () => { box.checked ? shownSources.add(name) : shownSources.delete(name); marks.redraw(); } });
    return html("label", {}, box, `${nameOf(name)} (${looks[name]})`);
  });
  const choice = html("div");
  container.append(
    html("div", { class: "controls" }, html("label", {}, "Plane ", which), sourceBoxes),
    choice,
    html("div", { class: "split" }, drawing, html("div", { class: "side" }, figure,
      options.length ? html("div", { class: "controls" },
        html("label", {}, "Generated series, nearest to train first ", pick),
        html("label", {}, overlay, "overlay its nearest training series")) : "")));
  chooser(choice, data, data.classes.keys(), (chosen) => { classes = chosen; marks ? marks.redraw() : draw(); });
  show(options.length ? options[0].id : planes[0].points[0][0]);
  if (current !== null) marks.mark(current);
}

// Generated series in order of their distance to the nearest training series.
function suspects(data) {
  return Object.entries(data.neighbours || {})
    .map(([id, { distances }]) => ({ id: Number(id), distance: distances[0] }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ id, distance }) => ({ id, text: `no. ${data.pool.number(id)}${classText(data, data.pool.label(id))}, distance ${short(distance)}` }));
}

function reconstructionView(container, data) {
  const { pool } = data;
  const x = Array.from({ length: pool.points }, (_, i) => (i * (pool.length - 1)) / Math.max(1, pool.points - 1));
  for (const [original, decoded] of data.reconstructions) {
    for (let channel = 0; channel < pool.channels; channel++) {
      const part = pool.channels > 1 ? `, channel ${channel + 1}` : "";
      const title = `Held-out no. ${pool.number(original)}${classText(data, pool.label(original))}${part}`;
      const chart = html("div");
      container.append(html("figure", {}, html("figcaption", {}, title), chart));
      lineChart(chart, [
        { x, y: pool.series(original, channel), color: "var(--k0)" },
        { x, y: pool.series(decoded, channel), color: "var(--k1)", dash: DASHES[1] },
      ], { label: `${title}: original and reconstruction`, height: 140 });
    }
  }
}

function lossView(container, stages) {
  for (const { title, curves } of stages) {
    const chart = html("div");
    container.append(html("figure", {}, html("h3", {}, title), chart));
    const log = curves.every(({ y }) => y.every((value) => value > 0));
    // the thick line of the total first, so that a term equal to it stays visible upon it
    const lines = curves.map((curve, i) => ({ ...curve, color: curve.name === "loss" ? "var(--text)" : colorOf(i - 1),
      dash: curve.name === "loss" ? "" : DASHES[i % 4], width: curve.name === "loss" ? 2.4 : 1.6 }));
    const last = curves.map(({ name, y }) => `${name} ${short(y[y.length - 1])}`).join(", ");
    lineChart(chart, lines, { log, label: `${title}, weighted loss terms by step; at the end ${last}`, xLabel: "step" });
  }
}

function usageView(container, rows) {
  const top = Math.max(...rows.flatMap(({ shares }) => shares));
  for (const { title, shares, perplexity, unused } of rows) {
    const text = `${title}: perplexity ${perplexity.toFixed(1)} of ${shares.length}, ${unused} unused`;
    const chart = html("div");
    container.append(html("figure", {}, html("figcaption", {}, text), chart));
    barChart(chart, shares, { label: `Share of each code, ${text}`, top, height: 150, xLabel: "code" });
  }
}

function confidenceView(container, steps) {
  const top = Math.max(...steps.flatMap(({ shares }) => shares));
  steps.forEach(({ shares, sure, entropy }, i) => {
    const text = `Step ${i + 1}: ${sure === null ? "none drawn" : `${Math.round(100 * sure)} % above 0.9`}`
      + (entropy === null ? "" : `, entropy ${short(entropy)}`);
    const chart = html("div");
    container.append(html("figure", {}, html("figcaption", {}, text), chart));
    barChart(chart, shares, { label: text, mark: 0.9, top, x: [0, 1] });
  });
}

function codebookView(container, codes) {
  const most = Math.max(...codes.map((code) => code[2])) || 1;
  responsive(container, (width) => {
    const height = Math.min(420, width * 0.75), pad = 30;
    const root = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `PCA of the ${codes.length} code vectors; size by use in the training split` });
    root.append(svg("rect", { width, height, fill: "var(--box)", stroke: "var(--line)" }));
    const wide = Math.max(...codes.map((code) => code[0])) || 1, high = Math.max(...codes.map((code) => code[1])) || 1;
    codes.forEach(([x, y, share], i) => {
      const [cx, cy] = [pad + (x / wide) * (width - 2 * pad), height - pad - (y / high) * (height - 2 * pad)];
      root.append(svg("circle", { cx, cy, r: 4 + 16 * Math.sqrt(share / most), style: "stroke:var(--k0);stroke-width:1.5;fill:var(--k0)",
        "fill-opacity": share > 0 ? 0.3 : 0 }), svg("text", { x: cx, y: cy + 4, "text-anchor": "middle", style: "fill:var(--text)" }, String(i)));
    });
    return root;
  });
}

function matrixView(container, matrices) {
  for (const { title, codes, values } of matrices) {
    const canvas = html("div"), readout = html("p", { class: "quiet readout" });
    const whole = `${title} of ${codes.length} codes`;
    readout.textContent = "Point at a cell to read it.";
    container.append(html("figure", {}, html("figcaption", {}, title), canvas, readout));
    heatmap(canvas, values, { label: whole, read: (i, j) => {
      const value = values[i][j];
      readout.textContent = `Codes ${codes[i]} and ${codes[j]}: ${value === null ? "never together" : short(value)}`;
    } });
  }
}

// Choose one of several titled things to draw.
function switcher(container, label, options, draw) {
  const canvas = html("div");
  const choice = html("select", { onchange: () => draw(canvas, options[Number(choice.value)]) },
    options.map(({ title }, i) => html("option", { value: i }, title)));
  container.append(html("div", { class: "controls" }, html("label", {}, `${label} `, choice)), canvas);
  draw(canvas, options[0]);
}

// Runs side by side: the grid, one metric by run, planes with one common preview, losses.
function comparisonView(container, data) {
  const part = (title, name) => {
    const node = html("div", { class: name });
    container.append(html("h3", {}, title), node);
    return node;
  };
  gridView(part("Held-out series and what each run generates", "grid-part"), data);
  if (data.bars.length) {
    switcher(part("One metric by run", "bars-part"), "Metric", data.bars, (canvas, { title, better, runs, real, log }) => {
      const text = runs.map((run) => `${run.title} ${run.value === null ? "not known" : short(run.value)}`).join(", ");
      canvas.replaceChildren();
      const drawing = html("div", { class: "bars" });
      canvas.append(drawing);
      namedBars(drawing, runs, { real, log, label: `${title}${better ? `, better: ${better}` : ""}: ${text}` });
    });
  }
  const planes = data.planes.filter(({ runs }) => runs.length);
  if (planes.length) planesByRun(part("Latents and generated series in the plane, by run", "planes-part"), data, planes);
  if (data.losses.length) {
    switcher(part("Losses during training, by run", "losses-part"), "Term", data.losses, (canvas, { title, curves }) => {
      const log = curves.every(({ y }) => y.every((value) => value > 0));
      const lines = curves.map((curve, i) => ({ ...curve, color: colorOf(i), dash: DASHES[i % 4] }));
      lineChart(canvas, lines, { log, label: `${title} by step: ${curves.map(({ name }) => name).join(", ")}`, xLabel: "step" });
    });
  }
}

function planesByRun(container, data, planes) {
  const choice = html("div"), figure = html("figure", { class: "box" });
  let classes = new Set(), drawn = [];
  const isShown = (id) => data.pool.label(id) < 0 || classes.has(data.pool.label(id));
  switcher(container, "Plane", planes, (canvas, { runs }) => {
    const row = html("div", { class: "several" });
    canvas.replaceChildren(row);
    drawn = runs.map(({ title, points }) => {
      const node = html("div");
      row.append(html("figure", {}, html("figcaption", {}, title), node));
      return scatter(node, data, points, title, isShown, (id) => {
        preview(figure, data, id, false);
        for (const other of drawn) other.mark(id);
      });
    });
  });
  container.append(choice, figure);
  chooser(choice, data, data.classes.keys(), (chosen) => { classes = chosen; for (const one of drawn) one.redraw(); });
  preview(figure, data, planes[0].runs[0].points[0][0], false);
}

const views = { grid: gridView, planes: planeView, reconstructions: reconstructionView,
  losses: (node, data) => lossView(node, data.losses), usage: (node, data) => usageView(node, data.usage),
  confidence: (node, data) => confidenceView(node, data.confidence), codebook: (node, data) => codebookView(node, data.codebook),
  matrices: (node, data) => matrixView(node, data.matrices),
  comparison: comparisonView };

for (const script of document.querySelectorAll("script[type='application/json']")) {
  const data = JSON.parse(script.textContent);
  data.pool = new Pool(data.pool);
  for (const node of document.querySelectorAll(`[data-of="${script.id}"]`)) views[node.dataset.view](node, data);
}
window.addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });
document.documentElement.dataset.ready = "";
