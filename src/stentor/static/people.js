/** The people on the stage as the studio shows them: level, state, and what the host can do. */

import { barOf } from "./meter.js";
import { make } from "./seats.js";

const ROLES = { host: "Host", cohost: "Co-host", speaker: "Speaker" };

/** Whether `you` may do this to a seat; the stage has the last word. */
const mayMute = (you, seat) => you.role !== "speaker" && seat.role !== "host";
const mayRemove = (you, seat) => seat.role !== "host" &&
  (you.role === "host" || (you.role === "cohost" && seat.role === "speaker"));

/**
 * @param {HTMLElement} list @param {any[]} speakers the card's seats
 * @param {string[]} speaking who is heard @param {{role: string, speaker: string}} you
 * @param {(command: any, name: string) => void} direct
 */
export function drawPeople(list, speakers, speaking, you, direct) {
  const drawn = JSON.stringify(speakers);
  if (list.dataset.drawn !== drawn) {
    const focused = list.contains(document.activeElement) ? keyOf(document.activeElement) : null;
    list.dataset.drawn = drawn;
    list.replaceChildren(...speakers.map((seat) => drawPerson(seat, you, direct)));
    if (focused) keepFocus(list, focused);
  }
  for (const item of list.children) {
    item.classList.toggle("speaking", speaking.includes(item.dataset.speaker));
  }
}

/** What had the focus: a button of a seat, or the seat itself. */
function keyOf(/** @type {Element} */ element) {
  const speaker = element.closest("li")?.dataset.speaker ?? "";
  return { key: element.getAttribute("data-key") ?? "", speaker };
}

/**
 * A focus that is lost would land where the space bar mutes: it goes to the same button, else
 * to another of that seat, else to the seat, else to the list.
 */
function keepFocus(/** @type {HTMLElement} */ list, { key, speaker }) {
  const item = list.querySelector(`[data-speaker="${CSS.escape(speaker)}"]`);
  const next = item?.querySelector(`[data-key="${CSS.escape(key)}"]`) ?? item?.querySelector("button")
    ?? item ?? list;
  if (next === item || next === list) next.tabIndex = -1;
  next.focus();
}

function drawPerson(seat, you, direct) {
  const own = seat.id === you.speaker;
  const face = make("span", "face", [...seat.name.trim()][0]?.toUpperCase() ?? "");
  face.setAttribute("aria-hidden", "true");
  const role = ROLES[seat.role] ?? seat.role;
  const state = !seat.connected ? "not connected" : seat.muted ? "muted" : "on";
  const level = make("div", "bar", document.createElement("i"));
  level.setAttribute("aria-hidden", "true");
  const who = make("div", "", make("b", "", own ? `${seat.name} (you)` : seat.name), document.createElement("br"),
    make("small", "meta", `${role}, ${state}`), level);
  const does = make("div", "does");
  const button = (word, command, danger) => {
    const element = make("button", danger ? "danger" : "", word);
    element.type = "button";
    element.dataset.key = `${command}:${seat.id}`;
    element.setAttribute("aria-label", `${word} ${seat.name}`);
    element.addEventListener("click", () => direct({ command, speaker: seat.id }, seat.name));
    does.append(element);
  };
  if (!own && mayMute(you, seat) && !seat.muted) button("Mute", "speaker.mute", false);
  if (!own && mayRemove(you, seat)) button("Remove", "speaker.remove", true);
  const item = make("li", seat.connected ? "" : "away", face, who, does);
  item.dataset.speaker = seat.id;
  item.dataset.muted = seat.muted ? "yes" : "";
  return item;
}

/** Bars follow the voices; `levels` are dBFS by speaker. */
export function showLevels(/** @type {HTMLElement} */ list, /** @type {Record<string, number>} */ levels) {
  for (const item of list.children) {
    const db = item.dataset.muted ? -100 : levels[item.dataset.speaker] ?? -100;
    item.querySelector(".bar i").style.transform = `scaleX(${barOf(db).toFixed(2)})`;
  }
}
