/** One live response: what comes in it is told in order; one that falls silent is given up. */

import { BoxReader, joinBytes, readCursor, readDecodeTime, readEmsg } from "./boxes.js";
import { PART_S } from "./pace.js";
import { nowS } from "./signals.js";

const SILENT_LIVE_S = 2;
const SILENT_WAITING_S = 12;
/** What an answer brings at once is no measure of the path. */
const BURST_S = 0.1;

/** Why a response was refused; `turned`: the door wants to be asked first, or again. */
const REFUSED = { 403: "turned", 404: "gone", 409: "over", 410: "over", 423: "elsewhere" };

/** One response for one rendition, from `query` on. */
export class Line {
  /** Parts that have come. */
  parts = 0;
  /** How often the edge sends, or will before long. */
  cadenceS = PART_S;
  head = null;
  bornS = nowS();
  openS = 0;
  ended = false;
  /** Why the edge has ended it: `elsewhere` or `expired`. */
  left = "";
  /** Events, [cursor, event], and parts that wait until this is the response that is heard. */
  told = [];
  held = [];
  wait = (part) => this.held.push(part);
  #events = [];
  #address;
  #fetching = new AbortController();
  #heardS = nowS();

  constructor(/** @type {string} */ space, /** @type {string} */ rendition, query = "") {
    this.rendition = rendition;
    this.#address = `/s/${space}/live/${rendition}${query}`;
  }

  /**
   * Reads until the response ends. Throws what `fetch` does; `error.reason` says why in vain.
   * @param {Record<string, (detail: any) => void>} tell by kind: `opened`; `card`; `head`: init;
   *   `part`: {bytes, sample, regular}; `cursor`: all `told` counts; `note`: {line, scheme, message}
   */
  async read(tell) {
    const { signal } = this.#fetching;
    const answer = await fetch(this.#address, { signal, cache: "no-store" });
    if (!answer.ok || !answer.body) {
      throw Object.assign(new Error(`answered ${answer.status}`), { reason: REFUSED[answer.status] });
    }
    this.openS = this.#heardS = nowS();
    tell.opened();
    const reader = answer.body.getReader();
    const boxes = new BoxReader();
    let before = null;
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      this.#heardS = nowS();
      for (const { type, bytes } of boxes.push(value)) {
        if (type === "emsg") this.#message(readEmsg(bytes), tell);
        else if (type === "skip") this.#reached(readCursor(bytes), tell);
        else if (type === "moov" && before) tell.head((this.head = joinBytes(before, bytes)));
        else if (type === "mdat" && before) {
          this.parts++;
          tell.part({ bytes: joinBytes(before, bytes), sample: readDecodeTime(before),
            regular: this.#heardS - this.openS > BURST_S });
        }
        before = type === "ftyp" || type === "moof" ? bytes : null;
      }
    }
  }

  /** Silent for longer than the edge lets a response be. */
  get quietS() { return nowS() - this.#heardS - this.cadenceS; }

  /** A connection that has died says nothing: silence is how it is known. */
  watch() {
    if (this.quietS > (this.parts ? SILENT_LIVE_S : SILENT_WAITING_S)) this.close();
  }

  close() { this.#fetching.abort(); }

  #message({ scheme, message }, tell) {
    if (scheme === "urn:stentor:card:1") tell.card(message);
    else if (scheme === "urn:stentor:event:1") this.#events.push(message);
    else if (scheme === "urn:stentor:cadence:1") this.cadenceS = message.cadence_ms / 1_000;
    else tell.note({ line: this, scheme, message });
  }

  #reached(cursor, tell) {
    if (!cursor) return;
    this.told.push(...this.#events.splice(0).map((event) => [cursor, event]));
    tell.cursor(cursor);
  }
}
