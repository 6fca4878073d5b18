// The page as a whole: its controls, its permalink, and what happens when the data arrives.

const TABS = [["instances", "Instances"], ["numbers", "Tables"], ["errors", "Errors"]];
const TROUBLES = [["", "all"], ["none", "none"], ["any", "any error"], ["failed", "failed"], ["unreadable", "unreadable"], ["not run", "not run"], ["worse", "worse than V"]];

/** Take the page's data; index.data.js calls it. */
function open(data) {
  PAGE.data = data;
  PAGE.rows = data.ids.length;
  PAGE.columns = {
    image: unpacked(data.image), category: unpacked(data.category), rate: unpacked(data.rate),
    pixels: null, height: unpacked(data.height), width: unpacked(data.width),
    visible: unpacked(data.visible_iou), picture: unpacked(data.picture),
    runs: data.runs.map((run) => ({ iou: unpacked(run.iou), occluded: unpacked(run.occluded_iou), error: unpacked(run.error) })),
  };
  const { height } = PAGE.columns;
  PAGE.columns.pixels = Float64Array.from(unpacked(data.pixels), (value, i) => (height[i] ? value : NaN)); // not known where no run could read it
  state.other = data.runs.length > 1 ? 0 : -1;
  state.run = data.runs.length > 1 ? 1 : 0;
  layers.runs = data.runs.map((_, k) => k < 4);
  const draws = data.draws > 1 ? `, draw 0 of ${data.draws}` : "";
  find("about").textContent = `${data.dataset}, ${data.protocol}, ${whole(PAGE.rows)} instances (${data.selection})${draws}`;
  if (!data.annotated) {
    find("why").textContent = `Without pictures, V and A: ${data.why || "the dataset was not there when the page was written"}`;
    find("why").hidden = false;
  }
  if (data.lacking) {
    find("lacking").textContent = `Not run: ${data.lacking}.`;
    find("lacking").hidden = false;
  }
  makeTabs();
  makeList();
  makePlots();
  drawControls();
  drawFields();
  makeTables();
  makeErrors();
  makeHelp();
  sortRows();
  filterRows();
  afterFilter();
  const row = rowOfHash();
  tellLost(row);
  showRow(row >= 0 ? row : state.view.length ? state.view[0] : -1);
  drawRows();
  reveal(Math.max(0, state.view.indexOf(state.row)));
  drawRows();
  drawPlots();
  document.addEventListener("keydown", takeKey);
  window.addEventListener("hashchange", () => { const own = rowOfHash(); tellLost(own); if (own >= 0 && own !== state.row) showAt(state.view.indexOf(own), own); });
  window.addEventListener("resize", () => { if (state.row >= 0) drawViewer(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawPlots(); drawViewer(); });
  document.documentElement.dataset.ready = "yes";
}

function makeTabs() {
  find("tabs").append(...TABS.map(([name, title]) => make("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": name, "aria-selected": String(name === "instances"), onclick: () => openTab(name),
  }, title)));
  find("tabs").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = TABS.findIndex(([name]) => event.target.id === `tab-${name}`);
    if (!by || at < 0) return;
    const [name] = TABS[(at + by + TABS.length) % TABS.length];
    openTab(name);
    find(`tab-${name}`).focus();
  });
}

function openTab(name) {
  for (const [each] of TABS) {
    find(each).hidden = each !== name;
    find(`tab-${each}`).setAttribute("aria-selected", String(each === name));
  }
  if (name === "instances" && PAGE.data) { drawPlots(); drawRows(); drawViewer(); }
}

function select(label, value, options, change) {
  const made = make("select", { onchange: (event) => change(event.target.value) }, ...options.map(([own, text]) => make("option", { value: own, selected: String(own) === String(value) }, text)));
  return make("label", {}, `${label} `, made);
}

/** Whose numbers are shown, and the filters that are no ranges. */
function drawControls() {
  const { data } = PAGE, runs = data.runs.map((run, k) => [k, `${run.letter}  ${run.name}`]);
  const search = make("input", { type: "search", id: "search", placeholder: "part of an id", value: state.text, "aria-label": "Search among the ids", oninput: (event) => { state.text = event.target.value; refresh(false); } });
  find("controls").replaceChildren(
    select("Run", state.run, runs, (value) => { state.run = Number(value); refresh(true); }),
    select("against", state.other, [[-1, "V"], ...runs], (value) => { state.other = Number(value); refresh(true); }),
    select("category", state.category, [[-1, "all"], ...data.categories.map((name, k) => [k, name])], (value) => { state.category = Number(value); refresh(false); }),
    select("errors", state.trouble, TROUBLES, (value) => { state.trouble = value; refresh(false); }),
    make("span", { class: "pair" }, select("sort", state.sort, COLUMNS.map(({ key, title }) => [key, title]), (value) => { state.sort = value; refresh(true); }),
      make("button", { type: "button", id: "direction", onclick: () => { state.down = !state.down; refresh(true); } })),
    make("label", {}, "id ", search),
    make("button", { type: "button", id: "clear", onclick: clearFilters }, "Clear filters"));
}

