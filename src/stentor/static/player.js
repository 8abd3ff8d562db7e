/** Hears a live Space: the endless response into one <audio>, close to live, without stalls. */

import { AAC, OPUS, plays } from "./deck.js";
import { Line } from "./line.js";
import { PART_S, Pace } from "./pace.js";
import { Teller, nowS, on } from "./signals.js";

const RATE = 48_000;
const PART_SAMPLES = PART_S * RATE;
/** Parts of one rendition begin where those of another do, within a frame. */
const NEAR_SAMPLES = PART_SAMPLES / 2;
const BEHIND_MAX_S = 5;
/** How fast it comes back to live by itself: nobody hears that. */
const CATCH_UP = 1.08;
/** After so long away the place in the log is given up and the player goes to live. */
const RESUME_MAX_S = 60;
/** An edge that goes breaks all its listeners at once: they come back spread over so long. */
const SPREAD_S = 0.5;

/** A cursor as a number that grows; 0 when there is none. */
function placeOf(/** @type {string} */ cursor) {
  const [epoch, offset] = cursor.split(".");
  return Number(epoch) * 2 ** 36 + Number(offset ?? 0);
}

/**
 * Dispatches `state` (or `away`, `isLive` or `rendition` has changed), `card` (detail: the card),
 * `event` (detail: an event of the Space), `skipped` (detail: seconds left out), `measured` (a part
 * was; detail: how late in seconds), `stall`, `beat`, `note` (of the edge: {line, scheme, message}),
 * `turned` (away, at the door) and `ended`. States: idle, connecting, waiting (before the start),
 * playing, stalled, reconnecting, paused, ended, failed.
 */
export class LivePlayer extends Teller {
  state = "idle";
  stalls = 0;
  stalledS = 0;
  /** The last few: media time, seconds of sound in hand at that moment, seconds of silence. */
  lastStalls = [];
  parts = 0;
  connects = 0;
  repairs = 0;
  cursor = "";
  reason = "";
  pace = new Pace();
  /** Heard from further back: no response is open, and rewind.js feeds the deck. */
  away = false;
  /** The door, asked before each response: true while it has not let us in; it dials later. */
  isWaiting = () => false;
  /** The response that is heard; null while there is none. */
  line = null;
  /** A response that is to take over (tuner.js): the edge may end `line` for it. */
  successor = null;
  /** After the last sample that was taken from it; -1: it begins anew. */
  endSample = -1;
  #audio; #space; #stallTimer;
  #held = [];
  #started = false;
  #over = false;
  #begins = true;
  #fresh = false;
  #failures = 0;
  #lostAtS = 0;
  #againAtS = Infinity;
  #stalledAtS = 0;
  #wantedS = -1;
  #catchUp = 0;

