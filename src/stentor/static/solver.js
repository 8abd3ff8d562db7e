/** A worker that looks for the number a challenge asks for: SHA-256 (FIPS 180-4) of salt + number. */

const PER_TURN = 20_000;
const K = new Uint32Array(64);
const START = new Uint32Array(8);

/** The first 32 bits of the fractional parts of roots of the first primes. */
function makeConstants() {
  const bits = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n && prime; d++) prime = n % d > 0;
    if (!prime) continue;
    if (found < 8) START[found] = bits(Math.sqrt(n));
    K[found++] = bits(Math.cbrt(n));
  }
}

const W = new Int32Array(64);

/** One block of 16 words, which stand in `W`, into `state`. */
function compress(/** @type {Int32Array} */ state) {
  for (let t = 16; t < 64; t++) {
    const x = W[t - 15];
    const y = W[t - 2];
    W[t] = (W[t - 16] + W[t - 7]
      + (((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3))
      + (((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10))) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < 64; t++) {
    const t1 = (h + (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7)))
      + ((e & f) ^ (~e & g)) + K[t] + W[t]) | 0;
    const t2 = ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10)))
      + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/** Puts a block of 64 bytes into `W`. */
function load(/** @type {Uint8Array} */ bytes, at = 0) {
  for (let t = 0; t < 16; t++, at += 4) {
    W[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
}

/** Tries numbers after one salt; what the salt fills whole blocks with is computed once. */
class Trial {
  constructor(/** @type {string} */ salt) {
    const text = new TextEncoder().encode(salt);
    const whole = text.length - (text.length % 64);
    this.before = Int32Array.from(START);
    for (let at = 0; at < whole; at += 64) {
      load(text, at);
      compress(this.before);
    }
    this.rest = text.subarray(whole);
    this.whole = whole;
    this.state = new Int32Array(8);
    this.block = new Uint8Array(128);
  }

  /** The digest of salt + number, in `state`. */
  digest(/** @type {number} */ number) {
    const { block, rest, state } = this;
    block.fill(0);
    block.set(rest);
    const digits = String(number);
    let length = rest.length;
    for (let k = 0; k < digits.length; k++) block[length++] = digits.charCodeAt(k);
    block[length] = 0x80;
    const bytes = length < 56 ? 64 : 128;
    const bits = 8 * (this.whole + length);
    for (let k = 0; k < 4; k++) block[bytes - 4 + k] = bits >>> (24 - 8 * k);
    state.set(this.before);
    for (let at = 0; at < bytes; at += 64) {
      load(block, at);
      compress(state);
    }
    return state;
  }
}

/** The digest in hexadecimal, as a challenge names it. */
function digestOf(/** @type {string} */ salt, /** @type {number} */ number) {
  return [...new Trial(salt).digest(number)].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Looks at every `step`th number; tells how far it is, and what it has found (-1: nothing). */
function* solve({ challenge, salt, maxnumber }, first, step) {
  const trial = new Trial(salt);
  const wanted = Int32Array.from(challenge.match(/.{8}/g), (word) => parseInt(word, 16));
  let tried = 0;
  for (let number = first; number <= maxnumber; number += step) {
    const found = trial.digest(number);
    if (found[0] === wanted[0] && found.every((word, k) => word === wanted[k])) {
      return { tried: tried + 1, solution: number };
    }
    if (++tried % PER_TURN === 0) yield { tried, solution: -1 };
  }
  return { tried, solution: -1, over: true };
}

makeConstants();
globalThis.onmessage = ({ data: { challenge, first, step } }) => {
  const search = solve(challenge, first, step);
  for (;;) {
    const { value, done } = search.next();
    postMessage(value);
    if (done) return;
  }
};
