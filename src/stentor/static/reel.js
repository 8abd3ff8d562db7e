/** Sound around the playhead, from runs that are fetched one by one; holes are passed over. */

import { on } from "./signals.js";

const AHEAD_S = 30;
/** Answers that will be no better for being asked for again. */
const FINAL = new Set([404, 409, 410, 416]);

/**
 * An answer, from a server that may be away for a moment.
 * @param {string} address @param {RequestInit} options
 */
export async function ask(address, options) {
  for (let failures = 0; ; failures++) {
    try {
      const answer = await fetch(address, options);
      if (answer.ok || FINAL.has(answer.status)) return answer;
    } catch (error) {
      if (options.signal?.aborted) throw error;
    }
    const waitMs = Math.min(5_000, 250 * 2 ** failures) * (0.5 + Math.random());
    await new Promise((done) => setTimeout(done, waitMs));
  }
}

/**
 * @typedef {{fromS: number, endS: number}} Run
 * @typedef {{at(k: number): Run | undefined, indexAt(seconds: number): number,
 *   read(k: number, signal: AbortSignal): Promise<Uint8Array | null>}} Runs `read` gives null for
 *   what was never recorded
 */

/** Keeps a deck filled; the owner asks it to at every change of the playhead. */
export class Reel {
  #deck;
  #runs;
  /** Runs that were appended: what is still missing there is a hole. */
  #appended = new Set();
  #fetching = null;

  /** @param {import("./deck.js").Deck} deck @param {Runs} runs */
  constructor(deck, runs) {
    this.#deck = deck;
    this.#runs = runs;
    on(deck, "broken shrunk", () => this.sought());
  }

  /** The playhead was moved: the browser may have dropped what was appended. */
  sought() { this.#appended.clear(); }

  stop() {
    this.#fetching?.abort();
    this.#fetching = null;
  }

  /**
   * Fetches the next run that is missing from `nowS` on, one at a time.
   * @returns {{onS: number, whole: boolean}} where the sound goes on after a hole, or -1; whether
   *   there is nothing more to fetch
   */
  fill(nowS) {
    const onS = this.#afterHole(nowS);
    if (onS > nowS || this.#deck.busy) return { onS, whole: false };
    if (this.#fetching) {
      const { fromS, endS } = this.#fetching.run;
      if (nowS >= fromS - AHEAD_S && nowS < endS) return { onS: -1, whole: false };
      this.stop();
    }
    for (let k = this.#runs.indexAt(nowS + 0.05); ; k++) {
      const run = this.#runs.at(k);
      if (!run) return { onS: -1, whole: true };
      if (run.fromS > nowS + AHEAD_S) return { onS: -1, whole: false };
      if (this.#appended.has(k)) continue;
      if (this.#deck.heldUntil(Math.max(run.fromS, nowS)) > run.endS - 0.05) continue;
      this.#fetch(k, run);
      return { onS: -1, whole: false };
    }
  }

  /** Where the sound goes on after a hole that the recording itself has, or -1. */
  #afterHole(nowS) {
    // Browsers stop short of the edge of what they have.
    const marginS = this.#deck.audio.readyState < 3 ? 0.5 : 0.05;
    const k = this.#runs.indexAt(nowS + marginS);
    const run = this.#runs.at(k);
    if (!run || !this.#appended.has(k) || this.#deck.busy) return -1;
    if (this.#deck.heldUntil(nowS) > nowS + marginS) return -1;
    const [startS] = this.#deck.rangeAt(nowS + 0.06, Infinity) ?? [Infinity];
    return startS > nowS && startS < run.endS ? startS : this.#runs.at(k + 1) ? run.endS : -1;
  }

  async #fetch(k, run) {
    const fetching = Object.assign(new AbortController(), { run });
    this.#fetching = fetching;
    try {
      const bytes = await this.#runs.read(k, fetching.signal);
      if (this.#fetching !== fetching) return;
      this.#fetching = null;
      this.#appended.add(k);
      if (bytes?.length) this.#deck.append(bytes);
      else this.#deck.tell("fed");
    } catch (error) {
      if (this.#fetching === fetching) this.#fetching = null;
      if (error.name !== "AbortError") throw error;
    }
  }
}
