"use strict";
// Sorts tables, and draws the lines of each experiment; of many experiments once each comes into view.
(() => {
  const root = document.documentElement;
  const style = name => getComputedStyle(root).getPropertyValue(name).trim();
  const number = text => {
    const found = text.replace(/−/g, "-").match(/-?\d+(\.\d+)?(e-?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };
  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // A click on a head sorts by its column: first downwards where it holds numbers.
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = element("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("number");
        const was = head.getAttribute("aria-sort");
        const up = was ? was === "descending" : !numeric;
        heads.forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = row => {
          const text = row.cells[column].textContent;
          return numeric ? number(text) : text;
        };
        // A cell without a number stays below.
        const order = (a, b) => {
          const [x, y] = [key(a), key(b)];
          if (numeric && (isNaN(x) || isNaN(y))) return isNaN(x) - isNaN(y);
          const sign = x < y ? -1 : x > y ? 1 : 0;
          return up ? sign : -sign;
        };
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort(order));
      });
    });
  }

  const plots = [];
  const redraw = () => plots.forEach(plot => plot.redraw(false, true));
  const dark = () => style("color-scheme") === "dark" || getComputedStyle(root).colorScheme === "dark";
  // The palette's grey is too dark on a dark page, as its blue is.
  const LIGHTER = { "#555555": "#b4b8bd", "#0072B2": "#4aa8e0", "#D55E00": "#f08a3c", "#009E73": "#2fc79a" };
  const shade = colour => (dark() && LIGHTER[colour]) || colour;

  const theme = document.getElementById("theme");
  const named = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.hidden = false;
  named();
  const recolour = () => {
    named();
    document.querySelectorAll(".swatch").forEach(line => line.setAttribute("stroke", shade(line.dataset.colour)));
    redraw();
  };
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  const short = value => value == null ? "–"
    : Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 3 });
  const tick = value => value == null ? "" : Math.abs(value) >= 1e4 ? compact.format(value)
    : value !== 0 && Math.abs(value) < 1e-3 ? Number(value.toPrecision(6)).toExponential() : String(Number(value.toPrecision(6)));

  function swatch({ colour, width, dashes }) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", "26");
    svg.setAttribute("height", "8");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", "M0 4H26");
    line.setAttribute("class", "swatch");
    line.dataset.colour = colour;
    line.setAttribute("stroke", shade(colour));
    line.setAttribute("stroke-width", String(1.6 * width));
    line.setAttribute("stroke-dasharray", dashes.join(" "));
    svg.append(line);
    return svg;
  }

  // One chart: a mean for each line, its band as two lines more that are not drawn themselves.
  function draw(chart, place) {
    const tables = [];
    const series = [{ label: chart.x }];
    const bands = [];
    const owners = [null];
    // The series that are said, each with those of its band.
    const said = [];
    // Bands come first: they would tint the lines below them.
    const banded = new Map();
    for (const line of chart.lines.filter(line => line.band)) {
      const low = series.length;
      for (let i = 0; i < 2; i++) {
        series.push({ label: line.name, width: 0, points: { show: false }, spanGaps: true });
        owners.push(line.name);
      }
      bands.push({ series: [low + 1, low], fill: () => shade(line.colour) + "2b" });
      banded.set(line, [low, low + 1]);
      tables.push([line.x, ...line.band]);
    }
    for (const line of chart.lines) {
      said.push([series.length, ...(banded.get(line) ?? [])]);
      series.push({
        label: line.name, stroke: () => shade(line.colour), width: line.width, dash: line.dashes, spanGaps: true,
        points: { show: line.x.length <= 40, size: 6 },
      });
      owners.push(line.name);
      tables.push([line.x, line.y]);
    }
    for (const [label, y] of chart.levels) {
      const xs = chart.lines.flatMap(line => line.x);
      tables.push([[Math.min(...xs), Math.max(...xs)], [y, y]]);
      series.push({ label, stroke: () => style("--soft"), width: 1, dash: [4, 4], spanGaps: true, points: { show: false } });
      owners.push(label);
      said.push([series.length - 1]);
    }
    const hint = "Move the cursor for values; drag to zoom, double-click to see all.";
    const values = element("div", { className: "values", textContent: hint });
    const heading = element("h3", { textContent: chart.y });
    const box = element("div", { className: "plot", tabIndex: 0 }, heading, values);
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${chart.y} by ${chart.x}; arrow keys move the cursor`);
    place.append(box);
    const axis = (label, size) => ({
      label, size, labelSize: 20, stroke: () => style("--soft"), grid: { stroke: () => style("--line"), width: 1 },
      ticks: { stroke: () => style("--line") }, values: (_, ticks) => ticks.map(tick),
    });
    // Intervals are cut off where the SVG cuts them.
    const [lowest, highest] = chart.reach ?? [-Infinity, Infinity];
    const range = (_, least, most) => least == null ? [0, 1]
      : uPlot.rangeNum(Math.max(least, lowest), Math.min(most, highest), 0.1, true);
    const size = () => ({ width: Math.max(200, box.clientWidth - 20), height: 260 });
    const say = plot => {
      const at = plot.cursor.idx;
      if (at == null) { values.textContent = hint; return; }
      const value = i => plot.data[i][at];
      const shown = said.filter(([i]) => plot.series[i].show && value(i) != null).map(([i, low, high]) => {
        const band = low && value(low) !== value(high) ? ` [${short(value(low))}, ${short(value(high))}]` : "";
        return `${plot.series[i].label} ${short(value(i))}${band}`;
      });
      values.textContent = `${chart.x} ${short(plot.data[0][at])}: ${shown.join(" · ")}`;
    };
    const plot = new uPlot({
      ...size(), series, bands, legend: { show: false }, cursor: { drag: { x: true, y: false } },
      scales: { x: { time: false, distr: chart.log_x ? 3 : 1 }, y: chart.log_y ? { distr: 3 } : { range } },
      axes: [axis(chart.x, 40), { ...axis(null, 58), labelSize: 0 }],
      hooks: { setCursor: [say] },
    }, uPlot.join(tables), box);
    box.insertBefore(plot.root, values);
    new ResizeObserver(() => plot.setSize(size())).observe(box);
    box.addEventListener("keydown", event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const last = plot.data[0].length - 1;
      const at = plot.cursor.idx == null ? (step > 0 ? 0 : last) : Math.min(last, Math.max(0, plot.cursor.idx + step));
      plot.setCursor({ left: plot.valToPos(plot.data[0][at], "x"), top: plot.over.clientHeight / 2 });
    });
    plots.push(plot);
    return (name, show) => owners.forEach((owner, i) => { if (i && owner === name) plot.setSeries(i, { show }); });
  }

  function experiment(place, charts) {
    charts = charts.filter(chart => chart.lines.some(line => line.x.length > 0));
    const lines = new Map();
    for (const chart of charts) for (const line of chart.lines) if (!lines.has(line.name)) lines.set(line.name, line);
    const legend = element("div", { className: "legend" });
    legend.setAttribute("role", "group");
    legend.setAttribute("aria-label", "Lines");
    const grid = element("div", { className: "plots" });
    place.append(legend, grid);
    const toggles = charts.map(chart => draw(chart, grid));
    const buttons = new Map();
    for (const [name, line] of lines) {
      const button = element("button", { type: "button" }, swatch(line), name);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const show = button.getAttribute("aria-pressed") === "false";
        // A policy's button is that of its other memories too, whose names go on with a comma.
        for (const [other, its] of buttons) {
          if (other !== name && !other.startsWith(name + ", ")) continue;
          its.setAttribute("aria-pressed", String(show));
          toggles.forEach(toggle => toggle(other, show));
        }
      });
      buttons.set(name, button);
      legend.append(button);
    }
    place.plots = plots.slice(-charts.length);
  }

  const data = JSON.parse(document.getElementById("charts").textContent);
  const show = place => {
    watcher.unobserve(place);
    if (!place.plots) experiment(place, data[place.dataset.experiment]);
  };
  const watcher = new IntersectionObserver(seen => {
    seen.filter(one => one.isIntersecting).forEach(one => show(one.target));
  }, { rootMargin: "400px" });
  const places = [...document.querySelectorAll(".charts")].filter(place => data[place.dataset.experiment].length);
  // A browser draws the lines of a few experiments in no time.
  places.forEach(place => places.length <= 8 ? show(place) : watcher.observe(place));
  addEventListener("beforeprint", () => places.forEach(show));
})();
