// The picture of one instance: a panel for each run with V, A and its prediction above the picture.

const layers = { visible: true, amodal: true, outcome: true, fill: true, contours: true, grey: true, zoom: true, runs: [] };

const LAYERS = [
  { key: "visible", letter: "v", title: "V" },
  { key: "amodal", letter: "a", title: "A" },
  { key: "outcome", letter: "o", title: "outcome" },
  { key: "fill", letter: "f", title: "fill" },
  { key: "contours", letter: "c", title: "contours" },
  { key: "grey", letter: "g", title: "grey" },
  { key: "zoom", letter: "z", title: "zoom" },
];

const OUTCOMES = [["kept", "of V, kept"], ["gained", "gained over V"], ["missed", "missed of A"], ["wrong", "wrong, outside A"]];
const MOST_RUNS_BY_KEY = 9;

let shownMasks = null;

/** Toggle a layer, or the prediction of a run by its place. */
function toggle(key) {
  if (typeof key === "number") layers.runs[key] = !layers.runs[key];
  else layers[key] = !layers[key];
  drawViewer();
}

function legend() {
  const swatch = (name, kind, text) => make("span", { class: "key" }, make("i", { class: `swatch ${kind}`, style: `--own: var(--${name})` }), text);
  return make("p", { class: "legend" },
    ...OUTCOMES.map(([name, text]) => swatch(name, "area", text)),
    swatch("v", "edge", "V"), swatch("a", "edge", "A"), swatch("p", "edge", "prediction"));
}

/** Show a row: its numbers at once, its masks when their files are there. */
async function showRow(row) {
  state.row = row;
  shownMasks = null;
  drawViewer();
  try {
    const masks = await masksOf(row);
    if (state.row !== row) return;
    shownMasks = masks;
  } catch (error) {
    if (state.row !== row) return;
    shownMasks = { failed: error.message };
  }
  drawViewer();
}

/** Draw the chosen row: panels are made for another row or other runs, and else only drawn again. */
function drawViewer() {
  const { data } = PAGE, viewer = find("viewer"), row = state.row;
  if (row < 0) {
    viewer.replaceChildren(make("p", { class: "quiet empty" }, "There is no instance to show."));
    return;
  }
  const chosen = data.runs.map((_, k) => k).filter((k) => layers.runs[k]);
  const key = `${row} ${chosen}`;
  if (viewer.dataset.key !== key) {
    const focused = document.activeElement.dataset.layer;
    viewer.replaceChildren(...viewerParts(row, chosen.length ? chosen : [-1]));
    viewer.dataset.key = key;
    const again = [...viewer.querySelectorAll("[data-layer]")].find((each) => each.dataset.layer === focused);
    if (again) again.focus();
  }
  for (const each of viewer.querySelectorAll("[data-layer]")) each.setAttribute("aria-pressed", String(isOn(each.dataset.layer)));
  viewer.querySelector(".outside").hidden = !state.kept || state.kept[row] === 1;
  for (const each of viewer.querySelectorAll(".panel")) drawPanel(each);
}

function isOn(layer) {
  return layer in layers ? layers[layer] : Boolean(layers.runs[layer]);
}

function viewerParts(row, chosen) {
  const { data } = PAGE;
  const button = (key, letter, title) => {
    const made = make("button", { type: "button", class: "toggle", onclick: () => toggle(key) }, title, " ", make("kbd", {}, letter));
    made.dataset.layer = key;
    return made;
  };
  const toggles = make("div", { class: "bar", role: "group", "aria-label": "Layers" },
    ...LAYERS.map(({ key, letter, title }) => button(key, letter, title)),
    ...data.runs.slice(0, MOST_RUNS_BY_KEY).map((run, k) => button(k, String(k + 1), `run ${run.letter}`)));
  const link = make("a", { href: hashOf(row), title: "Link to this instance", "aria-label": "Link to this instance", class: "permalink" }, "#");
  return [
    make("h2", {}, data.ids[row], " ", link),
    make("p", { class: "quiet outside" }, "The filters leave this instance out of the list."),
    toggles,
    make("div", { class: "panels" }, ...chosen.map((run) => panel(row, run))),
    legend(),
    facts(row),
  ];
}

