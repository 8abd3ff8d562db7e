/** Sound in hand: a Media Source under the page's <audio>, fed one append after the other. */

import { Teller, on } from "./signals.js";

export const OPUS = 'audio/mp4; codecs="opus"';
export const AAC = 'audio/mp4; codecs="mp4a.40.2"';
const KEEP_S = 60;
const QUEUE_MAX = 700;

/** The Media Source of this browser: the plain one, else the managed one (iPhone), else none. */
export const Source = globalThis.MediaSource ?? globalThis.ManagedMediaSource;
export const plays = (/** @type {string} */ type) => Boolean(Source?.isTypeSupported(type));

/**
 * Dispatches `fed` (nothing waits to be appended), `broken` (the browser gave the sound up) and
 * `shrunk` (a managed source took some away).
 */
export class Deck extends Teller {
  fault = "";
  /** The rendition whose init was appended last. */
  rendition = "";
  #source = null;
  #buffer = null;
  #durationS = 0;
  #queue = [];

  /** @param {HTMLAudioElement} audio */
  constructor(audio) {
    super();
    this.audio = audio;
    audio.preservesPitch = true;
    on(audio, "error", () => this.#broken());
  }

  get loaded() { return Boolean(this.#source); }
  /** Something waits to be appended, or is. */
  get busy() { return !this.#buffer || this.#buffer.updating || this.#queue.length > 0; }

  /** Puts an empty source under the <audio>. */
  load(/** @type {string} */ type) {
    const source = new Source();
    this.#source = source;
    this.#buffer = null;
    this.#durationS = 0;
    this.#queue = [];
    this.rendition = "";
    on(source, "sourceopen", () => {
      URL.revokeObjectURL(this.audio.src);
      if (this.#buffer || this.#source !== source) return;
      this.#buffer = source.addSourceBuffer(type);
      if (this.#durationS) source.duration = this.#durationS;
      on(this.#buffer, "updateend", () => this.#turn());
      on(this.#buffer, "bufferedchange", ({ removedRanges: gone }) =>
        gone?.length && this.tell("shrunk"));
      this.#turn();
    });
    this.audio.disableRemotePlayback = !globalThis.MediaSource; // a managed source demands it
    this.audio.src = URL.createObjectURL(source);
  }

  /** Lets go of the <audio>. */
  eject() {
    if (!this.#source) return;
    this.#source = this.#buffer = null;
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }

  append(/** @type {Uint8Array} */ bytes) {
    this.#queue.push(bytes);
    if (this.#queue.length > QUEUE_MAX) this.#queue.splice(0, this.#queue.length - QUEUE_MAX);
    this.#turn();
  }

  /** Forgets all sound. */
  empty() {
    this.#queue = this.audio.buffered.length ? [[0, Infinity]] : [];
    this.#turn();
  }

  /** Nothing follows what was appended. */
  finish() {
    if (this.#source?.readyState === "open" && !this.busy) this.#source.endOfStream();
  }

  /** How long it is, as far as is known; to be said before the first append. */
  set durationS(/** @type {number} */ seconds) {
    this.#durationS = seconds;
    if (this.#buffer) this.#source.duration = seconds;
  }

  /** Start and end of the sound that holds a moment, or begins at most `slackS` after it. */
  rangeAt(/** @type {number} */ seconds, slackS = 0.05) {
    const { buffered } = this.audio;
    for (let k = 0; k < buffered.length; k++) {
      const range = [buffered.start(k), buffered.end(k)];
      if (range[0] <= seconds + slackS && range[1] > seconds) return range;
    }
    return null;
  }

  /** Where the sound that holds a moment ends: that moment itself when there is none. */
  heldUntil(/** @type {number} */ seconds) { return this.rangeAt(seconds)?.[1] ?? seconds; }

  /** Seconds until the playhead would run dry. */
  get inHandS() { return this.heldUntil(this.audio.currentTime) - this.audio.currentTime; }

  #broken() {
    if (!this.#source) return;
    this.fault = this.audio.error?.message ?? "append";
    this.#source = this.#buffer = null;
    this.tell("broken");
  }

  #turn() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#source.readyState === "closed") return;
    const { buffered, currentTime } = this.audio;
    if (buffered.length && buffered.start(0) < currentTime - KEEP_S - 10) {
      return buffer.remove(0, currentTime - KEEP_S);
    }
    const next = this.#queue.shift();
    if (!next) return this.tell("fed");
    try {
      if (Array.isArray(next)) buffer.remove(...next);
      else buffer.appendBuffer(next);
    } catch (error) {
      if (error.name !== "QuotaExceededError") return this.#broken();
      const keep = [[currentTime + KEEP_S, Infinity], next];
      this.#queue.unshift(...(currentTime > 1 ? [[0, currentTime - 1], ...keep] : keep));
      this.#turn();
    }
  }
}
