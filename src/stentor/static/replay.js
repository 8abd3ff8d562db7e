/** Hears a recording: runs of about ten seconds by range requests, seeking anywhere. */

import { boxLength, boxType, viewOf, wide } from "./boxes.js";
import { AAC, OPUS, Source, plays } from "./deck.js";
import { Reel, ask } from "./reel.js";
import { Teller, on } from "./signals.js";

const INDEX_BYTES = 65_536;

/** Dispatches `state`, `time` and `gone` (detail: the code). States: as `LivePlayer`, no waiting. */
export class ReplayPlayer extends Teller {
  state = "idle";
  durationS = 0;
  rendition = plays(OPUS) ? "opus" : "aac";
  #audio; #deck; #address; #reel;
  #runs = [];
  #wantedS = 0;
  #rate = 1;
  #placed = false;

  /** @param {import("./deck.js").Deck} deck @param {string} space @param {number} durationS */
  constructor(deck, space, durationS) {
    super();
    const { audio } = deck;
    this.#audio = audio;
    this.#deck = deck;
    this.#address = `/s/${space}/replay/${this.rendition}.mp4`;
    this.durationS = durationS;
    this.#reel = new Reel(deck, {
      at: (k) => this.#runs[k],
      indexAt: (seconds) => this.#runs.findIndex(({ endS }) => seconds < endS),
      read: (k, signal) => this.#read(this.#runs[k].fromByte, this.#runs[k].bytes, signal),
    });
    const tell = (state) => () => this.#opened && this.#set(state);
    on(audio, "playing", tell("playing"));
    on(audio, "pause", tell("paused"));
    on(audio, "waiting", () => this.state === "playing" && this.#set("stalled"));
    on(audio, "ended", tell("ended"));
    on(deck, "fed", () => this.#fill());
    on(audio, "timeupdate seeking waiting", () => {
      if (!this.#placed) return;
      if (Source) this.#fill();
      this.tell("time");
    });
  }

  get #opened() { return this.state !== "idle"; }
  get atS() { return this.#placed ? this.#audio.currentTime : this.#wantedS; }
  get rate() { return this.#rate; }
  set rate(rate) {
    this.#rate = this.#audio.defaultPlaybackRate = this.#audio.playbackRate = rate;
  }

  /** Call it within a press. */
  start() {
    if (!this.#opened) this.#open();
    if (this.state === "ended") this.seek(0);
    this.#audio.play().catch(() => {});
  }

  pause() { this.#audio.pause(); }

  seek(/** @type {number} */ seconds) {
    this.#wantedS = Math.min(this.durationS, Math.max(0, seconds));
    this.#reel.sought();
    if (this.#placed) this.#audio.currentTime = this.#wantedS;
    if (this.state === "ended") this.#set("paused");
    this.tell("time");
  }

  #open() {
    this.#set("connecting");
    const audio = this.#audio;
    if (Source) {
      this.#deck.load(this.rendition === "opus" ? OPUS : AAC);
      this.#index();
    } else {
      audio.src = this.#address;
      audio.currentTime = this.#wantedS;
      this.#placed = true;
    }
    this.rate = this.#rate;
  }

  /** The init and the index come first. */
  async #index() {
    let bytes = await this.#read(0, INDEX_BYTES);
    let index = readIndex(bytes);
    while (index.needBytes > bytes.length) {
      bytes = await this.#read(0, index.needBytes);
      index = readIndex(bytes);
    }
    this.#runs = index.runs;
    this.durationS = this.#deck.durationS = index.durationS;
    on(this.#audio, "loadedmetadata", () => {
      if (this.#placed) return;
      this.#audio.currentTime = Math.min(this.#wantedS, index.durationS);
      this.#placed = true;
      this.#fill();
    });
    this.#deck.append(bytes.subarray(0, index.initBytes));
  }

  /** Bytes of the recording. */
  async #read(from, bytes, signal = undefined) {
    const headers = { Range: `bytes=${from}-${from + bytes - 1}` };
    const answer = await ask(this.#address, { headers, signal });
    if (!answer.ok) return this.#gone(await answer.json());
    const data = new Uint8Array(await answer.arrayBuffer());
    return answer.status === 206 ? data : data.subarray(from, from + bytes);
  }

  #gone(problem) {
    this.pause();
    this.#set("failed");
    this.tell("gone", problem.code);
    return new Promise(() => {}); // nothing more will be read
  }

  #fill() {
    if (!this.#placed) return;
    const { onS, whole } = this.#reel.fill(this.#audio.currentTime);
    if (onS >= 0) this.#audio.currentTime = onS; // which asks again
    else if (whole) this.#deck.finish();
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.tell("state");
  }
}

/**
 * @param {Uint8Array} bytes the beginning of a replay
 * @returns {{initBytes: number, durationS: number, needBytes: number,
 *   runs: {fromByte: number, bytes: number, fromS: number, endS: number}[]}}
 *   `needBytes` > 0: the index ends there, read that far and ask again.
 */
export function readIndex(bytes) {
  const view = viewOf(bytes);
  let at = 0;
  while (at + 8 <= bytes.length && boxType(bytes, at) !== "sidx") {
    if (boxLength(bytes, at) < 8) throw new RangeError("not a replay");
    at += boxLength(bytes, at);
  }
  const nothing = { initBytes: at, durationS: 0, runs: [] };
  if (at + 8 > bytes.length) return { ...nothing, needBytes: at + 8 };
  const end = at + boxLength(bytes, at);
  if (end > bytes.length) return { ...nothing, needBytes: end };
  const long = view.getUint8(at + 8) === 1;
  const scale = view.getUint32(at + 16);
  let fromS = (long ? wide(view, at + 20) : view.getUint32(at + 20)) / scale;
  let fromByte = end + (long ? wide(view, at + 28) : view.getUint32(at + 24));
  const table = at + (long ? 36 : 28);
  const runs = [];
  for (let k = 0; k < view.getUint16(table + 2); k++) {
    const runBytes = view.getUint32(table + 4 + 12 * k) & 0x7fffffff;
    const endS = fromS + view.getUint32(table + 8 + 12 * k) / scale;
    runs.push({ fromByte, bytes: runBytes, fromS, endS });
    fromByte += runBytes;
    fromS = endS;
  }
  return { initBytes: at, durationS: fromS, runs, needBytes: 0 };
}
