/** How far behind the newest part to play, and how fast, so that parts come in time. */

export const PART_S = 0.2;
/** What is kept in hand beyond one part and the lateness seen, in seconds. */
const SAFETY_S = 0.25;
const SAFETY_MAX_S = 1.2;
/** Lateness is remembered for so many parts (30 s), and for so many sends of a longer cadence. */
const PARTS_KEPT = 150;
const SENDS_KEPT = 30;
/** Parts in one send of the longest cadence. */
const SEND_PARTS_MAX = 10;

/** How late parts come, and from that how far behind the newest part to play. */
export class Pace {
  safetyS = SAFETY_S;
  /** How often this edge sends, or will before long. */
  cadenceS = PART_S;
  #offsets = [];
  #recent = [];
  #stalledAtS = 0;
  #correcting = 0;
  #deepening = false;

  /** The edge says how often it sends: before it does so more seldom, and when it has come back. */
  announce(cadenceS) {
    if (cadenceS !== this.cadenceS) this.#deepening = cadenceS > this.cadenceS;
    this.cadenceS = cadenceS;
  }

  /**
   * A part that ends at `endS` of media time arrived at `nowS`.
   * @returns {number} seconds by which it, or what was sent with it, is later than the path's best
   */
  arrived(nowS, endS) {
    const sendParts = Math.ceil(this.cadenceS / PART_S - 1e-6);
    this.#recent = [...this.#recent, { offsetS: nowS - endS, sendParts }].slice(-SEND_PARTS_MAX);
    // Parts that are sent together wait for the last of them: that is cadence, not lateness.
    const together = Math.max(...this.#recent.map((part) => part.sendParts));
    const offsetS = Math.min(...this.#recent.slice(-together).map((part) => part.offsetS));
    this.#offsets.push(offsetS);
    this.#offsets = this.#offsets.slice(-Math.max(PARTS_KEPT, SENDS_KEPT * together));
    if (this.safetyS > SAFETY_S && nowS - this.#stalledAtS > 30) this.safetyS -= 0.001;
    return offsetS - this.bestS;
  }

  stalled(nowS) {
    this.#stalledAtS = nowS;
    this.safetyS = Math.min(SAFETY_MAX_S, this.safetyS + 0.1);
  }

  forget() {
    this.#offsets = [];
    this.#recent = [];
  }

  /** Now minus the end of a part that has just come, at the path's best; Infinity before the first. */
  get bestS() { return Math.min(...this.#offsets); }

  /** Now minus the playhead, as it should be: all but the latest 5 % of 30 s come in time, so that
   * one outage is forgotten at once and jitter that returns is not. */
  get targetS() {
    const sorted = [...this.#offsets].sort((a, b) => a - b);
    if (!sorted.length) return NaN;
    const late = sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)];
    // A send that is no multiple of a part leaves one that is nearly whole to the next.
    const sendS = this.cadenceS > PART_S ? this.cadenceS + PART_S : PART_S;
    return Math.min(late, sorted[0] + 3) + sendS + this.safetyS;
  }

  /** The same, as sound in hand when a part has come at its best. */
  get handS() { return this.targetS - this.bestS; }

  /** Sound to begin with. */
  get startS() { return this.cadenceS + PART_S; }

  /** Sound to go on with after a stall: one send, whose last part may be cut off. */
  get againS() { return Math.max(2 * PART_S, this.cadenceS - PART_S / 2); }

  /** The speed that brings a playhead which is `errorS` too far behind (or ahead) back. */
  speed(errorS) {
    if (this.#correcting > 0 ? errorS < 0.01 : errorS > -0.01) this.#correcting = 0;
    if (errorS > 0.07) this.#correcting = 1;
    if (errorS < -0.07) this.#correcting = -1;
    if (errorS > -0.07) this.#deepening = false;
    if (!this.#correcting || Number.isNaN(errorS)) return 1;
    if (this.#correcting < 0) return this.#deepening ? 0.92 : 0.97;
    return Math.min(1.08, Math.max(1.03, 1 + errorS / 4));
  }
}
