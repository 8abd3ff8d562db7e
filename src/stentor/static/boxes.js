/** Takes a stream of MP4 boxes apart (ISO/IEC 14496-12), however the network has cut it. */

/** No box of a live response is longer: a record's payload is at most 256 KiB. */
const BOX_BYTES_MAX = 512 * 1024;

/** @typedef {{type: string, bytes: Uint8Array}} Box */

/** Gathers bytes and gives whole top-level boxes. */
export class BoxReader {
  #held = new Uint8Array(0);

  /**
   * @param {Uint8Array} chunk the next bytes of the response
   * @returns {Box[]} the boxes that are whole now
   */
  push(chunk) {
    const data = this.#held.length ? joinBytes(this.#held, chunk) : chunk;
    const boxes = [];
    let at = 0;
    while (data.length - at >= 8) {
      const bytes = boxLength(data, at);
      if (bytes < 8 || bytes > BOX_BYTES_MAX) throw new RangeError("not a box of this protocol");
      if (data.length - at < bytes) break;
      boxes.push({ type: boxType(data, at), bytes: data.slice(at, at + bytes) });
      at += bytes;
    }
    this.#held = data.slice(at);
    return boxes;
  }
}

export const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
export const boxLength = (bytes, at) => viewOf(bytes).getUint32(at);
export const boxType = (bytes, at) => String.fromCharCode(...bytes.subarray(at + 4, at + 8));
export const wide = (view, at) => view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);

/** Joins what belongs together, such as `moof` and `mdat`. */
export function joinBytes(/** @type {Uint8Array[]} */ ...pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * @param {Uint8Array} bytes a version 1 `emsg` (ISO/IEC 23009-1)
 * @returns {{scheme: string, message: any}}
 */
export function readEmsg(bytes) {
  if (bytes[8] !== 1) throw new RangeError("emsg of another version");
  const schemeEnd = bytes.indexOf(0, 32);
  const valueEnd = bytes.indexOf(0, schemeEnd + 1);
  const decoder = new TextDecoder();
  return {
    scheme: decoder.decode(bytes.subarray(32, schemeEnd)),
    message: JSON.parse(decoder.decode(bytes.subarray(valueEnd + 1))),
  };
}

/** The cursor `E.O` in a `skip` box, or null when it is another `skip`. */
export function readCursor(/** @type {Uint8Array} */ bytes) {
  if (bytes.length !== 24 || boxType(bytes, 4) !== "stcu") return null;
  const view = viewOf(bytes);
  return `${view.getUint32(12)}.${wide(view, 16)}`;
}

/** The first box of a type within a box that has no fields of its own, or null. */
export function findBox(/** @type {Uint8Array} */ outer, /** @type {string} */ type) {
  for (let at = 8; at + 8 <= outer.length; ) {
    const bytes = boxLength(outer, at);
    if (bytes < 8) return null;
    if (boxType(outer, at) === type) return outer.subarray(at, at + bytes);
    at += bytes;
  }
  return null;
}

/** The decode time of a `moof` in samples (`traf.tfdt`), or -1. */
export function readDecodeTime(/** @type {Uint8Array} */ moof) {
  const traf = findBox(moof, "traf");
  const tfdt = traf && findBox(traf, "tfdt");
  if (!tfdt) return -1;
  return tfdt[8] === 1 ? wide(viewOf(tfdt), 12) : viewOf(tfdt).getUint32(12);
}