  /** @param {import("./deck.js").Deck} deck @param {string} space @param {boolean} low */
  constructor(deck, space, low) {
    super();
    const { audio } = deck;
    this.deck = deck;
    this.rendition = !plays(OPUS) ? "aac" : low ? "opus-low" : "opus";
    this.#audio = audio;
    this.#space = space;
    on(deck, "fed", () => this.#steer());
    on(deck, "broken", () => this.#broken());
    on(audio, "waiting", () => this.#ranDry());
    on(audio, "playing timeupdate", () => this.#flows());
    on(audio, "timeupdate", () => this.beat());
    on(audio, "pause", () => this.#interrupted());
    on(audio, "play", () => this.state === "paused" && this.start());
    on(window, "online pageshow", () => this.hurry());
    on(document, "visibilitychange", () => {
      if (document.hidden) return;
      if (this.reason === "interrupted") this.start();
      this.hurry();
    });
    setInterval(() => this.beat(), 250);
  }

  get fault() { return this.deck.fault; }
  get bufferedS() { return this.deck.inHandS; }
  /** Where the playhead is, or goes as soon as there is sound. */
  get positionS() { return this.#wantedS >= 0 ? this.#wantedS : this.#audio.currentTime; }
  /** Where the newest part ends by now; -Infinity before the first. */
  get edgeS() { return nowS() - this.pace.bestS; }
  /** Close to live, and not on the way there. */
  get isLive() { return !this.away && !this.#catchUp; }
  /** Nothing is heard yet of what has come. */
  get begins() { return this.#begins; }
  /** Behind the voices: what is in hand, and the part that is being spoken. */
  get latencyS() { return this.bufferedS + PART_S; }

  /** Call it within a press: that is what allows the sound, now or when the Space begins. */
  start() {
    if (this.#started && this.state !== "paused") return;
    this.#started = true;
    this.reason = "";
    if (!this.deck.loaded) this.deck.load(this.rendition === "aac" ? AAC : OPUS);
    else if (!this.away) this.deck.empty();
    this.#audio.play().catch((error) => {
      if (error.name === "NotAllowedError") this.#pause("refused");
    });
    this.#set("connecting");
    if (!this.away) this.goLive();
  }

  pause(why = "asked") { this.#pause(why); }

  /** To the newest parts; what is heard now goes on until they are here. */
  goLive() {
    this.away = false;
    this.pace.forget();
    this.#goOn(-1, 0);
  }

  /** From sound in hand that ends at `endS` to the response that goes on there, at a speed. */
  join(/** @type {number} */ endS, /** @type {number} */ speed) {
    this.away = false;
    this.#goOn(Math.round(endS * RATE), Math.max(CATCH_UP, speed));
  }

  /** Back to live at a speed, from a moment within the sound in hand, or from where it is. */
  catchUp(/** @type {number} */ speed, toS = this.positionS) {
    this.#catchUp = Math.max(CATCH_UP, speed);
    this.moveTo(toS);
    this.tell("state");
  }

  /** To an earlier moment: somebody else feeds the deck from now on. */
  leave(/** @type {number} */ seconds) {
    this.away = true;
    this.goTo(seconds);
    this.#goOn(0, 0);
  }

  /** To a moment at once, or as soon as there is sound: browsers cut a seek short that leads beyond
   * all sound. */
  goTo(/** @type {number} */ seconds) {
    const { buffered } = this.#audio;
    const near = buffered.length && seconds < buffered.end(buffered.length - 1);
    this.#wantedS = near ? -1 : seconds;
    if (near) this.#audio.currentTime = seconds;
  }

  /** To a moment as soon as there is sound. */
  moveTo(/** @type {number} */ seconds) {
    this.#wantedS = seconds;
    this.#steer();
  }

  #goOn(endSample, catchUp) {
    this.#drop();
    this.cursor = "";
    this.#held = [];
    this.#failures = this.#lostAtS = 0;
    this.#begins = endSample < 0;
    this.endSample = endSample;
    this.#catchUp = catchUp;
    if (!this.away) this.dial();
    this.tell("state");
  }

  #drop() {
    const { line } = this;
    this.line = null;
    this.#againAtS = Infinity;
    line?.close();
  }

  #pause(reason) {
    this.reason = reason;
    this.#drop();
    this.#set("paused");
    this.#audio.pause();
  }

  #interrupted() {
    if (this.#started && !this.#over && this.state !== "paused") this.#pause("interrupted");
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.tell("state");
  }

  // The connection ---------------------------------------------------------------------------

  /** Opens a response for what follows, in place of the one there may be. */
  dial() {
    this.#drop();
    if (this.isWaiting()) return;
    const from = this.endSample < 0 ? "" : `?from=${this.endSample}`;
    this.line = this.open(this.rendition, this.cursor ? `?cursor=${this.cursor}` : from);
  }

  /** A response, whose parts wait in it until it is the one that is heard. */
  open(/** @type {string} */ rendition, /** @type {string} */ query) {
    const line = new Line(this.#space, rendition, query);
    this.#read(line);
    return line;
  }

  /** A response takes the place of the one that is heard, with what waits in it. */
  takeOver(/** @type {Line} */ line) {
    this.#drop();
    this.line = line;
    this.rendition = line.rendition;
    this.#head(line);
    for (const part of line.held.splice(0)) this.#part(line, part);
    this.tell("state");
  }

  async #read(line) {
    let why = "";
    try {
      await line.read({
        opened: () => this.connects++,
        card: (card) => line === this.line && this.#show(card),
        head: () => line === this.line && this.#head(line),
        part: (part) => line === this.line ? this.#part(line, part) : line.wait(part),
        cursor: (cursor) => this.#reached(line, cursor),
        note: (note) => this.tell("note", note),
      });
      if (this.ending) why = "over";
      else if (!this.successor) why = line.left;
    } catch (error) {
      why = error.reason;
    }
    line.ended = true;
    if (line !== this.line) return;
    this.line = null;
    if (why === "turned") this.tell(why);
    // Coming back by itself would take it from the other one, which would do the same.
    if (why === "elsewhere") this.#pause(why);
    else if (why === "over") this.#end();
    else if (why === "gone") this.#fail(why);
    else this.#lost(line);
  }

  #lost(line) {
    const now = nowS();
    this.#failures = line.parts ? 0 : this.#failures + 1;
    if (line.parts || !this.#lostAtS) this.#lostAtS = now;
    if (!this.successor) this.#set("reconnecting");
    const waitS = this.#failures ? Math.min(5, 2 ** this.#failures / 8) * (0.5 + Math.random())
      : this.successor ? 2 : this.#spareS * Math.random();
    this.#againAtS = now + waitS;
    setTimeout(() => this.beat(), waitS * 1_000 + 1);
  }

  /** The spread, or less while there is sound in hand that it would use up. */
  get #spareS() {
    const { bufferedS } = this;
    return bufferedS > 0.02 ? Math.min(SPREAD_S, Math.max(0.05, bufferedS - 0.2)) : SPREAD_S;
  }

  /** The network may be back: the next try is now. */
  hurry() {
    if (this.#againAtS === Infinity) return;
    if (nowS() - this.#lostAtS > RESUME_MAX_S) {
      this.cursor = "";
      this.endSample = -1;
    }
    this.dial();
  }

  /** What time brings; the media's own events bring it too, where timers are slow. */
  beat() {
    if (nowS() >= this.#againAtS) this.hurry();
    this.line?.watch();
    this.#steer();
    this.tell("beat");
  }

  #show(card) {
    if (card.phase === "scheduled" || card.phase === "doors") this.#set("waiting");
    this.tell("card", card);
  }

  /** A card holds at once; an event only when its cursor has come, so that none counts twice. */
  #reached(line, cursor) {
    if (line !== this.line) return;
    for (const [at, event] of line.told.splice(0)) {
      if (placeOf(at) <= placeOf(this.cursor)) continue;
      if (event.type === "space.ended") this.ending = true;
      this.tell("event", event);
    }
    if (placeOf(cursor) > placeOf(this.cursor)) this.cursor = cursor;
  }

  #end() {
    this.#over = true;
    const leftS = this.#audio.paused ? 0 : Math.min(3, this.bufferedS);
    setTimeout(() => this.retire(), leftS * 1000);
  }

  /** Lets go of the <audio>: the Space is over, and the recording will want it. */
  retire() {
    this.#over = true;
    this.away = false;
    this.#drop();
    this.deck.eject();
    this.#set("ended");
    this.tell("ended");
  }

  /** The browser gave the sound up (a decoder or device fault): begin anew, a few times. */
  #broken() {
    if (this.#over) return;
    if (this.repairs++ > 4) return this.#fail("decoder");
    const { positionS } = this;
    this.#pause("broken");
    if (this.away) this.#wantedS = positionS;
    this.start();
  }

  #fail(reason) {
    this.reason = reason;
    this.#set("failed");
  }

  // Parts ------------------------------------------------------------------------------------

  #head(line) {
    if (!line.head) return;
    this.deck.rendition = line.rendition;
    this.deck.append(line.head);
  }

  #part(line, { bytes, sample, regular }) {
    if (sample < this.endSample - NEAR_SAMPLES) return; // it came before the connection broke
    this.endSample = sample + PART_SAMPLES;
    this.parts++;
    this.pace.announce(line.cadenceS);
    if (regular) this.#measure(this.endSample / RATE);
    if (!this.#begins && !this.#stalledAtS) return this.deck.append(bytes);
    this.#held.push({ bytes, fromS: sample / RATE });
    const wantedS = this.#begins ? this.pace.startS : this.pace.againS;
    if (this.#held.length * PART_S > wantedS - 0.01) this.#release();
  }

  #measure(endS) {
    this.tell("measured", this.pace.arrived(nowS(), endS));
  }

  /** Enough is in hand to start, or to go on after a stall. */
  #release() {
    const [first] = this.#held;
    for (const { bytes } of this.#held.splice(0)) this.deck.append(bytes);
    if (!this.#begins) return;
    this.#begins = false;
    this.#fresh = first.fromS > 0; // those who waited miss no word of the beginning
    this.moveTo(first.fromS);
  }

  #arrive() {
    const range = this.deck.rangeAt(this.#wantedS, 1);
    if (!range) return;
    const toS = Math.max(this.#wantedS, range[0]);
    this.#wantedS = -1;
    if (Math.abs(this.#audio.currentTime - toS) > 0.02) this.#audio.currentTime = toS;
  }

  // The playhead -----------------------------------------------------------------------------

  /** Keeps the playhead where the pace wants it. */
  #steer() {
    const audio = this.#audio;
    if (this.#wantedS >= 0) return this.#arrive();
    if (this.away || this.#begins || audio.paused || audio.seeking) return;
    const atS = audio.currentTime;
    const range = this.deck.rangeAt(atS, Infinity);
    if (!range) return;
    if (this.#stalledAtS && range[0] > atS + 0.05) {
      return this.moveTo(range[0]); // a hole that will not be filled
    }
    const inHandS = this.bufferedS;
    const errorS = nowS() - atS - this.pace.targetS;
    if (this.#catchUp && errorS < 0.1) {
      this.#catchUp = 0;
      this.tell("state");
    }
    if (errorS > BEHIND_MAX_S && inHandS > BEHIND_MAX_S && !this.#catchUp) {
      const toS = Math.max(range[0], range[1] - this.pace.handS);
      this.tell("skipped", toS - atS);
      return this.moveTo(toS);
    }
    const wanted = Math.max(this.#catchUp, this.pace.speed(errorS));
    const speed = inHandS > PART_S ? wanted : Math.min(1, wanted);
    if (audio.playbackRate !== speed) audio.playbackRate = speed;
  }

  #ranDry() {
    if (this.#begins || this.#wantedS >= 0 || this.#stalledAtS || this.ending) return;
    if (this.#audio.seeking || this.state === "paused") return;
    this.#stalledAtS = nowS();
    const stall = [this.#audio.currentTime, this.bufferedS, 0];
    this.#stallTimer = setTimeout(() => {
      this.stalls++;
      this.lastStalls = [...this.lastStalls.slice(-9), stall];
      if (!this.away) this.pace.stalled(nowS());
      if (this.state === "playing") this.#set("stalled");
      this.tell("stall");
    }, 20);
  }

  #flows() {
    const audio = this.#audio;
    if (audio.paused || audio.readyState < 3 || this.#begins || this.#over) return;
    if (this.#stalledAtS) {
      clearTimeout(this.#stallTimer);
      const silentS = nowS() - this.#stalledAtS;
      this.stalledS += silentS;
      if (this.lastStalls.at(-1)?.[2] === 0) this.lastStalls.at(-1)[2] = silentS;
      this.#stalledAtS = 0;
      this.#release();
    }
    if (this.#fresh) this.#comeCloser();
    if (this.away || this.line?.parts || this.state !== "reconnecting") this.#set("playing");
  }

  /** Joined in the middle by a machine slow to start: nothing was heard yet, so nothing is lost. */
  #comeCloser() {
    this.#fresh = false;
    const spareS = this.bufferedS - this.pace.startS;
    if (spareS > 0.3) this.moveTo(this.#audio.currentTime + spareS);
  }
}
