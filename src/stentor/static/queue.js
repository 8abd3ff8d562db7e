/** A place in the line: how many are before it, how long that may take, when to look again. Pure. */

/** The door is looked at so often; near one's turn more often, and after faults less. */
const LOOK_S = 5;
const NEAR_S = 1.5;
const NEAR_TURN_S = 15;
const LOOK_MAX_S = 30;
const SPREAD = 0.25;
const STILL_LOOKS_MAX = 4;

/**
 * @typedef {{admitting_us: number, called?: number, called_per_s?: number, mark_per_s?: number,
 *   forecast?: [number, number][], doubt?: number, line?: [number, number][]}} Told what `/s/SPACE/admitting` says
 * @typedef {{low: number, likely: number, high: number}} Range seconds
 */

/** One person's place, and what is known of the way to the door. */
export class Place {
  /** People before it, as far as is known; null: it is not. */
  ahead = null;
  /** The share of the way that is behind it. */
  share = 0;
  #range = null;
  #aheadAtFirst = 0;
  #calledAtFirst = null;
  #markAtFirst = null;
  #stillLooks = 0;

  /** @param {{turn_us: number, ahead?: number, wait_s?: Range}} given what the door answered */
  constructor(given) {
    this.turnUs = given.turn_us;
    this.#aheadAtFirst = given.ahead ?? null;
    this.ahead = given.ahead ?? null;
    this.#range = given.wait_s ?? null;
  }

  /** Whether its turn has come. */
  isCalled(/** @type {Told} */ told) { return told.admitting_us >= this.turnUs; }

  /** The door has said how it stands. */
  look(/** @type {Told} */ told) {
    this.#markAtFirst ??= told.admitting_us;
    this.#calledAtFirst ??= told.called ?? null;
    const wayUs = this.turnUs - this.#markAtFirst;
    const leftUs = Math.max(0, this.turnUs - told.admitting_us);
    const share = wayUs > 0 ? 1 - leftUs / wayUs : 1;
    if (this.#aheadAtFirst !== null) {
      const gone = this.#calledAtFirst === null || told.called === undefined
        ? this.#aheadAtFirst * share : told.called - this.#calledAtFirst;
      // Nobody is told that the line has grown before them: it has not.
      this.ahead = Math.max(0, Math.min(this.ahead, Math.round(this.#aheadAtFirst - gone)));
    }
    // The line has this place in it as well.
    if (told.line) this.ahead = Math.max(0, Math.round(aheadOf(leftUs / 1e6, told.line)) - 1);
    this.share = Math.max(this.share, Math.min(1, share));
    this.#estimate(told, leftUs / 1e6);
  }

  #estimate(told, leftTurnS) {
    if (told.forecast?.length && this.ahead !== null && told.forecast.at(-1)[1] > 0) {
      const doubt = 1 + (told.doubt ?? 0.5);
      const [low, likely, high] = [this.ahead / doubt, this.ahead, this.ahead * doubt]
        .map((people) => secondsUntil(people, told.forecast));
      this.#range = { low, likely, high };
      return;
    }
    let likely = NaN;
    if (told.called_per_s !== undefined && this.ahead !== null) {
      if (told.called_per_s > 0) likely = this.ahead / told.called_per_s;
    } else if (told.mark_per_s > 0) likely = leftTurnS / told.mark_per_s;
    this.#stillLooks = Number.isFinite(likely) ? 0 : this.#stillLooks + 1;
    if (this.#stillLooks > STILL_LOOKS_MAX) this.#range = null; // nothing moves: nobody can say
    if (this.#stillLooks) return;
    // How sure one may be was the door's to say; else half as long to twice as long.
    const { low, likely: first, high } = this.#range ?? { low: 0.6, likely: 1, high: 1.8 };
    const spread = first > 0 ? [low / first, high / first] : [0.6, 1.8];
    this.#range = { low: likely * spread[0], likely, high: likely * spread[1] };
  }

  /** @returns {Range | null} seconds; null: nobody can say */
  get waitS() { return this.#range; }

  /** Seconds until the door is to be looked at again. `chance`: 0 to 1. */
  nextLookS(failures = 0, chance = Math.random()) {
    const near = this.#range && this.#range.likely < NEAR_TURN_S;
    const lookS = failures ? Math.min(LOOK_MAX_S, LOOK_S * 2 ** failures) : near ? NEAR_S : LOOK_S;
    return lookS * (1 - SPREAD + 2 * SPREAD * chance);
  }
}

/** How many wait whose turn is in less than so many seconds of turns after the mark. */
export function aheadOf(leftTurnS, /** @type {[number, number][]} */ line) {
  let [beforeS, before] = [0, 0];
  for (const [atS, people] of line) {
    if (leftTurnS <= atS) return before + (people - before) * (leftTurnS - beforeS) / Math.max(1, atS - beforeS);
    [beforeS, before] = [atS, people];
  }
  return before;
}

/** When so many will have been called, by the door's forecast; beyond its end, at its last pace. */
export function secondsUntil(people, /** @type {[number, number][]} */ forecast) {
  let beforeS = 0;
  let before = 0;
  for (const [atS, called] of forecast) {
    if (called >= people) {
      return beforeS + (atS - beforeS) * (people - before) / Math.max(1, called - before);
    }
    [beforeS, before] = [atS, called];
  }
  return beforeS * Math.max(1, people / Math.max(1, before));
}

/** A range as people say it: "about 2 to 4 minutes". */
export function rangeInWords(/** @type {Range | null} */ range) {
  if (!range || Number.isNaN(range.high)) return "";
  const low = Math.max(0, range.low);
  const high = Math.max(low, range.high);
  if (high < 12) return "a few seconds";
  if (high < 50) return "less than a minute";
  if (high < 100) return low < 40 ? "about a minute" : "one to two minutes";
  const [unit, size] = high < 5_400 ? ["minute", 60] : ["hour", 3600];
  const from = Math.max(1, Math.round(low / size));
  const to = Math.max(1, Math.ceil(high / size - 0.25));
  if (from >= to) return `about ${from === 1 && unit === "hour" ? "an" : to} ${unit}${to > 1 ? "s" : ""}`;
  return `about ${from} to ${to} ${unit}s`;
}
