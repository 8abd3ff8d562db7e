/** Hears a recording: runs of about ten seconds by range requests, seeking anywhere. */

import { boxLength, boxType, viewOf, wide } from "./boxes.js";
import { AAC, OPUS, Source, attachSource, plays } from "./player.js";

const INDEX_BYTES = 65_536;
const AHEAD_S = 30;
const BEHIND_S = 60;

/** Dispatches `state`, `time` and `gone` (detail: the code). States: as `LivePlayer`, no waiting. */
export class ReplayPlayer extends EventTarget {
  state = "idle";
  durationS = 0;
  rendition = plays(OPUS) ? "opus" : "aac";
  #audio; #address; #source; #buffer;
  #runs = [];
  /** Runs that were appended and not removed since: what is still missing there is a hole. */
  #appended = new Set();
  #fetching = null;
  #wantedS = 0;
  #rate = 1;
  #failures = 0;
  #placed = false;

  /** @param {HTMLAudioElement} audio @param {string} space @param {number} durationS */
  constructor(audio, space, durationS) {
    super();
    this.#audio = audio;
    this.#address = `/s/${space}/replay/${this.rendition}.mp4`;
    this.durationS = durationS;
    const tell = (state) => () => this.#opened && this.#set(state);
    audio.addEventListener("playing", tell("playing"));
    audio.addEventListener("pause", tell("paused"));
    audio.addEventListener("waiting", () => this.state === "playing" && this.#set("stalled"));
    audio.addEventListener("ended", tell("ended"));
    for (const name of ["timeupdate", "seeking", "waiting"]) {
      audio.addEventListener(name, () => {
        if (!this.#placed) return;
        if (this.#buffer) this.#fill();
        this.dispatchEvent(new Event("time"));
      });
    }
  }

  get #opened() { return Boolean(this.#source || (this.state !== "idle" && !Source)); }
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
    this.#appended.delete(this.#runs[this.#runAt(this.#wantedS)]); // the browser may have dropped it
    if (this.#placed) this.#audio.currentTime = this.#wantedS;
    if (this.state === "ended") this.#set("paused");
    this.dispatchEvent(new Event("time"));
  }

  #open() {
    this.#set("connecting");
    const audio = this.#audio;
    if (!Source) {
      audio.src = this.#address;
      audio.currentTime = this.#wantedS;
      this.#placed = true;
      return;
    }
    this.#source = new Source();
    this.#source.addEventListener("sourceopen", () => this.#index(), { once: true });
    attachSource(audio, this.#source);
    audio.playbackRate = audio.defaultPlaybackRate = this.#rate;
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
    this.durationS = index.durationS;
    this.#source.duration = index.durationS;
    this.#buffer = this.#source.addSourceBuffer(this.rendition === "opus" ? OPUS : AAC);
    this.#buffer.addEventListener("updateend", () => this.#fill());
    this.#buffer.appendBuffer(bytes.subarray(0, index.initBytes));
    this.#audio.addEventListener("loadedmetadata", () => {
      this.#audio.currentTime = Math.min(this.#wantedS, index.durationS);
      this.#placed = true;
      this.#fill();
    }, { once: true });
  }

  /** Bytes of the recording; patient with a server that is away for a moment. */
  async #read(from, bytes, signal = undefined) {
    for (;;) {
      try {
        const answer = await fetch(this.#address,
          { headers: { Range: `bytes=${from}-${from + bytes - 1}` }, signal });
        if (answer.status === 410 || answer.status === 404) return this.#gone(await answer.json());
        if (answer.status === 206 || answer.ok) {
          const data = new Uint8Array(await answer.arrayBuffer());
          this.#failures = 0;
          return answer.status === 206 ? data : data.subarray(from, from + bytes);
        }
      } catch (error) {
        if (signal?.aborted) throw error;
      }
      const waitMs = Math.min(5_000, 250 * 2 ** this.#failures++) * (0.5 + Math.random());
      await new Promise((done) => setTimeout(done, waitMs));
    }
  }

  #gone(problem) {
    this.pause();
    this.#set("failed");
    this.dispatchEvent(new CustomEvent("gone", { detail: problem.code }));
    return new Promise(() => {}); // nothing more will be read
  }

