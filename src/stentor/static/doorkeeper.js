/** The door as those who direct see it: who listens, who waits, the ladder, and a hand on it. */

import { Refusal, ask } from "./backstage.js";
import { doubt, reason, timeOfDay } from "./ladder.js";

const LOOK_MS = 2_500;
const $ = (/** @type {string} */ id) => document.getElementById(id);

/** The ladder's steps: a name, and what it does. */
const STEPS = [
  ["Normal", "Everybody is let in as long as there is room."],
  ["Longer cadence", "The sound goes out less often, and is up to two seconds further behind."],
  ["Challenge", "Newcomers' browsers compute for a moment before they come in."],
  ["Low rendition", "Everybody hears the low quality."],
  ["Waiting room", "Newcomers wait, and half as many as usual are let in. Everybody hears the low quality."],
  ["Closed", "Nobody new is let in. Those who come are told when the recording will be here."],
];
const SURE = {
  4: ["Make newcomers wait?", "Half as many as usual are let in. Those who listen go on, in low quality.",
    "Make them wait"],
  5: ["Let nobody in any more?", "Those who listen go on, in low quality. Whoever comes now can only " +
    "have the recording.", "Close the door"],
};
const FIGURES = { busy: "Processors", late_ms: "Late by", egress_used: "Network", descriptors_used: "Connections",
  memory_used: "Memory", listeners_per_capacity: "Places taken", arrivals_per_expected: "Arrivals per expected",
  gate_busy: "The door's processors" };

/**
 * Shows how the door stands until `signal`.
 * @param {string} space @param {{token: string, role: string}} seat
 * @param {(title: string, says: string, yes: string) => Promise<boolean>} confirmed
 * @param {(sentence: string) => void} alarm @param {AbortSignal} signal
 */
export function keepDoor(space, seat, confirmed, alarm, signal) {
  $("rungs").replaceChildren(...STEPS.map(([name], step) => {
    const rung = document.createElement("li");
    rung.textContent = String(step);
    rung.title = name;
    return rung;
  }));
  $("step").replaceChildren(new Option("Automatic: load decides", ""),
    ...STEPS.map(([name], step) => new Option(`Always ${step}: ${name.toLowerCase()}`, String(step))));
  const choice = /** @type {HTMLSelectElement} */ ($("step"));
  let chosen = false;
  let timer = 0;

  async function force(step) {
    if (SURE[step] && !(await confirmed(...SURE[step]))) return;
    $("force").disabled = true;
    try {
      await ask(`/s/${space}/ladder`, seat.token, { step });
      alarm("");
      $("door-done").textContent = step === null ? "Load decides again within a few seconds."
        : `Step ${step} is set: it takes effect within a few seconds.`;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      alarm(error.message);
    }
    $("force").disabled = chosen = false;
    clearTimeout(timer);
    look();
  }
  choice.addEventListener("change", () => (chosen = true), { signal });
  $("force").addEventListener("click", () => force(choice.value === "" ? null : Number(choice.value)), { signal });

  async function look() {
    if (signal.aborted) return;
    try {
      if (!document.hidden) {
        const answer = await fetch(`/s/${space}/admitting`, { cache: "no-store" });
        if (answer.ok) {
          const told = await answer.json();
          show(told);
          // What is chosen and not set yet stays chosen.
          if (!chosen && document.activeElement !== choice) choice.value = told.why === "host" ? String(told.step ?? 0) : "";
        }
      }
    } catch {
      // the door is away for a moment: what is shown was true a moment ago
    }
    timer = setTimeout(look, LOOK_MS * (0.75 + Math.random() / 2));
  }
  look();
}

/** @param {any} told what `/s/SPACE/admitting` says */
function show(told) {
  const { step = 0, since_ms: sinceMs = 0, why = "", figures = {}, mode = "open" } = told;
  $("house").hidden = false;
  const [name, does] = STEPS[step] ?? STEPS[0];
  const forced = why === "host" || why === "operator";
  put("step-name", step || forced ? `Step ${step}: ${name.toLowerCase()}` : name);
  put("step-since", (step || forced) && sinceMs ? `since ${timeOfDay(sinceMs)}` : "");
  const line = step < 4 && mode === "places" ? "Newcomers wait for a place." : "";
  const because = why === "host" ? "The host has set it." : why === "operator" ? "The operator has set it."
    : step && reason(why, figures);
  put("step-does", [step || !line ? does : "", line, because && !forced ? `Why: ${because}.` : because, step ? doubt(why) : ""]
    .filter(Boolean).join(" "));
  put("count-listening", (told.listeners ?? 0).toLocaleString());
  put("count-waiting", (told.waiting ?? 0).toLocaleString());
  put("count-capacity", told.capacity ? told.capacity.toLocaleString() : "–");
  const rest = Object.entries(figures).filter(([key]) => FIGURES[key]);
  put("step-figures", step && rest.length > 1 ? rest.map(([key, value]) => `${FIGURES[key]} ${inWords(key, value)}`).join(" · ") : "");
  [...$("rungs").children].forEach((rung, k) => {
    rung.classList.toggle("on", k > 0 && k <= step);
    if (k === step) rung.setAttribute("aria-current", "step");
    else rung.removeAttribute("aria-current");
  });
}

function inWords(key, value) {
  if (key.includes("_per_")) return `${value.toFixed(1)} ×`;
  return key.endsWith("_ms") ? `${Math.round(value)} ms` : `${Math.round(100 * value)} %`;
}

function put(/** @type {string} */ id, /** @type {string} */ text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}
