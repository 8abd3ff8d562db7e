/** Hears a live Space: the endless response into one <audio>, close to live, without stalls. */

import { BoxReader, joinBytes, readCursor, readDecodeTime, readEmsg } from "./boxes.js";
import { PART_S, Pace } from "./pace.js";

const RATE = 48_000;
const START_PARTS = 2;
const BEHIND_MAX_S = 5;
const KEEP_S = 60;
const SILENT_LIVE_MS = 2_000;
const SILENT_WAITING_MS = 12_000;
/** After so long away the place in the log is given up and the player goes to live. */
const RESUME_MAX_MS = 60_000;
const QUEUE_MAX = 700;
/** An edge that goes breaks all its listeners at once: they come back spread over so long. */
const SPREAD_MS = 500;
export const OPUS = 'audio/mp4; codecs="opus"';
export const AAC = 'audio/mp4; codecs="mp4a.40.2"';

/** The Media Source of this browser: the plain one, else the managed one (iPhone), else none. */
export const Source = globalThis.MediaSource ?? globalThis.ManagedMediaSource;
export const plays = (/** @type {string} */ type) => Boolean(Source?.isTypeSupported(type));

/** @param {HTMLAudioElement} audio @param {any} source the audio then asks the source for sound */
export function attachSource(audio, source) {
  audio.disableRemotePlayback = !globalThis.MediaSource; // a managed source demands it
  audio.src = URL.createObjectURL(source);
  source.addEventListener("sourceopen", () => URL.revokeObjectURL(audio.src), { once: true });
}

/**
 * Dispatches `state`, `card` (detail: the card), `event` (detail: an event of the Space),
 * `skipped` (detail: seconds left out) and `ended`. States: idle, connecting, waiting (before the
 * start), playing, stalled, reconnecting, paused, ended, failed.
 */
export class LivePlayer extends EventTarget {
  state = "idle";
  stalls = 0;
  stalledS = 0;
  /** The last few: media time, seconds of sound in hand at that moment, seconds of silence. */
  lastStalls = [];
  parts = 0;
  connects = 0;
  repairs = 0;
  fault = "";
  cursor = "";
  reason = "";
  pace = new Pace();
  #audio; #space; #rendition; #source; #buffer; #fetching; #stallTimer;
  #queue = [];
  #held = [];
  #events = [];
  #live = false;
  #over = false;
  #seekToStart = true;
  #fresh = false;
  #nextSample = -1;
  #bytesAtMs = 0;
  #stalledAtMs = 0;
  #wantedS = -1;
  #run = 0;
  #choosing = false;
  #wake = () => {};

