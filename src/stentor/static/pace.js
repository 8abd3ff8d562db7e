/** How far behind the newest part to play, and how fast, so that parts come in time. */

export const PART_S = 0.2;
/** What is kept in hand beyond one part and the lateness seen, in seconds. */
const SAFETY_S = 0.25;
const SAFETY_MAX_S = 1.2;

/** How late parts come, and from that how far behind the newest part to play. */
export class Pace {
  safetyS = SAFETY_S;
  #offsets = [];
  #stalledAtS = 0;
  #correcting = 0;

  /** A part that ends at `endS` of media time arrived at `nowS`. */
  arrived(nowS, endS) {
    this.#offsets.push(nowS - endS);
    if (this.#offsets.length > 150) this.#offsets.shift();
    if (this.safetyS > SAFETY_S && nowS - this.#stalledAtS > 30) this.safetyS -= 0.001;
  }

  stalled(nowS) {
    this.#stalledAtS = nowS;
    this.safetyS = Math.min(SAFETY_MAX_S, this.safetyS + 0.1);
  }

  forget() {
    this.#offsets = [];
  }

  /** Now minus the playhead, as it should be: all but the latest 5 % of 30 s come in time, so that
   * one outage is forgotten at once and jitter that returns is not. */
  get targetS() {
    const sorted = [...this.#offsets].sort((a, b) => a - b);
    if (!sorted.length) return NaN;
    const late = sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)];
    return Math.min(late, sorted[0] + 3) + PART_S + this.safetyS;
  }

  /** The same, as sound in hand when a part has come at its best. */
  get handS() { return this.targetS - Math.min(...this.#offsets); }

  /** The speed that brings a playhead which is `errorS` too far behind (or ahead) back. */
  speed(errorS) {
    if (this.#correcting > 0 ? errorS < 0.01 : errorS > -0.01) this.#correcting = 0;
    if (errorS > 0.07) this.#correcting = 1;
    if (errorS < -0.07) this.#correcting = -1;
    if (!this.#correcting || Number.isNaN(errorS)) return 1;
    return this.#correcting < 0 ? 0.97 : Math.min(1.08, Math.max(1.03, 1 + errorS / 4));
  }
}
