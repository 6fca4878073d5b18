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

/** The mask's outline as straight lines between pixels: [x1, y1, x2, y2, ...]; only its box is looked at. */
function outlineOf(mask, height, width) {
  const box = boxOf(mask, height, width), lines = [];
  if (!box) return lines;
  const [left, top, right, bottom] = box;
  for (let y = top; y <= bottom; y++) {
    let start = -1;
    for (let x = left; x <= right; x++) {
      const above = y > top && x < right ? mask[(y - 1) * width + x] : 0;
      const below = y < bottom && x < right ? mask[y * width + x] : 0;
      if (above !== below && start < 0) start = x;
      if (above === below && start >= 0) { lines.push(start, y, x, y); start = -1; }
    }
  }
  for (let x = left; x <= right; x++) {
    let start = -1;
    for (let y = top; y <= bottom; y++) {
      const before = x > left && y < bottom ? mask[y * width + x - 1] : 0;
      const after = x < right && y < bottom ? mask[y * width + x] : 0;
      if (before !== after && start < 0) start = y;
      if (before === after && start >= 0) { lines.push(x, start, x, y); start = -1; }
    }
  }
  return lines;
}