  /** Browsers stop short of the edge of what they have. */
  get #marginS() { return this.#audio.readyState < 3 ? 0.5 : 0.05; }

  #holds(seconds) {
    const { buffered } = this.#audio;
    for (let k = 0; k < buffered.length; k++) {
      if (buffered.start(k) <= seconds + 0.05 && buffered.end(k) > seconds + this.#marginS) return true;
    }
    return false;
  }

  #runAt(seconds) {
    return this.#runs.findIndex(({ fromS, durationS }) => seconds < fromS + durationS);
  }

  /** Where the sound goes on after a hole that the recording itself has, or -1. */
  #afterHole(nowS) {
    const here = this.#runAt(nowS + this.#marginS);
    const run = this.#runs[here];
    if (!this.#appended.has(run) || this.#holds(nowS)) return -1;
    const { buffered } = this.#audio;
    const endS = run.fromS + run.durationS;
    for (let k = 0; k < buffered.length; k++) {
      if (buffered.start(k) > nowS && buffered.start(k) < endS) return buffered.start(k);
    }
    return this.#runs[here + 1]?.fromS ?? -1;
  }

  /** One step: forget what is far behind, or fetch the next run that is missing ahead. */
  #fill() {
    const buffer = this.#buffer;
    const nowS = this.#audio.currentTime;
    if (!this.#placed || buffer.updating || this.#source.readyState === "closed") return;
    const onS = this.#afterHole(nowS);
    if (onS > nowS) {
      this.#audio.currentTime = onS; // which asks again
      return;
    }
    if (this.#fetching) {
      const { fromS, durationS } = this.#fetching.run;
      if (nowS >= fromS - AHEAD_S && nowS < fromS + durationS) return;
      this.#fetching.abort();
    }
    const { buffered } = this.#audio;
    if (buffered.length && buffered.start(0) < nowS - BEHIND_S - 20) {
      for (const run of this.#appended) if (run.fromS < nowS - BEHIND_S) this.#appended.delete(run);
      return buffer.remove(0, nowS - BEHIND_S);
    }
    const run = this.#runs.find((each) => each.fromS + each.durationS > nowS + 0.05
      && !this.#appended.has(each) && !this.#holds(Math.max(each.fromS, nowS)));
    if (!run) {
      if (this.#source.readyState === "open") this.#source.endOfStream();
    } else if (run.fromS < nowS + AHEAD_S) this.#fetch(run);
  }

  async #fetch(run) {
    const fetching = Object.assign(new AbortController(), { run });
    this.#fetching = fetching;
    try {
      const bytes = await this.#read(run.fromByte, run.bytes, fetching.signal);
      if (this.#fetching !== fetching) return;
      this.#fetching = null;
      this.#buffer.appendBuffer(bytes);
      this.#appended.add(run);
    } catch (error) {
      if (this.#fetching === fetching) this.#fetching = null;
      if (error.name === "QuotaExceededError") {
        this.#appended.clear();
        this.#buffer.remove(0, this.#audio.currentTime - 5);
      } else if (error.name !== "AbortError") throw error;
    }
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

/**
 * @param {Uint8Array} bytes the beginning of a replay
 * @returns {{initBytes: number, durationS: number, needBytes: number,
 *   runs: {fromByte: number, bytes: number, fromS: number, durationS: number}[]}}
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
    const durationS = view.getUint32(table + 8 + 12 * k) / scale;
    runs.push({ fromByte, bytes: runBytes, fromS, durationS });
    fromByte += runBytes;
    fromS += durationS;
  }
  return { initBytes: at, durationS: fromS, runs, needBytes: 0 };
}