/** The frame of one run: picture and canvas, drawn once it has a size. */
function panel(row, run) {
  const { data, columns } = PAGE;
  const file = data.annotated ? data.pictures[columns.picture[row]] : "";
  const title = run < 0 ? "V and A" : `${data.runs[run].letter}  ${data.runs[run].name}`;
  const iou = run < 0 ? "" : `IoU ${share(columns.runs[run].iou[row])}`;
  const image = file ? make("img", { src: `pictures/${file}`, alt: `picture of ${data.ids[row]}`, onerror: () => { made.lost = `pictures/${file} cannot be read; write the page again`; drawPanel(made); } }) : null;
  const canvas = make("canvas", { "aria-hidden": "true" });
  const stage = make("div", { class: "stage" }, image, canvas);
  const notes = make("p", { class: "quiet notes" });
  const made = make("figure", { class: "panel" }, make("figcaption", {}, make("b", {}, title), make("span", {}, iou)), stage, notes);
  Object.assign(made, { run, row, image, canvas, stage, notes });
  return made;
}

function drawPanel(made) {
  const { data, columns } = PAGE, { row, run, canvas, stage, image, notes } = made;
  const height = columns.height[row], width = columns.width[row];
  const error = run < 0 ? ["", ""] : data.errors[columns.runs[run].error[row]];
  const said = [];
  if (error[0]) said.push(`${error[0]}: ${error[1]}`);
  if (shownMasks && shownMasks.failed) said.push(shownMasks.failed);
  if (shownMasks && shownMasks.why) said.push(shownMasks.why);
  if (run >= 0 && shownMasks && shownMasks.broken && shownMasks.broken[run]) said.push("The run's mask cannot be read; `results check` says more.");
  if (made.lost) said.push(made.lost);
  notes.replaceChildren(...said.map((text) => make("span", {}, text)));
  if (!height || !width) { stage.hidden = true; return; }
  const masks = shownMasks && !shownMasks.failed ? shownMasks : null;
  const view = layers.zoom && masks ? windowOf(masks, height, width) : [0, 0, width, height];
  const across = view[2] - view[0], down = view[3] - view[1];
  stage.style.aspectRatio = `${across} / ${down}`;
  stage.style.maxWidth = `calc(var(--tall) * ${across / down})`;
  if (image) {
    image.style.width = `${(100 * width) / across}%`;
    image.style.left = `${(-100 * view[0]) / across}%`;
    image.style.top = `${(-100 * view[1]) / down}%`;
    image.classList.toggle("grey", layers.grey && layers.fill);
    image.classList.toggle("coarse", stage.clientWidth > 3 * across);
  }
  if (!masks) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(stage.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(stage.clientHeight * ratio));
  const draw = canvas.getContext("2d"), scale = canvas.width / across;
  const own = { visible: masks.visible, amodal: masks.amodal, predicted: run < 0 ? null : masks.runs[run] };
  const byOutcome = layers.outcome && own.amodal && run >= 0 && (own.predicted || error[0] === "failed");
  if (layers.fill) drawFill(draw, own, byOutcome, view, width, canvas);
  if (!layers.contours) return;
  const edges = [["--a", layers.amodal && own.amodal], ["--p", own.predicted], ["--v", layers.visible && own.visible]];
  for (const [role, mask] of edges) if (mask) drawOutline(draw, mask, height, width, view, scale, role, ratio);
}

/** The part of the picture that holds all masks with a margin, the same for every panel. */
function windowOf(masks, height, width) {
  const boxes = [masks.visible, masks.amodal, ...masks.runs].filter(Boolean).map((mask) => boxOf(mask, height, width)).filter(Boolean);
  if (!boxes.length) return [0, 0, width, height];
  const least = (k) => Math.min(...boxes.map((box) => box[k])), most = (k) => Math.max(...boxes.map((box) => box[k]));
  const box = [least(0), least(1), most(2), most(3)];
  const margin = Math.round(0.2 * Math.max(box[2] - box[0], box[3] - box[1])) + 6;
  return [Math.max(0, box[0] - margin), Math.max(0, box[1] - margin), Math.min(width, box[2] + margin), Math.min(height, box[3] + margin)];
}