/** A field for the least and one for the most of each number. */
function drawFields() {
  const field = (column, end, word) => {
    const range = state.ranges[column.key] || [null, null];
    const change = (event) => {
      const own = state.ranges[column.key] || [null, null];
      own[end] = event.target.value === "" ? null : Number(event.target.value);
      state.ranges[column.key] = own;
      refresh(false);
    };
    return make("input", { type: "number", step: "any", id: `${column.key}-${word}`, value: range[end], placeholder: word, "aria-label": `${column.title}: ${word}`, oninput: change });
  };
  const titles = { iou: "IoU, %", occluded: "occluded IoU, %", rate: "occlusion rate, %", pixels: "size, px", gain: "gain over V, points", difference: "difference, points" };
  find("fields").replaceChildren(...COLUMNS.filter((column) => column.unit).map((column) => make("fieldset", {}, make("legend", {}, titles[column.key]), field(column, 0, "least"), field(column, 1, "most"))));
}

function clearFilters() {
  Object.assign(state, { ranges: {}, category: -1, trouble: "", text: "", group: null, brushes: {} });
  drawControls();
  drawFields();
  refresh(false);
}

/** Draw all that depends on which rows are shown; where `again`, sort them first. */
function refresh(again) {
  if (again) sortRows();
  filterRows();
  afterFilter();
  const at = state.view.indexOf(state.row);
  if (at < 0 || again) list.scroll.scrollTop = 0; // who sorts wants to see what comes first
  drawRows();
  if (at >= 0 && !again) { reveal(at); drawRows(); }
  drawPlots();
  if (state.row >= 0) drawViewer();
}

function afterFilter() {
  const filters = filterCount(), shown = state.view.length;
  drawHead();
  const direction = find("direction"), word = state.down ? "descending" : "ascending";
  direction.textContent = state.down ? "\u25bc" : "\u25b2";
  direction.title = `${word}; turn around`;
  direction.setAttribute("aria-label", `Order: ${word}`);
  direction.previousElementSibling.querySelector("select").value = state.sort;
  const own = iouOf(state.run);
  let sum = 0, count = 0;
  for (const row of state.view) if (!Number.isNaN(own[row])) { sum += own[row]; count++; }
  const mean = count ? `; mean IoU of ${nameOf(state.run)} ${percent(sum / count)} %` : "";
  find("count").textContent = `${whole(shown)} of ${whole(PAGE.rows)} instances${mean}`;
  find("filtered").textContent = filters ? `(${filters} set)` : "";
  find("clear").disabled = !filters;
}

/** Show a place of the list, or a row that the filters leave out. */
function showAt(at, row = state.view[at]) {
  if (row === undefined) return;
  showRow(row);
  if (at >= 0) reveal(at);
  drawRows();
  drawPlots();
  location.replace(hashOf(row));
  tellLost(row);
  find("said").textContent = `${PAGE.data.ids[row]}, IoU of ${nameOf(state.run)} ${share(iouOf(state.run)[row])}`;
}

function hashOf(row) {
  return `#id=${encodeURIComponent(PAGE.data.ids[row])}`;
}

/** Say where the link's instance is none of this page's; another one is shown then. */
function tellLost(row) {
  const asked = /^#id=(.*)$/.exec(location.hash);
  find("lost").hidden = !asked || row >= 0;
  if (asked && row < 0) find("lost").textContent = `${readable(asked[1])}: is not an instance of this page, so another one is shown; the link may be of another page, or of other runs`;
}

function readable(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function rowOfHash() {
  const found = /^#id=(.*)$/.exec(location.hash);
  return found ? PAGE.data.ids.indexOf(readable(found[1])) : -1;
}

window.amodalPage = { open, masks: takePiece };
window.addEventListener("load", () => {
  if (PAGE.data) return;
  find("why").textContent = "index.data.js cannot be read: the page was not written to its end; give the command again";
  find("why").hidden = false;
});
