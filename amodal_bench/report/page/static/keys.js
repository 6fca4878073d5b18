// The keyboard, and the window that tells its keys.

const KEYS = [
  ["j, \u2193, \u2192", "next instance"],
  ["k, \u2191, \u2190", "instance before"],
  ["Page Down, Page Up", "ten further, ten back"],
  ["Home, End", "first, last"],
  ["v, a", "V, A on and off"],
  ["1 to 9", "the prediction of a run on and off"],
  ["o", "colours by outcome: kept, gained, missed, wrong"],
  ["f, c", "filled areas, contours"],
  ["g", "the picture in grey below filled areas, so that their colours are true"],
  ["z", "zoom to the object, or the whole picture"],
  ["/", "search among the ids"],
  ["Escape", "leave a field; clear filters and selections"],
  ["?", "this help"],
];

const STEPS = { j: 1, ArrowDown: 1, ArrowRight: 1, k: -1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

function makeHelp() {
  const rows = KEYS.map(([keys, what]) => [make("kbd", {}, keys), what]);
  const close = make("button", { type: "button", autofocus: true, onclick: () => find("help").close() }, "Close");
  find("help").append(make("h2", {}, "Keys"), tableOf(["key", "does"], [], rows), make("h2", {}, "Colours"), legend(),
    make("p", { class: "quiet" }, "The colours are told apart by people who are colour-blind. Drag in a plot to select instances; a click shows the nearest one."), close);
  find("help-button").addEventListener("click", () => find("help").showModal());
}

function takeKey(event) {
  const target = event.target, help = find("help");
  if (event.ctrlKey || event.metaKey || event.altKey || help.open || !PAGE.data) return;
  if (target.closest("input, select, textarea")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (event.key === "?") { help.showModal(); event.preventDefault(); return; }
  if (find("instances").hidden || (target.getAttribute("role") === "tab" && event.key.startsWith("Arrow"))) return;
  if (event.key in STEPS) step(STEPS[event.key]);
  else if (event.key === "Escape") clearFilters();
  else if (event.key === "/") find("search").focus();
  else if (/^[1-9]$/.test(event.key) && Number(event.key) <= PAGE.data.runs.length) toggle(Number(event.key) - 1);
  else {
    const layer = LAYERS.find(({ letter }) => letter === event.key);
    if (!layer) return;
    toggle(layer.key);
  }
  event.preventDefault();
}

/** Go so many instances on in the list. */
function step(by) {
  if (!state.view.length) return;
  const at = state.view.indexOf(state.row);
  const next = Math.min(state.view.length - 1, Math.max(0, at < 0 ? (by === Infinity ? Infinity : 0) : at + by));
  showAt(next);
}