function rgb(role) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(role).trim();
  return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
}

/** Fill the pixels: by what became of V and A, a failed prediction being empty, or one colour for each mask. */
function drawFill(draw, { visible, amodal, predicted }, byOutcome, view, width, canvas) {
  const across = view[2] - view[0], down = view[3] - view[1];
  const pixels = new ImageData(across, down), [kept, gained, missed, wrong, v, a, p] = ["--kept", "--gained", "--missed", "--wrong", "--v", "--a", "--p"].map(rgb);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      const at = (y + view[1]) * width + x + view[0];
      const inV = visible && visible[at], inA = amodal && amodal[at], inP = predicted && predicted[at];
      let colour = null;
      if (byOutcome) colour = inP ? (inA ? (inV ? kept : gained) : wrong) : inA ? missed : null;
      else if (inP) colour = p;
      else if (layers.visible && inV) colour = v;
      else if (layers.amodal && inA) colour = a;
      if (!colour) continue;
      const to = 4 * (y * across + x);
      pixels.data[to] = colour[0];
      pixels.data[to + 1] = colour[1];
      pixels.data[to + 2] = colour[2];
      pixels.data[to + 3] = 185;
    }
  }
  const small = make("canvas", { width: across, height: down });
  small.getContext("2d").putImageData(pixels, 0, 0);
  draw.imageSmoothingEnabled = false;
  draw.drawImage(small, 0, 0, canvas.width, canvas.height);
}

function drawOutline(draw, mask, height, width, view, scale, role, ratio) {
  const lines = outlineOf(mask, height, width), path = new Path2D();
  for (let k = 0; k < lines.length; k += 4) {
    path.moveTo((lines[k] - view[0]) * scale, (lines[k + 1] - view[1]) * scale);
    path.lineTo((lines[k + 2] - view[0]) * scale, (lines[k + 3] - view[1]) * scale);
  }
  draw.lineCap = "square";
  for (const [colour, thick] of [["#000000b0", 4], [`rgb(${rgb(role).join()})`, 2]]) {
    draw.strokeStyle = colour;
    draw.lineWidth = thick * ratio;
    draw.stroke(path);
  }
}

/** What is known of a row, and every run's numbers. */
function facts(row) {
  const { data, columns } = PAGE;
  const said = [
    ["image", data.images[columns.image[row]]],
    ["category", data.categories[columns.category[row]]],
    ["occlusion rate", share(columns.rate[row])],
    ["size of A", columns.height[row] ? `${whole(columns.pixels[row])} px of ${columns.width[row]}\u00d7${columns.height[row]}` : "-"],
  ];
  const list = make("dl", {}, ...said.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
  const line = (name, iou, occluded, gain, error) => make("tr", {}, make("th", { scope: "row" }, name), ...[iou, occluded, gain].map((text) => make("td", { class: "number" }, text)), make("td", {}, error));
  const runs = data.runs.map((run, k) => {
    const own = columns.runs[k];
    return line(`${run.letter}  ${run.name}`, percent(own.iou[row]), percent(own.occluded[row]), points(own.iou[row] - columns.visible[row]), data.errors[own.error[row]].filter(Boolean).join(": "));
  });
  const head = make("tr", {}, ...["run", "IoU, %", "occluded IoU, %", "gain over V", "error"].map((text, k) => make("th", { scope: "col", class: k > 0 && k < 4 ? "number" : "" }, text)));
  const table = make("div", { class: "wide-table" }, make("table", {}, make("thead", {}, head), make("tbody", {}, line("V", percent(columns.visible[row]), columns.rate[row] > 0 ? percent(0) : "-", "", ""), ...runs)));
  return make("div", { class: "facts" }, list, table);
}