  /** @param {HTMLAudioElement} audio @param {string} space @param {string} rendition */
  constructor(audio, space, rendition) {
    super();
    this.#audio = audio;
    this.#space = space;
    this.#rendition = plays(OPUS) ? rendition : "aac";
    audio.preservesPitch = true;
    audio.addEventListener("waiting", () => this.#ranDry());
    audio.addEventListener("playing", () => this.#flows());
    audio.addEventListener("timeupdate", () => this.#flows());
    audio.addEventListener("pause", () => this.#interrupted());
    audio.addEventListener("play", () => this.state === "paused" && this.start());
    audio.addEventListener("error", () => this.#broken());
    for (const name of ["online", "pageshow"]) addEventListener(name, () => this.#wake());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      if (this.reason === "interrupted") this.start();
      this.#wake();
    });
    setInterval(() => this.#watch(), 250);
  }

  get rendition() { return this.#rendition; }
  get bufferedS() {
    const { buffered, currentTime } = this.#audio;
    return buffered.length ? Math.max(0, buffered.end(buffered.length - 1) - currentTime) : 0;
  }

  /** Behind the voices: what is in hand, and the part that is being spoken. */
  get latencyS() { return this.bufferedS + PART_S; }

  /** Call it within a press: that is what allows the sound, now or when the Space begins. */
  start() {
    if (this.#run && this.state !== "paused") return;
    this.reason = "";
    this.cursor = "";
    this.#seekToStart = true;
    this.#held = [];
    this.#queue = [];
    this.#nextSample = -1;
    this.pace.forget();
    if (!this.#source) this.#open();
    else if (this.#buffer && !this.#buffer.updating) this.#buffer.remove(0, Infinity);
    this.#audio.play().catch((error) => {
      if (error.name === "NotAllowedError") this.#pause("refused");
    });
    this.#set("connecting");
    this.#keepConnected(++this.#run);
  }

  pause() { this.#pause("asked"); }

  /** Another rendition from the next part on. */
  choose(/** @type {string} */ rendition) {
    if (rendition === this.#rendition || this.#rendition === "aac") return;
    this.#rendition = rendition;
    this.#choosing = true;
    this.#fetching?.abort();
  }

  #pause(reason) {
    this.reason = reason;
    this.#run++;
    this.#fetching?.abort();
    this.#set("paused");
    this.#audio.pause();
  }

  #interrupted() {
    if (this.#run && !this.#over && this.state !== "paused") this.#pause("interrupted");
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  #open() {
    const source = new Source();
    this.#source = source;
    source.addEventListener("sourceopen", () => {
      if (this.#buffer) return;
      this.#buffer = source.addSourceBuffer(this.#rendition === "aac" ? AAC : OPUS);
      this.#buffer.addEventListener("updateend", () => this.#feed());
      this.#feed();
    });
    attachSource(this.#audio, source);
  }

  // The connection ---------------------------------------------------------------------------

  async #keepConnected(run) {
    let failures = 0;
    let lostAtMs = 0;
    while (run === this.#run && !this.#over) {
      if (lostAtMs && performance.now() - lostAtMs > RESUME_MAX_MS) this.cursor = "";
      const parts = this.parts;
      try {
        await this.#connect(run);
        failures = 0;
      } catch (error) {
        failures = this.parts > parts ? 0 : failures + 1;
        if (error.final) return this.#fail(error.message);
      }
      if (run !== this.#run || this.#over) return;
      if (this.parts > parts || !lostAtMs) lostAtMs = performance.now();
      this.#set("reconnecting");
      const waitMs = failures ? Math.min(5_000, 125 * 2 ** failures) * (0.5 + Math.random())
        : this.#choosing ? 0 : this.#spareMs * Math.random();
      this.#choosing = false;
      await new Promise((done) => {
        this.#wake = done;
        setTimeout(done, waitMs);
      });
    }
  }

  /** The spread, or less while there is sound in hand that it would use up. */
  get #spareMs() {
    const leftMs = this.bufferedS * 1_000;
    return leftMs > 20 ? Math.min(SPREAD_MS, Math.max(50, leftMs - 200)) : SPREAD_MS;
  }

  async #connect(run) {
    this.#fetching = new AbortController();
    this.#bytesAtMs = performance.now();
    const query = this.cursor && `?cursor=${this.cursor}`;
    const answer = await fetch(`/s/${this.#space}/live/${this.#rendition}${query}`,
      { signal: this.#fetching.signal, cache: "no-store" });
    if (answer.status === 409 || answer.status === 410) return this.#end();
    if (answer.status === 404) throw Object.assign(new Error("gone"), { final: true });
    if (!answer.ok || !answer.body) throw new Error(`answered ${answer.status}`);
    this.connects++;
    const reader = answer.body.getReader();
    const boxes = new BoxReader();
    this.#events = [];
    this.#live = false;
    const begunMs = performance.now();
    let moof = null;
    let head = null;
    for (;;) {
      const { done, value } = await reader.read();
      if (run !== this.#run) return;
      if (done) break;
      this.#bytesAtMs = performance.now();
      for (const { type, bytes } of boxes.push(value)) {
        if (type === "emsg") this.#message(readEmsg(bytes));
        else if (type === "skip") this.#reached(readCursor(bytes));
        else if (type === "ftyp") head = bytes;
        else if (type === "moov" && head) this.#append(joinBytes(head, bytes));
        else if (type === "moof") moof = bytes;
        else if (type === "mdat" && moof) {
          this.#part(moof, bytes, this.#bytesAtMs - begunMs > 100);
          moof = null;
        }
      }
    }
    if (this.ending) this.#end();
  }

  /** A card holds at once; an event only when its cursor has come, so that none counts twice. */
  #message({ scheme, message }) {
    if (scheme === "urn:stentor:card:1") {
      if (message.phase === "scheduled" || message.phase === "doors") this.#set("waiting");
      this.#tell("card", message);
    } else if (scheme === "urn:stentor:event:1") this.#events.push(message);
  }

  #reached(cursor) {
    if (!cursor) return;
    this.cursor = cursor;
    for (const event of this.#events.splice(0)) {
      if (event.type === "space.ended") this.ending = true;
      this.#tell("event", event);
    }
  }

  #end() {
    this.#over = true;
    const leftS = this.#audio.paused ? 0 : Math.min(3, this.bufferedS);
    setTimeout(() => this.retire(), leftS * 1000);
  }

  /** Lets go of the <audio>: the Space is over, and the recording will want it. */
  retire() {
    this.#over = true;
    this.#run++;
    this.#fetching?.abort();
    if (this.#source) {
      this.#audio.pause();
      this.#audio.removeAttribute("src");
      this.#audio.load();
      this.#source = this.#buffer = null;
    }
    this.#set("ended");
    this.#tell("ended");
  }

  /** The browser gave the sound up (a decoder or device fault): begin anew, a few times. */
  #broken() {
    if (!this.#source || this.#over) return;
    this.fault = this.#audio.error?.message ?? "append";
    this.#source = this.#buffer = null;
    if (this.repairs++ > 4) return this.#fail("decoder");
    this.#pause("broken");
    this.start();
  }

  #fail(reason) {
    this.reason = reason;
    this.#set("failed");
  }

  // Parts ------------------------------------------------------------------------------------

  #part(moof, mdat, regular) {
    const sample = readDecodeTime(moof);
    if (sample < this.#nextSample) return; // it came before the connection broke
    this.#nextSample = sample + 1;
    this.parts++;
    this.#live = true;
    if (regular) this.pace.arrived(performance.now() / 1000, sample / RATE + PART_S);
    const part = { bytes: joinBytes(moof, mdat), fromS: sample / RATE };
    if (!this.#seekToStart && !this.#stalledAtMs) return this.#append(part.bytes);
    this.#held.push(part);
    if (this.#held.length >= START_PARTS) this.#release();
  }

  /** Enough is in hand to start, or to go on after a stall. */
  #release() {
    const [first] = this.#held;
    for (const { bytes } of this.#held.splice(0)) this.#append(bytes);
    if (this.#seekToStart) {
      this.#seekToStart = false;
      this.#fresh = first.fromS > 0; // those who waited miss no word of the beginning
      this.#moveTo(first.fromS);
    }
  }

  /** Where to go as soon as there is sound: browsers cut a seek short that leads elsewhere. */
  #moveTo(seconds) {
    this.#wantedS = seconds;
    this.#steer();
  }

  #arrive() {
    const audio = this.#audio;
    const { buffered } = audio;
    const last = buffered.length - 1;
    if (last < 0 || buffered.end(last) <= this.#wantedS) return;
    const toS = Math.max(this.#wantedS, buffered.start(last));
    this.#wantedS = -1;
    if (Math.abs(audio.currentTime - toS) > 0.02) audio.currentTime = toS;
  }

  #append(bytes) {
    this.#queue.push(bytes);
    if (this.#queue.length > QUEUE_MAX) this.#queue.splice(0, this.#queue.length - QUEUE_MAX);
    this.#feed();
  }

  #feed() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#source.readyState !== "open") return;
    const { buffered, currentTime } = this.#audio;
    if (buffered.length && buffered.start(0) < currentTime - KEEP_S - 10) {
      return buffer.remove(0, currentTime - KEEP_S);
    }
    const bytes = this.#queue.shift();
    if (!bytes) return this.#steer();
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      if (error.name !== "QuotaExceededError") return this.#broken();
      this.#queue.unshift(bytes);
      if (currentTime > 1) buffer.remove(0, currentTime - 1);
    }
  }

  // The playhead -----------------------------------------------------------------------------

  /** Keeps the playhead where the pace wants it; runs after each part. */
  #steer() {
    const audio = this.#audio;
    const { buffered } = audio;
    if (this.#wantedS >= 0) return this.#arrive();
    if (!buffered.length || audio.paused || audio.seeking || this.#seekToStart) return;
    const last = buffered.length - 1;
    if (last > 0 && this.#stalledAtMs && buffered.start(last) > audio.currentTime) {
      return this.#moveTo(buffered.start(last)); // a hole that will not be filled
    }
    const behindS = performance.now() / 1000 - audio.currentTime;
    const errorS = behindS - this.pace.targetS;
    if (errorS > BEHIND_MAX_S && this.bufferedS > BEHIND_MAX_S) {
      const toS = Math.max(buffered.start(last), buffered.end(last) - PART_S - this.pace.safetyS);
      this.#tell("skipped", toS - audio.currentTime);
      return this.#moveTo(toS);
    }
    const wanted = this.pace.speed(errorS);
    const speed = this.bufferedS > PART_S ? wanted : Math.min(1, wanted);
    if (audio.playbackRate !== speed) audio.playbackRate = speed;
  }

  #ranDry() {
    if (this.#seekToStart || this.#wantedS >= 0 || this.#stalledAtMs || this.ending) return;
    if (this.#audio.seeking || !this.parts || this.state === "paused") return;
    this.#stalledAtMs = performance.now();
    const stall = [this.#audio.currentTime, this.bufferedS, 0];
    this.#stallTimer = setTimeout(() => {
      this.stalls++;
      this.lastStalls = [...this.lastStalls.slice(-9), stall];
      this.pace.stalled(performance.now() / 1000);
      if (this.state === "playing") this.#set("stalled");
      this.#tell("stall");
    }, 20);
  }

  #flows() {
    const audio = this.#audio;
    if (audio.paused || audio.readyState < 3 || this.#seekToStart || this.#over) return;
    if (this.#stalledAtMs) {
      clearTimeout(this.#stallTimer);
      const silentS = (performance.now() - this.#stalledAtMs) / 1000;
      this.stalledS += silentS;
      if (this.lastStalls.at(-1)?.[2] === 0) this.lastStalls.at(-1)[2] = silentS;
      this.#stalledAtMs = 0;
      this.#release();
    }
    if (this.#fresh) this.#comeCloser();
    if (this.state !== "reconnecting" || this.#live) this.#set("playing");
  }

  /** Joined in the middle by a machine slow to start: nothing was heard yet, so nothing is lost. */
  #comeCloser() {
    this.#fresh = false;
    const { buffered } = this.#audio;
    const spareS = this.bufferedS - START_PARTS * PART_S;
    if (spareS > 0.3) this.#moveTo(buffered.end(buffered.length - 1) - START_PARTS * PART_S);
  }

  /** A connection that has died says nothing: silence is how it is known. */
  #watch() {
    if (!this.#fetching || this.state === "paused" || this.#over) return;
    const limitMs = this.#live ? SILENT_LIVE_MS : SILENT_WAITING_MS;
    if (performance.now() - this.#bytesAtMs > limitMs) {
      this.#bytesAtMs = performance.now();
      this.#fetching.abort();
    }
    if (this.#stalledAtMs) this.#steer();
  }
}
