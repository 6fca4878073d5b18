// Two plots in which rows are selected: IoU by occlusion rate, and IoU of one run against another (or V).

const plots = {};
const MARGIN = { left: 40, right: 10, top: 8, bottom: 34 };
const FEW_POINTS = 3000;

function makePlots() {
  for (const name of ["occlusion", "paired"]) {
    const canvas = make("canvas", { role: "img", tabindex: "0" });
    const figure = make("figure", { class: "plot", id: `plot-${name}` }, make("figcaption", {}), canvas);
    find("plots").append(figure);
    const plot = { name, canvas, caption: figure.firstChild, drag: null };
    plots[name] = plot;
    canvas.addEventListener("pointerdown", (event) => beginBrush(plot, event));
    canvas.addEventListener("pointermove", (event) => moveBrush(plot, event));
    canvas.addEventListener("pointerup", (event) => endBrush(plot, event));
    canvas.addEventListener("pointercancel", () => { plot.drag = null; drawPlot(plot); });
    canvas.addEventListener("dblclick", () => clearBrush(name));
    new ResizeObserver(() => drawPlot(plot)).observe(canvas);
  }
}

/** The numbers on both axes of a plot, as shares. */
function plotValues(name) {
  const y = iouOf(state.run);
  return name === "occlusion" ? [PAGE.columns.rate, y] : [iouOf(state.other), y];
}

function axisTitles(name) {
  const y = `IoU of ${nameOf(state.run)}, %`;
  return name === "occlusion" ? ["occlusion rate, %", y] : [`IoU of ${nameOf(state.other)}, %`, y];
}

function drawPlots() {
  for (const plot of Object.values(plots)) drawPlot(plot);
}

