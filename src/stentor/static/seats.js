/** Draws who sits on the stage, and who is heard just now. */

const SVG = "http://www.w3.org/2000/svg";
const ROLES = { host: "Host", cohost: "Co-host", speaker: "Speaker" };

/** An icon of the page's own set. */
export function icon(/** @type {string} */ name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "use"));
  svg.firstChild.setAttribute("href", `#i-${name}`);
  return svg;
}

/** An element with a class and content. */
export function make(/** @type {string} */ tag, /** @type {string} */ name, ...content) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...content);
  return element;
}

const initials = (name) => {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase();
};

/**
 * @param {HTMLElement} list @param {{id: string, name: string, role: string, muted?: boolean,
 *   connected?: boolean}[]} speakers @param {boolean} live whether being away means something
 */
export function drawSeats(list, speakers, live) {
  const drawn = JSON.stringify([speakers, live]);
  if (list.dataset.drawn === drawn) return;
  list.dataset.drawn = drawn;
  list.replaceChildren(...speakers.map((speaker) => {
    const away = live && !speaker.connected;
    const face = make("span", "face", initials(speaker.name));
    face.setAttribute("aria-hidden", "true");
    if (live && speaker.muted) face.append(icon("muted"));
    const role = ROLES[speaker.role] ?? speaker.role;
    const does = away ? "Reconnecting" : live && speaker.muted ? `${role}, muted` : role;
    const seat = make("li", `seat${away ? " away" : ""}`, face, make("b", "", speaker.name),
      make("small", "", does));
    seat.dataset.speaker = speaker.id;
    return seat;
  }));
}

/** Highlights those who are heard: `speakers` are their ids. */
export function showSpeaking(/** @type {HTMLElement} */ list, /** @type {string[]} */ speakers) {
  for (const seat of list.children) {
    seat.classList.toggle("speaking", speakers.includes(seat.dataset.speaker));
  }
}
