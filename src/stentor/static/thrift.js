/** Whether the network carries the whole rendition, or only the low one. Pure. */

/** Parts later than this are looked at; calm is when none is. */
const LATE_S = 0.3;
/** Later than this for the whole of `LONG_S`: deeper in hand would help, but the network is short. */
const VERY_LATE_S = 1.2;
const LONG_S = 5;
/** Within so long, and two sends, parts must have become later twice by `RISE_S`. */
const FALLING_S = 1.6;
const RISE_S = 0.08;
/** Two stalls within so long are too many. */
const STALLS_S = 30;
/** Calm for so long before more is tried; doubled by each try that fails. */
const PATIENCE_S = 60;
const PATIENCE_MAX_S = 960;

/** Goes low when parts come later than they are made, and tries for more after calm. */
export class Thrift {
  low = false;
  patienceS = PATIENCE_S;
  #late = [];
  #stalledAtS = -Infinity;
  #often = false;
  #troubleAtS = 0;
  #changedAtS = 0;

  /** A part came `lateS` later than the path's best, from an edge that sends every `cadenceS`. */
  arrived(nowS, lateS, cadenceS) {
    const spanS = LONG_S + 2 * cadenceS;
    this.#late = [...this.#late.filter(({ atS }) => atS >= nowS - spanS), { atS: nowS, lateS }];
    if (lateS > LATE_S) this.#troubleAtS = nowS;
    this.cadenceS = cadenceS;
  }

  get isLate() { return this.#late.at(-1)?.lateS > LATE_S; }

  stalled(nowS) {
    this.#often = nowS - this.#stalledAtS < STALLS_S;
    this.#stalledAtS = this.#troubleAtS = nowS;
  }

  /** What to listen to from now on: true for the low rendition. */
  wish(nowS) {
    if (!this.low) return this.#often || this.#falling(nowS);
    return nowS - Math.max(this.#troubleAtS, this.#changedAtS) < this.patienceS;
  }

  /** The browser takes the network for a slow one. */
  warned(nowS) {
    this.#often = true;
    this.#troubleAtS = nowS;
  }

  /** The other rendition is heard now; `asked`: because the listener wants it. */
  changed(nowS, low, asked) {
    if (low && !asked) this.#learn(nowS - this.#changedAtS < 2 * this.patienceS);
    this.low = low;
    this.#often = false;
    this.#late = [];
    if (!asked) this.#changedAtS = nowS;
  }

  /** More was tried, and the network did not carry it. */
  refused(nowS) {
    this.#learn(true);
    this.#changedAtS = nowS;
  }

  #learn(failed) {
    this.patienceS = failed && this.#changedAtS ? Math.min(PATIENCE_MAX_S, 2 * this.patienceS)
      : PATIENCE_S;
  }

  #falling(nowS) {
    const spanS = FALLING_S + 2 * this.cadenceS;
    const lately = this.#late.filter(({ atS }) => atS >= nowS - spanS);
    const [first] = lately;
    const last = lately.at(-1);
    if (!last || last.lateS < LATE_S) return false;
    const middle = lately.find(({ atS }) => atS >= (first.atS + last.atS) / 2);
    const rises = last.lateS - middle.lateS > RISE_S && middle.lateS - first.lateS > RISE_S;
    if (rises && last.atS - first.atS > spanS / 2) return true;
    return nowS - this.#late[0].atS > LONG_S && this.#late.every(({ lateS }) => lateS > VERY_LATE_S);
  }
}
