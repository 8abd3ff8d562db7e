/** Another rendition, or another path, from the end of the sound in hand on: nothing is lost. */

import { nowS, on } from "./signals.js";
import { Thrift } from "./thrift.js";

const RATE = 48_000;
const PART_SAMPLES = 9_600;
/** Parts of one rendition begin where those of another do, within a frame. */
const NEAR_SAMPLES = PART_SAMPLES / 2;
/** More is tried with this much that was heard already: it must come in so much time. */
const TRIAL_S = 4;
const TRIAL_MAX_S = 2;
/** A response that has not taken over by then never will; and the pause between two. */
const CHANGE_MAX_S = 15;
const PAUSE_S = 2;
/** For so long after the network has changed a response that says nothing is replaced early. */
const MOVED_S = 15;
const QUIET_S = 0.8;
const LOW = "opus-low";

/** Sees to it that what is wanted, or what the network carries, becomes what is heard. */
export class Tuner {
  /** What the listener wants: "" leaves it to the network. */
  chosen = "";
  thrift = new Thrift();
  /** The edge sends everybody the low rendition (the ladder's step 3), whatever they have chosen. */
  ordered = false;
  #live;
  #next = null;
  #pauseUntilS = 0;
  #movedAtS = -Infinity;

  /** @param {import("./player.js").LivePlayer} live @param {HTMLSelectElement} choice */
  constructor(live, choice) {
    this.#live = live;
    on(live, "state", () => {
      choice.options[0].text = live.rendition === LOW && !this.chosen ? "Automatic: low now" : "Automatic";
      choice.disabled = this.ordered;
    });
    this.thrift.low = live.rendition === LOW;
    if (navigator.connection?.saveData) this.thrift.patienceS = Infinity;
    on(live, "measured", ({ detail: lateS }) => {
      this.thrift.arrived(nowS(), lateS, live.pace.cadenceS);
      if (this.#next?.trial && this.thrift.isLate) this.#refuse(); // more is too much
      this.#tune();
    });
    on(live, "stall", () => {
      this.thrift.stalled(nowS());
      this.#tune();
    });
    on(live, "note", ({ detail }) => this.#crossed(detail));
    on(live, "beat", () => this.#beat());
    on(live.deck, "fed", () => this.#compare());
    on(window, "online", () => this.#moved());
    on(navigator.connection, "change", () => this.#moved());
    on(choice, "change", () => {
      this.chosen = choice.value;
      this.#pauseUntilS = 0;
      this.#tune();
    });
  }

  /** The edge sends another rendition from here on: everybody has to hear less, or may hear more. */
  #crossed({ line, scheme, message }) {
    if (scheme !== "urn:stentor:rendition:1") return;
    line.rendition = message.rendition;
    if (line !== this.#live.line) return;
    this.ordered = message.asked !== message.rendition;
    this.#live.rendition = message.rendition;
    this.#settle(true);
    this.#live.tell("state");
  }

  /** The network is another one: what was open may be dead without saying so. */
  #moved() {
    this.#movedAtS = nowS();
    if (/2g/.test(navigator.connection?.effectiveType)) this.thrift.warned(this.#movedAtS);
  }

  #tune() {
    const live = this.#live;
    const now = nowS();
    const low = this.thrift.wish(now);
    const wanted = this.ordered ? LOW : this.chosen || (low ? LOW : "opus");
    const has = this.#next?.rendition ?? live.rendition;
    if (wanted === has || live.rendition === "aac" || now < this.#pauseUntilS) return;
    this.#pauseUntilS = now + PAUSE_S;
    if (live.line?.parts && !live.begins) return this.#change(wanted, wanted !== LOW && !this.chosen);
    live.rendition = wanted; // nothing is heard of this response yet
    this.#settle();
    if (live.line) live.dial();
    live.tell("state");
  }

  /** Opens the response that is to take over where the sound in hand ends. */
  #change(rendition, trial = false) {
    this.#next?.close();
    // With a ticket the edge ends the old response for the new one: nothing is to be dialled then.
    const from = Math.max(0, this.#live.endSample - (trial ? TRIAL_S * RATE : 0));
    this.#next = this.#live.successor = this.#live.open(rendition, `?from=${from}`);
    this.#next.trial = trial;
    this.#next.endSample = -1;
    this.#next.wait = (part) => {
      this.#next.held.push({ ...part, regular: false });
      this.#next.endSample = part.sample + PART_SAMPLES;
      this.#compare();
    };
  }

  #beat() {
    const { line } = this.#live;
    const now = nowS();
    const next = this.#next;
    if (next && (this.#isVain || now - next.bornS > CHANGE_MAX_S)) this.#refuse();
    const moved = now - this.#movedAtS < MOVED_S;
    if (moved && line?.parts && line.quietS > QUIET_S && !this.#next) this.#change(line.rendition);
  }

  get #isVain() {
    const { away, state } = this.#live;
    return this.#next.ended || away || ["paused", "ended", "failed"].includes(state);
  }

  /** It takes over when it has come to where the sound in hand ends. */
  #compare() {
    const [live, next] = [this.#live, this.#next];
    if (!next) return;
    next.held = next.held.filter(({ sample }) => sample >= live.endSample - NEAR_SAMPLES);
    const gap = next.held[0]?.sample > live.endSample + NEAR_SAMPLES;
    const behind = next.endSample < live.endSample - NEAR_SAMPLES;
    if (this.#isVain) this.#refuse();
    else if (live.line && (gap || behind)) return;
    else if (next.trial && nowS() - next.openS > TRIAL_MAX_S) this.#refuse();
    else {
      this.#next = live.successor = null;
      live.takeOver(next);
      this.#settle();
    }
  }

  /** `asked`: it was not the network that called for it. */
  #settle(asked = this.ordered || Boolean(this.chosen)) {
    const low = this.#live.rendition === LOW;
    if (low !== this.thrift.low) this.thrift.changed(nowS(), low, asked);
  }

  #refuse() {
    const next = this.#next;
    this.#next = this.#live.successor = null;
    next.close();
    if (next.trial) this.thrift.refused(nowS());
    this.#live.hurry();
  }
}
