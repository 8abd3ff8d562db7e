/** A challenge, computed beside the page: workers share the numbers, and tell how far they are. */

const WORKERS_MAX = 4;
const RETRY_MS = 2_000;

/**
 * @typedef {{challenge: string, salt: string, maxnumber: number, expires_at_s?: number}} Challenge
 */

/** Looks for the number that solves a challenge, until it is found or `stop` is called. */
export class Search {
  /** Numbers tried, of all and a second. */
  tried = 0;
  perS = 0;
  #workers = [];
  #done = () => {};
  #tried = [];
  #over = 0;

  /**
   * @param {Challenge} challenge @param {() => void} tell called when it has come further
   */
  constructor(challenge, tell) {
    this.maxnumber = challenge.maxnumber;
    const count = Math.max(1, Math.min(WORKERS_MAX, (navigator.hardwareConcurrency || 2) - 1));
    let first = null; // the first word of a worker: until then none may have been there to compute
    const hear = (k) => ({ data: { tried, solution, over } }) => {
      if (solution >= 0 || (over && ++this.#over === count)) return this.#end(solution);
      this.#tried[k] = tried;
      this.tried = this.#tried.reduce((sum, n) => sum + n, 0);
      const now = performance.now();
      first ??= { now, tried: this.tried };
      if (now > first.now) this.perS = (1_000 * (this.tried - first.tried)) / (now - first.now);
      tell();
    };
    /** @type {Promise<number>} the solution; -1 when it was stopped or cannot be computed here */
    this.solution = new Promise((done) => (this.#done = done));
    for (let k = 0; k < count; k++) this.#begin(k, 0, { challenge, first: k, step: count }, hear(k));
  }

  /** Seconds it will take yet, at most; half of that is the mean. */
  get leftS() { return this.perS ? Math.max(0, this.maxnumber - this.tried) / this.perS : NaN; }

  stop() { this.#end(-1); }

  #end(solution) {
    for (const worker of this.#workers.splice(0)) worker.terminate();
    this.#done?.(solution);
    this.#done = null;
  }

  /** A worker whose script could not be had is begun again: the door is busy. */
  #begin(k, tries, task, hear) {
    if (!this.#done) return;
    let worker;
    try {
      worker = new Worker(tries ? `/static/solver.js?${tries}` : "/static/solver.js");
    } catch {
      return this.#end(-1); // a browser without workers waits instead
    }
    this.#workers.push(worker);
    worker.onmessage = hear;
    worker.onerror = () => {
      worker.terminate();
      setTimeout(() => this.#begin(k, tries + 1, task, hear), RETRY_MS * (0.5 + Math.random()));
    };
    worker.postMessage(task);
  }
}
