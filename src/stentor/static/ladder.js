/** What the ladder does to everybody, and why, in sentences. Pure. */

/** What a step means for those who listen, and for those who come. */
const STEPS = [
  "",
  "The sound is a little further behind for everyone",
  "Newcomers are asked for a small computation",
  "Audio quality is reduced for everyone",
  "Audio quality is reduced for everyone, and newcomers are let in slowly",
  "Audio quality is reduced for everyone, and no new live listeners are let in",
];

/** The time of day, as the reader says it. */
export const timeOfDay = (/** @type {number} */ ms) =>
  new Date(ms).toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });

const share = (value) => (value > 0 ? ` at ${Math.round(value * 100)} %` : "");
const few = (value) => Number(value.toFixed(value < 10 ? 1 : 0)).toLocaleString();

/**
 * Why, as a part of a sentence; "" when nothing is known.
 * @param {string} why a trigger @param {Record<string, number>} figures
 */
export function reason(why, figures = {}) {
  const figure = Object.values(figures)[0] ?? 0;
  return {
    arrivals: figure ? `${few(figure)} × the expected arrivals` : "more people come than expected",
    cpu: `the processors are${share(figure) || " busy"}`,
    gate: `the door's processors are${share(figure) || " busy"}`,
    lateness: figure ? `sound was sent ${Math.round(figure)} ms late` : "sound was sent late",
    egress: `the network is${share(figure) || " nearly full"}`,
    descriptors: "nearly all connections are in use",
    memory: `memory is${share(figure) || " nearly full"}`,
    capacity: figure ? `${few(figure)} × as many listeners as can be held` : "all places are taken",
    calm: "the load is easing",
    host: "the host has decided so",
    operator: "the operator has decided so",
  }[why] ?? "";
}

/** Nobody can tell by looking at a door, and nobody shall pretend to. */
export const doubt = (/** @type {string} */ why) => why === "arrivals"
  ? "Whether it is a crowd or an attack is not known." : "";

/**
 * "Audio quality is reduced for everyone since 20:03: 3.1 × the expected arrivals."
 * @param {{step?: number, since_ms?: number, why?: string, figures?: Record<string, number>}} told
 */
export function ladderSentence({ step = 0, since_ms: sinceMs = 0, why = "", figures }) {
  if (!STEPS[step]) return "";
  const since = sinceMs ? ` since ${timeOfDay(sinceMs)}` : "";
  const because = [STEPS[step] + since, reason(why, figures)].filter(Boolean).join(": ");
  return `${because}. ${doubt(why)}`.trim();
}
