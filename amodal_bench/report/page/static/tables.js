// The two other parts of the page: the tables that Python has written, and the errors.

const MOST_ERRORS = 500;

function tableOf(head, right, rows) {
  const side = (k) => (right[k] ? "number" : "");
  const heads = head.map((text, k) => make("th", { scope: "col", class: side(k) }, text));
  const body = rows.map((row) => make("tr", {}, ...row.map((cell, k) => make("td", { class: side(k) }, cell))));
  return make("div", { class: "wide-table", tabindex: "0" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body)));
}

function makeTables() {
  const { data } = PAGE, where = find("numbers");
  const runs = data.runs.map((run) => [run.letter, run.name, run.settings, run.folder]);
  where.append(make("h2", {}, "Runs"), tableOf(["run", "model", "settings", "folder"], [], runs));
  let before = "";
  for (const { title, head, right, rows } of data.tables) {
    if (title !== before) where.append(make("h2", {}, title));
    before = title;
    where.append(tableOf(head, right, rows));
  }
  where.append(make("ul", { class: "quiet" }, ...data.notes.map((note) => make("li", {}, note))));
}

const FAILURES = [
  { title: "worse than V", key: "gain", range: [null, -0.05], holds: (run, i) => 100 * (run.iou[i] - PAGE.columns.visible[i]) <= -0.05 },
  { title: "IoU below 50 %", key: "iou", range: [null, 49.95], holds: (run, i) => 100 * run.iou[i] <= 49.95 },
  { title: "nothing hidden found", key: "occluded", range: [null, 0], holds: (run, i) => run.occluded[i] === 0 },
];

/** How often each run fails in some sense; a click selects these instances, the worst first. */
function makeFailures(where) {
  const { data, columns } = PAGE;
  const rows = data.runs.map((run, k) => {
    const buttons = FAILURES.map((failure) => {
      let count = 0;
      for (let i = 0; i < PAGE.rows; i++) if (failure.holds(columns.runs[k], i)) count++;
      return make("button", { type: "button", class: "small", disabled: !count, onclick: () => showFailure(k, failure) }, `show ${whole(count)}`);
    });
    return [`${run.letter}  ${run.name}`, ...buttons];
  });
  where.append(make("h2", {}, "Failures"), tableOf(["run", ...FAILURES.map(({ title }) => title)], [], rows));
}

function showFailure(run, { key, range }) {
  Object.assign(state, { run, sort: key, down: false, ranges: { [key]: range }, category: -1, trouble: "", text: "", group: null, brushes: {} });
  showSelected();
}

/** Every error of every run with how many instances have it, the frequent ones first; a click selects these. */
function makeErrors() {
  const { data, columns } = PAGE, where = find("errors"), counts = new Map();
  columns.runs.forEach((run, k) => {
    for (const error of run.error) if (error) counts.set(`${k} ${error}`, (counts.get(`${k} ${error}`) || 0) + 1);
  });
  const found = [...counts].map(([key, count]) => [...key.split(" ").map(Number), count]).sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1]);
  const total = found.reduce((sum, each) => sum + each[2], 0);
  find("tab-errors").append(` (${whole(total)})`);
  makeFailures(where);
  where.append(make("h2", {}, "Errors"));
  if (!total) {
    where.append(make("p", { class: "quiet" }, "No prediction failed."));
    return;
  }
  const rows = found.slice(0, MOST_ERRORS).map(([run, error, count]) => {
    const [kind, text] = data.errors[error];
    const show = make("button", { type: "button", class: "small", onclick: () => showGroup(run, error) }, `show ${whole(count)}`);
    return [`${data.runs[run].letter}  ${data.runs[run].name}`, kind, text, show];
  });
  where.append(make("p", { class: "quiet" }, `${whole(total)} predictions are lacking. A failed one counts as empty; an unreadable sample is in no number.`));
  where.append(tableOf(["run", "kind", "error", "instances"], [], rows));
  if (found.length > MOST_ERRORS) where.append(make("p", { class: "quiet" }, `and ${whole(found.length - MOST_ERRORS)} further errors, which are rarer; sort the list by error`));
}

function showGroup(run, error) {
  Object.assign(state, { run, ranges: {}, category: -1, trouble: "", text: "", group: [run, error], brushes: {} });
  showSelected();
}

/** Go to the list, whose filters another part of the page has set. */
function showSelected() {
  openTab("instances");
  drawControls();
  drawFields();
  refresh(true);
  if (state.view.length) showAt(0);
}
