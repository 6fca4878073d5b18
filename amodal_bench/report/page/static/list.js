// The list: only the rows that can be seen are elements, however many there are.

const ROW = 44, AROUND = 6;
const list = {};

function makeList() {
  list.head = make("div", { class: "row head", role: "row" });
  list.body = make("div", { class: "rows", role: "rowgroup" });
  list.scroll = make("div", { class: "scroll", tabindex: "0", role: "presentation", onscroll: () => drawRows() }, list.body);
  const grid = make("div", { class: "grid", role: "grid", "aria-label": "Instances" }, make("div", { role: "rowgroup" }, list.head), list.scroll);
  list.grid = grid;
  find("list").append(grid);
  list.scroll.addEventListener("click", (event) => {
    const row = event.target.closest("[data-at]");
    if (!row) return;
    showAt(Number(row.dataset.at));
    if (matchMedia("(max-width: 900px)").matches) find("viewer").scrollIntoView(); // the picture is above the list there
  });
  new ResizeObserver(() => drawRows()).observe(list.scroll);
}

function drawHead() {
  const cells = COLUMNS.map((column) => {
    const sorted = state.sort === column.key;
    const title = column.key === "difference" ? `${nameOf(state.run)} \u2212 ${nameOf(state.other)}` : column.title;
    const button = make("button", { type: "button", title: `Sort by ${title}`, onclick: () => sortBy(column.key) }, title, sorted ? (state.down ? " \u25bc" : " \u25b2") : "");
    button.dataset.sort = column.key;
    const aria = sorted ? (state.down ? "descending" : "ascending") : "none";
    return make("div", { role: "columnheader", class: cellClass(column), "aria-sort": aria }, button);
  });
  list.head.replaceChildren(make("div", { role: "columnheader", class: "thumb", "aria-label": "picture" }), ...cells);
}

function cellClass(column) {
  return `cell ${column.key}${column.text ? "" : " number"}${column.wide ? " wide" : ""}`;
}

/** Draw the rows that can be seen and some around them. */
function drawRows() {
  const count = state.view.length, height = list.scroll.clientHeight || 400;
  const first = Math.max(0, Math.floor(list.scroll.scrollTop / ROW) - AROUND);
  const last = Math.min(count, Math.ceil((list.scroll.scrollTop + height) / ROW) + AROUND);
  list.body.style.height = `${count * ROW}px`;
  list.grid.setAttribute("aria-rowcount", count + 1);
  const values = COLUMNS.map(({ key }) => valuesOf(key));
  const drawn = [];
  for (let at = first; at < last; at++) drawn.push(rowElement(at, state.view[at], values));
  list.body.replaceChildren(...drawn);
  if (!count) list.body.append(make("p", { class: "quiet empty" }, "No instance passes the filters."));
}

function rowElement(at, row, values) {
  const { data, columns } = PAGE;
  const cells = COLUMNS.map((column, k) => {
    let text;
    if (column.key === "id") text = data.ids[row];
    else if (column.key === "category") text = data.categories[columns.category[row]];
    else if (column.key === "error") text = data.errors[values[k][row]][0];
    else text = column.show(values[k][row]);
    const sign = column.show === points ? { "+": " up", "\u2212": " down" }[text[0]] || "" : ""; // a rounded 0.0 has none
    return make("div", { role: "gridcell", class: cellClass(column) + sign, title: column.text ? text : null }, text);
  });
  const file = data.pictures[columns.picture[row]];
  const picture = data.annotated && file ? make("img", { src: `pictures/small/${file}`, alt: "", loading: "lazy" }) : "";
  const selected = row === state.row;
  const made = make("div", { role: "row", class: selected ? "row selected" : "row", "aria-rowindex": at + 2, "aria-selected": String(selected) }, make("div", { role: "gridcell", class: "thumb" }, picture), ...cells);
  made.dataset.at = at;
  made.style.top = `${at * ROW}px`;
  return made;
}

/** Scroll as little as needed for a place of the list to be seen. */
function reveal(at) {
  const top = at * ROW, height = list.scroll.clientHeight;
  if (top < list.scroll.scrollTop) list.scroll.scrollTop = top;
  else if (top + ROW > list.scroll.scrollTop + height) list.scroll.scrollTop = top + ROW - height;
}

function sortBy(key) {
  if (state.sort === key) state.down = !state.down;
  else { state.sort = key; state.down = false; }
  refresh(true);
}