function drawPlot(plot) {
  if (!PAGE.data || !state.kept) return;
  const { canvas, name } = plot, ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const draw = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colour = (role) => style.getPropertyValue(role).trim();
  draw.scale(ratio, ratio);
  const box = { left: MARGIN.left, top: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  plot.box = box;
  drawAxes(draw, box, axisTitles(name), colour);
  if (name === "paired") line(draw, [[0, 0], [1, 1]], box, colour("--quiet"));
  const [x, y] = plotValues(name);
  scatter(draw, box, x, y, 0, colour("--faint"));
  scatter(draw, box, x, y, 1, colour("--mark"));
  if (name === "occlusion") line(draw, meansOf(x, y), box, colour("--text"), 2);
  const brush = plot.drag ? brushOf(plot) : state.brushes[name];
  if (brush) {
    const [x0, y0] = place(box, brush[0], brush[3]), [x1, y1] = place(box, brush[1], brush[2]);
    draw.fillStyle = colour("--brush");
    draw.fillRect(x0, y0, x1 - x0, y1 - y0);
    draw.strokeStyle = colour("--text");
    draw.lineWidth = 1;
    draw.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
  if (state.row >= 0 && !Number.isNaN(x[state.row]) && !Number.isNaN(y[state.row])) {
    const [cx, cy] = place(box, x[state.row], y[state.row]);
    for (const [stroke, thick] of [[colour("--back"), 5], [colour("--wrong"), 2.5]]) {
      draw.beginPath();
      draw.arc(cx, cy, 6, 0, 7);
      draw.strokeStyle = stroke;
      draw.lineWidth = thick;
      draw.stroke();
    }
  }
  const [across, up] = axisTitles(name);
  const clear = brush && !plot.drag ? make("button", { type: "button", class: "small", onclick: () => clearBrush(name) }, "clear selection") : "";
  plot.caption.replaceChildren(name === "occlusion" ? "IoU by occlusion rate" : `IoU of ${nameOf(state.run)} against ${nameOf(state.other)}`, " ", clear);
  canvas.setAttribute("aria-label", `${up} by ${across}; drag to select instances, or use the filters`);
}

function place(box, x, y) {
  return [box.left + x * box.width, box.top + (1 - y) * box.height];
}

function drawAxes(draw, box, [across, up], colour) {
  draw.font = "11px system-ui, sans-serif";
  draw.strokeStyle = colour("--line");
  draw.fillStyle = colour("--quiet");
  draw.lineWidth = 1;
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const [x, y] = place(box, share, share);
    draw.beginPath();
    draw.moveTo(box.left, y);
    draw.lineTo(box.left + box.width, y);
    draw.moveTo(x, box.top);
    draw.lineTo(x, box.top + box.height);
    draw.stroke();
    draw.textAlign = "right";
    draw.textBaseline = "middle";
    draw.fillText(String(100 * share), box.left - 5, y);
    draw.textAlign = share === 1 ? "right" : "center";
    draw.textBaseline = "top";
    draw.fillText(String(100 * share), x, box.top + box.height + 4);
  }
  draw.textAlign = "center";
  draw.fillText(across, box.left + box.width / 2, box.top + box.height + 18);
  draw.save();
  draw.translate(10, box.top + box.height / 2);
  draw.rotate(-Math.PI / 2);
  draw.fillText(up, 0, -5);
  draw.restore();
}

/** Draw the rows whose filters say `kept`: few as dots, many as squares that are darker where more lie. */
function scatter(draw, box, x, y, kept, colour) {
  draw.fillStyle = colour;
  if (PAGE.rows <= FEW_POINTS) {
    draw.globalAlpha = 0.7;
    for (let i = 0; i < PAGE.rows; i++) {
      if (state.kept[i] !== kept || !(x[i] >= 0) || !(y[i] >= 0)) continue;
      const [cx, cy] = place(box, x[i], y[i]);
      draw.beginPath();
      draw.arc(cx, cy, 3, 0, 7);
      draw.fill();
    }
    draw.globalAlpha = 1;
    return;
  }
  const side = 3, across = Math.ceil(box.width / side) + 1, up = Math.ceil(box.height / side) + 1;
  const counts = new Uint32Array(across * up);
  let most = 1;
  for (let i = 0; i < PAGE.rows; i++) {
    if (state.kept[i] !== kept || !(x[i] >= 0) || !(y[i] >= 0)) continue;
    const bin = Math.floor(((1 - y[i]) * box.height) / side) * across + Math.floor((x[i] * box.width) / side);
    if (++counts[bin] > most) most = counts[bin];
  }
  const scale = Math.log(most + 1);
  for (let bin = 0; bin < counts.length; bin++) {
    if (!counts[bin]) continue;
    draw.globalAlpha = 0.2 + (0.8 * Math.log(counts[bin] + 1)) / scale;
    draw.fillRect(box.left + (bin % across) * side, box.top + Math.floor(bin / across) * side, side, side);
  }
  draw.globalAlpha = 1;
}

/** The mean of the rows that are shown in tenths of the horizontal axis, those without an occluded pixel apart. */
function meansOf(x, y) {
  const sums = new Float64Array(11), counts = new Uint32Array(11), places = new Float64Array(11);
  for (let i = 0; i < PAGE.rows; i++) {
    if (!state.kept[i] || !(x[i] >= 0) || !(y[i] >= 0)) continue;
    const bin = x[i] === 0 ? 0 : Math.min(10, Math.floor(x[i] * 10) + 1);
    sums[bin] += y[i];
    places[bin] += x[i];
    counts[bin]++;
  }
  const points = [];
  for (let bin = 0; bin < 11; bin++) if (counts[bin]) points.push([places[bin] / counts[bin], sums[bin] / counts[bin]]);
  return points;
}

function line(draw, points, box, colour, thick = 1) {
  draw.beginPath();
  points.forEach(([x, y], k) => draw[k ? "lineTo" : "moveTo"](...place(box, x, y)));
  draw.strokeStyle = colour;
  draw.lineWidth = thick;
  draw.stroke();
}

function shares(plot, event) {
  const { left, top, width, height } = plot.box;
  const within = (value) => Math.min(1, Math.max(0, value));
  return [within((event.offsetX - left) / width), within(1 - (event.offsetY - top) / height)];
}

function beginBrush(plot, event) {
  if (event.button || !plot.box) return;
  plot.drag = { from: shares(plot, event), to: shares(plot, event) };
  plot.canvas.setPointerCapture(event.pointerId);
}

function moveBrush(plot, event) {
  if (!plot.drag) return;
  plot.drag.to = shares(plot, event);
  drawPlot(plot);
}

function brushOf({ drag: { from, to } }) {
  return [Math.min(from[0], to[0]), Math.max(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[1], to[1])];
}

/** Select what was dragged over; a click shows the nearest row. */
function endBrush(plot, event) {
  if (!plot.drag) return;
  plot.drag.to = shares(plot, event);
  const brush = brushOf(plot), at = plot.drag.from;
  plot.drag = null;
  if ((brush[1] - brush[0]) * plot.box.width < 4 && (brush[3] - brush[2]) * plot.box.height < 4) {
    showNearest(plot, at);
    return;
  }
  state.brushes[plot.name] = brush;
  refresh(false);
}

function showNearest(plot, [px, py]) {
  const [x, y] = plotValues(plot.name);
  let best = -1, least = Infinity;
  state.view.forEach((row, at) => {
    const distance = Math.hypot((x[row] - px) * plot.box.width, (y[row] - py) * plot.box.height);
    if (distance < least) [least, best] = [distance, at];
  });
  if (best >= 0 && least < 20) { showAt(best); reveal(best); }
}

function clearBrush(name) {
  delete state.brushes[name];
  refresh(false);
}
