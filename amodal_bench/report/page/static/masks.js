// Files of masks: each is a script that is added to the page when one of its instances is shown.

const MOST_PIECES = 24;
const pieces = new Map(); // "kind_number" to a promise of its masks; the ones used last stand last

/** The masks of one piece of a kind; rejects with a text where its file is missing. */
function pieceOf(kind, number) {
  const name = `${kind}_${number}`;
  if (pieces.has(name)) {
    const known = pieces.get(name);
    pieces.delete(name);
    pieces.set(name, known);
    return known.promise;
  }
  const piece = {};
  piece.promise = new Promise((resolve, reject) => { piece.resolve = resolve; piece.reject = reject; });
  pieces.set(name, piece);
  if (pieces.size > MOST_PIECES) pieces.delete(pieces.keys().next().value);
  const script = make("script", { src: `masks/${name}.js` });
  script.onload = () => script.remove();
  script.onerror = () => {
    script.remove();
    pieces.delete(name);
    piece.reject(new Error(`masks/${name}.js cannot be read; write the page again`));
  };
  document.head.append(script);
  return piece.promise;
}

/** What a file of masks calls. */
function takePiece(kind, number, key, masks) {
  const piece = pieces.get(`${kind}_${number}`);
  if (piece) piece.resolve(masks);
}

/** V, A and the predictions of one row as bytes, each null where there is none, and why V and A are not there. */
async function masksOf(row) {
  const { data, columns } = PAGE;
  const number = Math.floor(row / data.chunk), place = row % data.chunk;
  const height = columns.height[row], width = columns.width[row];
  const mask = (text) => (text === null || text === undefined || !height ? null : decodeMask(text, height, width));
  const wanted = [pieceOf("predicted", number), data.annotated ? pieceOf("annotated", number) : null];
  const [predicted, annotated] = await Promise.all(wanted);
  const own = annotated ? annotated[place] : [null, null, ""];
  const runs = predicted[place].map(mask);
  const broken = runs.map((decoded, k) => decoded === null && predicted[place][k] !== null && height > 0);
  return { visible: mask(own[0]), amodal: mask(own[1]), why: own[2] || "", runs, broken };
}
