// Which rows are shown and in what order: columns of numbers, filters, sorting.

const state = {
  run: 0, // whose numbers are shown
  other: -1, // the run it is compared with; -1 is V
  sort: "id", down: false,
  ranges: {}, // by column: [low, high] in the unit of the list, null where open
  category: -1, trouble: "", text: "",
  group: null, // one error of one run: [run, error]
  brushes: {}, // by plot: [x0, x1, y0, y1] as shares
  order: null, view: null, row: -1,
};

const COLUMNS = [
  { key: "id", title: "id", text: true },
  { key: "category", title: "category", text: true, wide: true },
  { key: "iou", title: "IoU", unit: 100, show: percent },
  { key: "occluded", title: "occluded IoU", unit: 100, show: percent, wide: true },
  { key: "rate", title: "occlusion", unit: 100, show: percent },
  { key: "pixels", title: "size", unit: 1, show: whole, wide: true },
  { key: "gain", title: "gain over V", unit: 100, show: points, wide: true },
  { key: "difference", title: "difference", unit: 100, show: points },
  { key: "error", title: "error", text: true, wide: true },
];

const derived = new Map();

function minus(name, first, second) {
  if (!derived.has(name)) derived.set(name, Float32Array.from(first, (value, i) => value - second[i]));
  return derived.get(name);
}

/** IoU of a run, or of V itself where the run is -1. */
function iouOf(run) {
  return run < 0 ? PAGE.columns.visible : PAGE.columns.runs[run].iou;
}

function nameOf(run) {
  return run < 0 ? "V" : PAGE.data.runs[run].letter;
}

/** The numbers of a column for the runs that are chosen. */
function valuesOf(key) {
  const { columns } = PAGE, own = columns.runs[state.run];
  switch (key) {
    case "iou": return own.iou;
    case "occluded": return own.occluded;
    case "rate": return columns.rate;
    case "pixels": return columns.pixels;
    case "gain": return minus(`${state.run} -1`, own.iou, columns.visible);
    case "difference": return minus(`${state.run} ${state.other}`, own.iou, iouOf(state.other));
    case "category": return columns.category;
    case "error": return own.error;
    default: return null;
  }
}

/** Numbers as whole ones of 32 bits in the same order: those of floats are flipped so that they can be compared. */
function orderable(keys) {
  if (keys instanceof Uint32Array) return keys;
  const bits = new Uint32Array(new Float32Array(keys).buffer);
  return bits.map((own) => (own >>> 31 ? ~own : own | 0x80000000));
}

/**
 * Sort all rows by a column; rows without a number come last, equal ones in the order of their ids.
 *
 * Key and row share a double (32 bits and 21), since numbers are sorted ten times as fast without a function.
 */
function sortRows() {
  const count = PAGE.rows, order = new Uint32Array(count), keys = valuesOf(state.sort);
  state.order = order;
  if (!keys) {
    for (let i = 0; i < count; i++) order[i] = state.down ? count - 1 - i : i;
    return;
  }
  const whole = orderable(keys), pairs = new Float64Array(count), missing = [];
  let known = 0;
  for (let i = 0; i < count; i++) {
    if (Number.isNaN(keys[i])) missing.push(i);
    else pairs[known++] = (state.down ? 0xffffffff - whole[i] : whole[i]) * 0x200000 + i;
  }
  pairs.subarray(0, known).sort().forEach((pair, k) => { order[k] = pair % 0x200000; });
  order.set(missing, known);
}

/** Choose the rows that every filter and every brush takes. */
function filterRows() {
  const kept = new Uint8Array(PAGE.rows).fill(1), { data, columns } = PAGE;
  const keep = (holds) => { for (let i = 0; i < kept.length; i++) if (kept[i] && !holds(i)) kept[i] = 0; };
  for (const { key, unit } of COLUMNS) {
    const [low, high] = state.ranges[key] || [null, null];
    const values = valuesOf(key), slack = 1e-6;
    if (low !== null) keep((i) => values[i] * unit >= low - slack);
    if (high !== null) keep((i) => values[i] * unit <= high + slack);
  }
  if (state.category >= 0) keep((i) => columns.category[i] === state.category);
  if (state.trouble) keep(troubleTest(state.trouble));
  if (state.group) { const [run, error] = state.group; keep((i) => columns.runs[run].error[i] === error); }
  if (state.text) { const text = state.text.toLowerCase(); keep((i) => data.ids[i].toLowerCase().includes(text)); }
  for (const [name, brush] of Object.entries(state.brushes)) {
    const [x, y] = plotValues(name), [x0, x1, y0, y1] = brush;
    keep((i) => x[i] >= x0 && x[i] <= x1 && y[i] >= y0 && y[i] <= y1);
  }
  const view = new Uint32Array(PAGE.rows);
  let count = 0;
  for (const row of state.order) if (kept[row]) view[count++] = row;
  state.kept = kept;
  state.view = view.subarray(0, count);
}

/** What a choice of the error filter takes: of any run, or of the chosen one. */
function troubleTest(choice) {
  const { data, columns } = PAGE;
  if (choice === "any") return (i) => columns.runs.some((run) => run.error[i] > 0);
  if (choice === "none") return (i) => columns.runs.every((run) => run.error[i] === 0);
  if (choice === "worse") { const gain = valuesOf("gain"); return (i) => gain[i] < 0; }
  const kinds = data.errors.map(([kind]) => kind === choice);
  return (i) => columns.runs.some((run) => kinds[run.error[i]]);
}

/** How many filters are set. */
function filterCount() {
  const ranges = Object.values(state.ranges).filter(([low, high]) => low !== null || high !== null).length;
  const others = [state.category >= 0, state.trouble, state.group, state.text].filter(Boolean).length;
  return ranges + others + Object.keys(state.brushes).length;
}
