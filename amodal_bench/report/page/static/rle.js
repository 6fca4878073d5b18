// COCO's compressed RLE: runs down the columns, five bits a character, from the fourth run on as differences.

/** The mask as one byte a pixel, rows first; null where the text does not fill a picture of this size. */
function decodeMask(text, height, width) {
  const mask = new Uint8Array(height * width);
  const runs = [];
  let at = 0, pixel = 0;
  const end = height * width;
  while (at < text.length) {
    let run = 0, shift = 0, code;
    do {
      code = text.charCodeAt(at++) - 48;
      run |= (code & 31) << shift;
      shift += 5;
    } while (code & 32 && at < text.length && shift < 35);
    if (code & 16 && shift < 32) run |= -1 << shift;
    if (runs.length > 2) run += runs[runs.length - 2];
    if (!(run >= 0) || pixel + run > end) return null;
    if (runs.length & 1) fillColumns(mask, pixel, pixel + run, height, width);
    runs.push(run);
    pixel += run;
  }
  return pixel === end && at === text.length ? mask : null;
}

function fillColumns(mask, from, to, height, width) {
  for (let pixel = from; pixel < to; pixel++) {
    mask[(pixel % height) * width + ((pixel / height) | 0)] = 1;
  }
}

/** The box of a mask as [left, top, right, bottom], ends exclusive; null where it is empty. */
function boxOf(mask, height, width) {
  let left = width, right = -1, top = -1, bottom = -1;
  for (let y = 0; y < height; y++) {
    const from = mask.indexOf(1, y * width);
    if (from < 0) break;
    y = (from / width) | 0;
    if (top < 0) top = y;
    bottom = y;
    const row = mask.subarray(y * width, (y + 1) * width);
    left = Math.min(left, row.indexOf(1));
    right = Math.max(right, row.lastIndexOf(1));
  }
  return top < 0 ? null : [left, top, right + 1, bottom + 1];
}

/** The mask's outline as straight lines between pixels: [x1, y1, x2, y2, ...]. */
function outlineOf(mask, height, width) {
  const lines = [];
  const at = (y, x) => (y >= 0 && x >= 0 && y < height && x < width ? mask[y * width + x] : 0);
  for (let y = 0; y <= height; y++) {
    for (let x = 0, start = -1; x <= width; x++) {
      const edge = x < width && at(y - 1, x) !== at(y, x);
      if (edge && start < 0) start = x;
      if (!edge && start >= 0) { lines.push(start, y, x, y); start = -1; }
    }
  }
  for (let x = 0; x <= width; x++) {
    for (let y = 0, start = -1; y <= height; y++) {
      const edge = y < height && at(y, x - 1) !== at(y, x);
      if (edge && start < 0) start = y;
      if (!edge && start >= 0) { lines.push(x, start, x, y); start = -1; }
    }
  }
  return lines;
}
