/** Goes back while a Space is live: its media segments into the deck, and over to live again. */

import { BoxReader, joinBytes, readDecodeTime } from "./boxes.js";
import { Bar } from "./bar.js";
import { Reel, ask } from "./reel.js";
import { Teller, on } from "./signals.js";

const RATE = 48_000;
const PART_S = 0.2;
/** HLS cuts the programme into media segments of this length. */
const SEGMENT_S = 4;
/** A media segment that ended so long ago is there, however vague the clock is. */
const THERE_S = 1.5;
/** One that is not there so long after its end never was. */
const HOLE_S = 6;
/** Closer to live than this the live response goes on where the sound in hand ends. */
const JOIN_S = 8;
/** Closer than this is live. */
const LIVE_S = 2;
const OVER = new Set(["ended", "replay", "withdrawn", "deleted"]);

/** The same face as a recording's player; the live player's deck and <audio>. */
export class Rewind extends Teller {
  #live; #deck; #audio; #card; #reel;
  #rate = 1;
  #aheadMs = 0;
  #heading = false;

  /** @param {import("./player.js").LivePlayer} live @param {() => any} card the card as it is now */
  constructor(live, card) {
    super();
    this.#live = live;
    this.#deck = live.deck;
    this.#audio = live.deck.audio;
    this.#card = card;
    this.#reel = new Reel(live.deck, {
      at: (k) => this.#segment(k),
      indexAt: (seconds) => Math.floor(seconds / SEGMENT_S),
      read: (k, signal) => this.#read(k, signal),
    });
    on(live, "beat state", () => this.#turn());
    on(this.#deck, "fed", () => this.#turn());
    on(this.#audio, "seeking waiting", () => this.#turn());
    on(this.#audio, "ended", () => live.away && live.retire());
    if (!(live.edgeS > 0)) this.#readCard();
  }

  get atS() { return this.#live.positionS; }
  get isLive() { return this.#live.isLive && !this.#isOver; }
  get rate() { return this.#rate; }
  set rate(rate) {
    this.#rate = rate;
    if (this.#live.away) this.#audio.playbackRate = rate;
    else if (!this.isLive) this.#live.catchUp(rate);
  }

  /** Where the sound ends: live, or by the clock, or for good. */
  get durationS() {
    const { duration_samples: samples, started_at_ms: startedMs } = this.#card();
    if (samples && this.#isOver) return samples / RATE;
    const { edgeS } = this.#live;
    return edgeS > 0 ? edgeS : Math.max(0, (Date.now() + this.#aheadMs - startedMs) / 1_000);
  }

  /** What the page says of it; "" when there is nothing unusual to say. */
  get sentence() {
    const { away, state } = this.#live;
    if (this.isLive || state === "ended") return "";
    if (state === "paused") return away ? "Paused. Listen goes on from here." : "";
    if (state !== "playing") return "Fetching sound…";
    if (this.#isOver) return "It has ended. You hear it to its end.";
    return away ? "You are hearing an earlier moment." : "Catching up with live.";
  }

  get #isOver() { return OVER.has(this.#card().phase); }

  seek(/** @type {number} */ seconds) {
    const live = this.#live;
    const toS = Math.max(0, Math.min(seconds, this.durationS - (this.#isOver ? 0.1 : 0)));
    const behindS = this.#isOver ? Infinity : this.durationS - toS;
    this.#reel.stop();
    this.#reel.sought();
    if (behindS < LIVE_S) {
      if (!live.isLive) this.goLive();
    } else if (!live.away && behindS < JOIN_S && this.#deck.rangeAt(toS)) live.catchUp(this.#rate, toS);
    else {
      this.#audio.playbackRate = this.#rate;
      live.leave(toS);
    }
    this.tell("time");
  }

  goLive() {
    this.#reel.stop();
    if (this.#live.state === "paused") {
      this.#live.away = false;
      this.#live.start();
    } else this.#live.goLive();
  }

  /** What the moment asks for: another media segment, a leap over a hole, or live. */
  #turn() {
    const live = this.#live;
    if (live.state === "ended") return;
    this.tell("time");
    if (live.isLive) this.#rate = 1;
    if (!live.away) return;
    const { atS } = this;
    if (!this.#isOver && live.state !== "paused" && this.durationS - atS < JOIN_S) {
      this.#reel.stop();
      const endS = this.#deck.heldUntil(atS);
      return live.join(endS > atS ? endS : Math.floor(atS / PART_S) * PART_S, this.#rate);
    }
    if (this.#deck.rendition !== live.rendition) return this.#head();
    const { onS, whole } = this.#reel.fill(atS);
    if (onS >= 0) live.goTo(onS);
    else if (whole && this.#isOver) this.#deck.finish();
  }

  #segment(k) {
    const fromS = k * SEGMENT_S;
    const endS = fromS + SEGMENT_S;
    const { durationS } = this;
    if (this.#isOver) return fromS < durationS ? { fromS, endS: Math.min(endS, durationS) } : undefined;
    return endS < durationS - THERE_S ? { fromS, endS } : undefined;
  }

  get #folder() { return `/s/${this.#card().space}/hls/${this.#live.rendition}`; }

  async #head() {
    if (this.#heading || !this.#deck.loaded) return;
    this.#heading = true;
    const { rendition } = this.#live;
    const answer = await ask(`${this.#folder}/init.mp4`, {});
    this.#heading = false;
    if (!answer.ok) return this.#gone();
    this.#deck.rendition = rendition;
    this.#deck.append(new Uint8Array(await answer.arrayBuffer()));
  }

  /** The parts of a media segment that are not in hand yet. */
  async #read(k, signal) {
    const answer = await ask(`${this.#folder}/${k}.m4s`, { signal });
    if (answer.status === 410) return this.#gone();
    if (!answer.ok) {
      await this.#readCard(); // it may have ended meanwhile
      const endS = (k + 1) * SEGMENT_S;
      if (this.#isOver || this.durationS - endS > HOLE_S) return null;
      await new Promise((done) => setTimeout(done, 1_000));
      signal.throwIfAborted();
      return this.#read(k, signal);
    }
    const missing = [];
    let moof = null;
    for (const { type, bytes } of new BoxReader().push(new Uint8Array(await answer.arrayBuffer()))) {
      if (type === "moof") moof = bytes;
      else if (type === "mdat" && moof) {
        const fromS = readDecodeTime(moof) / RATE;
        if (this.#deck.heldUntil(fromS) < fromS + PART_S - 0.05) missing.push(moof, bytes);
      }
    }
    return joinBytes(...missing);
  }

  /** The card now, and how far the server's clock is ahead of this one. */
  async #readCard() {
    const answer = await ask(`/s/${this.#card().space}/card.json`, { cache: "no-cache" });
    if (!answer.ok) return;
    this.#aheadMs = Date.parse(answer.headers.get("Date") ?? "") - Date.now() || 0;
    this.#live.tell("card", await answer.json());
  }

  #gone() {
    this.#live.retire();
    return new Promise(() => {}); // nothing more will be read
  }
}

/**
 * @param {import("./player.js").LivePlayer} live @param {() => any} card the card as it is now
 * @returns {Bar}
 */
export function openRewind(live, card) { return new Bar(new Rewind(live, card)); }
