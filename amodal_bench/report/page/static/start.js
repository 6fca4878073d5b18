// What all parts share: elements, texts, numbers out of base64, and the page's data once it is loaded.

const PAGE = { data: null, columns: {}, rows: 0 };

const KINDS = { f32: Float32Array, u16: Uint16Array, u32: Uint32Array };

/** Make an element: attributes, handlers under "on...", then children; texts are never taken for HTML. */
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

function find(id) {
  return document.getElementById(id);
}

/** Numbers that Python packed as [kind, base64], little-endian as every browser's machine is. */
function unpacked([kind, text]) {
  const bytes = atob(text);
  const buffer = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) buffer[i] = bytes.charCodeAt(i);
  return new KINDS[kind](buffer.buffer);
}

/** A share as a percentage with one digit, "-" where there is none. */
function percent(value) {
  return Number.isNaN(value) ? "-" : (100 * value).toFixed(1);
}

/** A share as a percentage with its unit, "-" where there is none. */
function share(value) {
  return Number.isNaN(value) ? "-" : `${percent(value)} %`;
}

/** A difference of shares in points, with its sign. */
function points(value) {
  if (Number.isNaN(value)) return "-";
  const text = (100 * value).toFixed(1);
  if (text === "0.0" || text === "-0.0") return "0.0";
  return value > 0 ? "+" + text : text.replace("-", "\u2212");
}

const GROUPED = new Intl.NumberFormat("en");

/** A whole number, "-" where there is none. */
function whole(value) {
  return Number.isNaN(value) ? "-" : GROUPED.format(value);
}
