"use strict";
// Draws the charts that stand as JSON in the page, and lets a reader choose what is shown. Nothing is fetched.
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + (typeof name === "number" ? "c" + name : name)).trim();
  const narrow = (plot) => plot.clientWidth < 620;

  // ---- theme: the system's until a reader chooses
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const toggle = document.getElementById("theme");
  let chosen = null;
  function theme() {
    const now = chosen || (dark.matches ? "dark" : "light");
    root.dataset.theme = now;
    toggle.textContent = now === "dark" ? "Light colours" : "Dark colours";
  }
  toggle.addEventListener("click", () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    theme();
    redraw();
  });
  dark.addEventListener("change", () => { theme(); redraw(); });
  theme();

  // ---- what of a chart is shown
  function visible(chart) {
    const filters = chart.controls.filter((c) => c.kind === "filter");
    return chart.traces.filter((t) => filters.every((c) => t.keys[c.key] === undefined || t.keys[c.key] === chart.state[c.key]));
  }

  function mix(value) { // -1 warm, 0 even, 1 cool
    const part = (name) => color(name).match(/\w\w/g).map((x) => parseInt(x, 16));
    const [from, to] = [part("even"), part(value < 0 ? "warm" : "cool")];
    const share = Math.min(1, 0.35 + Math.abs(value));
    return "rgb(" + from.map((x, i) => Math.round(x + (to[i] - x) * share)).join(",") + ")";
  }

  function drawn(t, chart, wide) {
    const tint = color(t.color);
    const base = { x: t.x, y: t.y, name: t.name, hovertext: t.hover, hoverinfo: t.hover.length ? "text" : "skip", legendgroup: t.name };
    if (t.kind === "bars")
      return { ...base, type: "bar", orientation: "h", marker: { color: tint, line: { color: color("paper"), width: 1 } } };
    const fill = t.shades.length ? t.shades.map(mix) : tint;
    const marker = {
      size: t.sizes.length ? t.sizes : 8, color: fill, opacity: 1, // sizes in pixels
      symbol: t.shades.length ? t.shades.map((s) => (s >= 0 ? "circle" : "diamond")) : t.hollow ? "circle-open" : "circle",
      line: { width: t.hollow ? 2 : 1, color: t.hollow ? tint : color("paper") },
    };
    const made = { ...base, type: "scatter", mode: "markers", marker, cliponaxis: false };
    if (t.kind === "line") {
      made.mode = "lines+markers";
      made.marker.size = 6;
      made.line = { color: tint, width: 2, dash: t.dashed ? "dot" : "solid" };
      made.showlegend = !(chart.ends && wide);
    }
    if (t.kind === "rule") {
      made.mode = "lines";
      made.cliponaxis = true;
      made.line = { color: tint, width: 1.2, dash: t.dashed ? "dash" : "solid" };
      made.showlegend = false;
    }
    if (t.kind === "band") {
      made.mode = "lines";
      made.fill = "toself";
      made.cliponaxis = true;
      made.line = { width: 0 };
      made.fillcolor = tint + "2b";
      made.hoverinfo = "skip";
    }
    if (t.labels.length && t.kind === "dots") {
      made.mode += "+text";
      made.text = t.labels;
      made.textposition = "middle center";
      made.textfont = { color: color("paper"), size: 11 };
    }
    if (t.low.length) {
      const along = chart.y.type === "category" ? "error_x" : "error_y", at = along === "error_x" ? t.x : t.y;
      made[along] = {
        type: "data", symmetric: false, array: t.high.map((v, i) => v - at[i]), arrayminus: t.low.map((v, i) => at[i] - v),
        color: tint, thickness: 1.2, width: 3,
      };
    }
    return made;
  }

  // ---- axes: numbers of three digits with a unit, at 1, 2 and 5, or at powers of ten where there are many
  const PREFIX = { "-4": "p", "-3": "n", "-2": "µ", "-1": "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T" };
  function words(value, unit) {
    if (!unit || unit === "%") return +value.toPrecision(4) + (unit ? " %" : "");
    if (value === 0) return "0";
    const power = Math.max(-4, Math.min(4, Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-9)));
    return +(value / 1000 ** power).toPrecision(4) + " " + PREFIX[power] + unit;
  }
  function ticks(range, log, unit, most) {
    const [low, high] = log ? range.map((v) => 10 ** v) : range, found = [];
    if (log) {
      const decades = Math.log10(high / low), step = Math.max(1, Math.ceil(decades / most));
      const digits = decades < 0.7 ? [1, 1.5, 2, 3, 4, 5, 7] : decades < most / 2.5 ? [1, 2, 5] : [1];
      for (let k = Math.floor(Math.log10(low)); k <= Math.log10(high); k++)
        for (const digit of digits) if (digit > 1 || k % step === 0) found.push(digit * 10 ** k);
    } else {
      const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
      const step = power * [1, 2, 5, 10].find((x) => x * power >= rough);
      for (let k = Math.ceil(low / step); k * step <= high * 1.0001; k++) found.push(k * step);
    }
    const kept = found.filter((v) => v >= low * 0.9999 && v <= high * 1.0001);
    return { tickmode: "array", tickvals: kept, ticktext: kept.map((v) => words(v, unit)) };
  }

  function axis(chart, name, shown, wide) {
    const given = { ...chart[name] };
    for (const control of chart.controls) Object.assign(given, (control.axes[chart.state[control.key]] || {})[name] || {});
    const scale = chart.controls.find((c) => c.kind === "scale" && c.key === name);
    const type = scale ? chart.state[name] : given.type;
    const made = {
      title: { text: wide ? given.title : broken(given.title, name === "x" ? 22 : 40), standoff: 8, font: { size: 12 } }, type, automargin: true, zeroline: false, fixedrange: coarse,
      gridcolor: color("grid"), linecolor: color("line"), tickfont: { size: 12 }, showline: type !== "category", ticks: "",
    };
    if (type === "category") {
      const names = [...new Set(shown.flatMap((t) => t[name]))];
      return { ...made, title: { text: "" }, categoryorder: "array", categoryarray: names, range: [names.length - 0.5, -0.5], fixedrange: true,
        tickmode: "array", tickvals: names, ticktext: names.map((text) => broken(text, wide ? 44 : 18)) };
    }
    const spread = name === (chart.y.type === "category" ? "x" : "y");
    const level = (t) => t.kind === "rule" && name === "y" && t.y.every((v) => v === t.y[0]);
    let values = shown.filter((t) => level(t) || (t.kind !== "rule" && t.kind !== "band"))
      .flatMap((t) => [...t[name], ...(spread ? [...t.low, ...t.high] : [])]).filter((v) => type !== "log" || v > 0);
    if (shown.some((t) => t.kind === "bars")) values = sums(shown);
    if (name === "x") for (const t of shown) if (t.kind === "rule" && t.y[0] !== t.y[1]) values.push(t.x[1] / 2.5); // where a slope meets its roof
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (type === "log") {
      const room = Math.max(0.12, 0.05 * Math.log10(high / low));
      made.range = [Math.log10(low) - room, Math.log10(high) + room];
    } else made.range = [0, high * (given.unit === "%" ? 1.005 : 1.06)];
    chart.units[name] = given.unit;
    const fixed = type === "log" && given.ticks.length > 1;
    if (fixed) {
      const every = Math.ceil(given.ticks.length / (wide ? 9 : 4)), kept = given.ticks.filter((_, i) => i % every === 0);
      Object.assign(made, { tickmode: "array", tickvals: kept.map((t) => t[0]), ticktext: kept.map((t) => t[1]) });
    } else Object.assign(made, ticks(made.range, type === "log", given.unit, name === "x" ? (wide ? 8 : 4) : 7));
    return made;
  }
  function sums(shown) { // ends of stacked bars
    const totals = {};
    for (const t of shown) t.y.forEach((row, i) => { totals[row] = (totals[row] || 0) + t.x[i]; });
    return Object.values(totals);
  }
  function broken(text, width) { // names of rows, over several lines where they are long
    const lines = [""];
    for (const word of text.split(" ")) {
      if (lines[lines.length - 1] && (lines[lines.length - 1] + " " + word).length > width) lines.push("");
      lines[lines.length - 1] += (lines[lines.length - 1] ? " " : "") + word;
    }
    return lines.join("<br>");
  }
  const coarse = window.matchMedia("(pointer: coarse)").matches;

  // ---- names at the ends of lines, pushed apart so that none lies on another
  function ends(chart, plot, shown) {
    if (!chart.ends || narrow(plot)) return [];
    const lines = shown.filter((t) => t.kind === "line" && t.y.length);
    const layout = plot._fullLayout, at = (v) => layout.yaxis._offset + layout.yaxis.d2p(v);
    const placed = lines.map((t) => ({ t, y: at(t.y[t.y.length - 1]) })).sort((a, b) => a.y - b.y);
    for (let round = 0; round < 60; round++)
      for (let i = 1; i < placed.length; i++) {
        const lack = 15 - (placed[i].y - placed[i - 1].y);
        if (lack > 0.1) { placed[i].y += lack / 2; placed[i - 1].y -= lack / 2; }
      }
    for (let i = 0, least = layout.yaxis._offset + 4; i < placed.length; i++, least += 15) placed[i].y = Math.max(placed[i].y, least);
    return placed.map((p) => ({
      xref: "paper", yref: "paper", x: 1, y: 1 - (p.y - layout.yaxis._offset) / layout.yaxis._length, text: p.t.name, showarrow: false,
      xanchor: "left", yanchor: "middle", xshift: 8, font: { color: color(p.t.color), size: 12 }, align: "left",
    }));
  }

  function limits(shown, layout, plot) { // a rule's name lies on it
    const at = (value, name) => (layout[name + "axis"].type === "log" ? Math.log10(value) : value);
    const place = (value, name) => { const [low, high] = layout[name + "axis"].range; return (at(value, name) - low) / (high - low); };
    const taken = (t, from, to) => shown.some((other) => other.kind !== "rule" && other.kind !== "band" && other.y.some((y, i) =>
      Math.abs(place(y, "y") - place(t.y[0], "y")) < 0.1 && place(other.x[i], "x") >= from && place(other.x[i], "x") <= to));
    return shown.filter((t) => t.kind === "rule" && t.labels.length).map((t, i) => {
      const made = { text: t.labels[0], showarrow: false, font: { size: 11, color: color(t.color) }, bgcolor: color("paper"), borderpad: 1, yref: "y" };
      if (t.y[0] === t.y[1]) { // at its end, on the side where nothing lies below the name
        const wide = Math.min(1, (7 * t.labels[0].length) / plot.clientWidth), level = { ...made, xref: "paper", y: at(t.y[0], "y"), yanchor: "bottom", yshift: 1 };
        const start = Math.max(0, place(t.x[0], "x"));
        if (taken(t, 1 - wide, 1) && !taken(t, start, start + wide)) return { ...level, x: start, xanchor: "left" };
        return { ...level, x: 1, xanchor: "right", bgcolor: taken(t, 1 - wide, 1) ? undefined : made.bgcolor };
      }
      const [x0, x1, y0, y1] = [at(t.x[0], "x"), at(t.x[1], "x"), at(t.y[0], "y"), at(t.y[1], "y")]; // a slope: within what is seen of it
      const low = Math.max(0, (layout.xaxis.range[0] - x0) / (x1 - x0), (layout.yaxis.range[0] - y0) / (y1 - y0));
      const part = low + (1 - low) * (0.72 - 0.18 * (i % 3)); // no two neighbours at one height
      return { ...made, xref: "x", x: x0 + part * (x1 - x0), y: y0 + part * (y1 - y0), visible: low < 0.98 };
    });
  }

  function draw(chart) {
    const plot = document.getElementById(chart.id), shown = visible(chart), wide = !narrow(plot);
    const empty = !shown.some((t) => t.kind !== "rule" && t.kind !== "band");
    plot.nextElementSibling.hidden = !empty;
    plot.hidden = empty;
    if (empty) return Promise.resolve();
    const rows = chart.y.type === "category" ? new Set(shown.flatMap((t) => t.y)).size : 0;
    const named = new Set(shown.filter((t) => t.kind !== "rule").map((t) => t.name));
    const seen = new Set();
    const data = shown.map((t) => {
      const made = drawn(t, chart, wide);
      if (made.showlegend === undefined) made.showlegend = named.size > 1 && !t.shades.length && !seen.has(t.name);
      seen.add(t.name);
      return made;
    });
    // A key takes its lines from the drawing, so they are added; long names of rows take more than one line.
    const signs = data.filter((t) => t.showlegend), letters = signs.reduce((sum, t) => sum + t.name.length + 8, 0);
    const key = signs.length ? 20 * Math.ceil((letters * 6.5) / plot.clientWidth) + (wide ? 0 : 25) : 0;
    const lines = rows ? Math.max(...shown.flatMap((t) => t.y).map((text) => broken(text, wide ? 44 : 18).split("<br>").length)) : 1;
    const tall = 12 + 15 * lines;
    const longest = chart.ends && wide ? Math.max(0, ...shown.filter((t) => t.kind === "line").map((t) => t.name.length)) : 0;
    const layout = {
      font: { family: getComputedStyle(document.body).fontFamily, color: color("ink"), size: 13 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: longest ? 16 + 7 * longest : 14, t: 12, b: 8 },
      height: rows ? 95 + key + rows * tall : (wide ? 400 : 320) + key,
      xaxis: axis(chart, "x", shown, wide), yaxis: axis(chart, "y", shown, wide), barmode: "stack", bargap: 0.35,
      hovermode: "closest", dragmode: coarse ? false : "zoom",
      hoverlabel: { bgcolor: color("raised"), bordercolor: color("line"), font: { color: color("ink"), size: 12 }, align: "left" },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.01, yanchor: "bottom", font: { size: 12 }, itemclick: "toggle", maxheight: 0.9 },
      annotations: [],
    };
    layout.annotations = limits(shown, layout, plot);
    const config = { displaylogo: false, responsive: true, displayModeBar: false, scrollZoom: false, doubleClick: false };
    return Plotly.react(plot, data, layout, config).then(() => {
      watch(chart, plot);
      const texts = ends(chart, plot, shown);
      return texts.length ? Plotly.relayout(plot, { annotations: [...layout.annotations, ...texts] }) : undefined;
    });
  }

  // ---- a part of a chart, chosen by dragging, has ticks of its own; a double click goes back to the whole
  function watch(chart, plot) {
    if (chart.watched) return;
    chart.watched = true;
    plot.on("plotly_doubleclick", () => { draw(chart); });
    plot.on("plotly_relayout", (change) => {
      const made = {};
      for (const name of ["x", "y"]) {
        const own = plot.layout[name + "axis"];
        if (change[name + "axis.range[0]"] === undefined || own.type === "category") continue;
        for (const [key, value] of Object.entries(ticks(own.range, own.type === "log", chart.units[name], 7))) made[name + "axis." + key] = value;
      }
      if (Object.keys(made).length) Plotly.relayout(plot, made);
    });
  }

  // ---- controls: fields of the browser's own, so that the keyboard and readers of screens know them
  function control(chart, c) {
    chart.state[c.key] = c.options[0][0];
    const choose = (value) => { chart.state[c.key] = value; return draw(chart); };
    const id = chart.id + "-" + c.key;
    if (c.options.length > 3 || c.options.some(([, label]) => label.length > 24)) {
      const box = document.createElement("div"), name = document.createElement("label"), select = document.createElement("select");
      Object.assign(name, { className: "name", htmlFor: id, textContent: c.label });
      select.id = id;
      for (const [value, label] of c.options) select.add(new Option(label, value));
      select.addEventListener("change", () => choose(select.value));
      box.append(name, select);
      return box;
    }
    const field = document.createElement("fieldset"), legend = document.createElement("legend"), row = document.createElement("div");
    legend.textContent = c.label;
    row.className = "choice";
    c.options.forEach(([value, text], i) => {
      const label = document.createElement("label"), input = document.createElement("input");
      Object.assign(input, { type: "radio", name: id, value, checked: i === 0 });
      input.addEventListener("change", () => choose(value));
      label.append(input, text);
      row.append(label);
    });
    field.append(legend, row);
    return field;
  }

  let ready = false;
  async function redraw() { if (ready) for (const chart of charts) await draw(chart); }

  async function library() { // packed, a third of its size
    const packed = document.getElementById("library").textContent.trim();
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  async function begin() {
    for (const chart of charts) {
      chart.state = {};
      chart.units = {};
      const place = document.getElementById(chart.id + "-controls");
      place.append(...chart.controls.map((c) => control(chart, c)));
    }
    if (charts.length) {
      try { await library(); } catch (error) {
        for (const note of document.querySelectorAll(".plot")) note.textContent = "This browser cannot unpack the charts; their numbers stand below.";
        for (const table of document.querySelectorAll("details")) table.open = true;
        return;
      }
    }
    ready = true;
    await redraw();
    let width = window.innerWidth, waiting = 0;
    window.addEventListener("resize", () => {
      if (window.innerWidth === width) return; // on phones the bar of addresses comes and goes
      width = window.innerWidth;
      clearTimeout(waiting);
      waiting = setTimeout(redraw, 120);
    });
    root.dataset.ready = "yes";
  }
  begin();
})();
