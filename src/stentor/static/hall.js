/** The waiting room as one sees it: place, wait, why, what happens next; closed doors; a challenge. */

import { Search } from "./challenge.js";
import { doubt, ladderSentence, reason, timeOfDay } from "./ladder.js";
import { Place, rangeInWords } from "./queue.js";
import { make } from "./seats.js";
import { nowS, on } from "./signals.js";

const CLOSED_LOOK_S = 12;
const AGAIN_S = 2;
const AGAIN_MAX_S = 20;
/** A device that would compute for so many times the other way in takes that one. */
const TOO_SLOW = 3;
const SPEAK_EVERY_S = 45;
const ROWS = 6;

const $ = (/** @type {string} */ id) => document.getElementById(id);
const put = (element, text) => element.textContent !== text && (element.textContent = text);
const never = new Promise(() => {});
const upper = (text) => text[0].toUpperCase() + text.slice(1);

/** What is before a door that does not let us in yet. */
export class Hall {
  #live; #space; #door;
  #panel = null;
  #place = null;
  #radio = null;
  #search = null;
  #wake = () => {};
  #failures = 0;
  #spokenAtS = -Infinity;
  #visits = 0;

  /** @param {any} live the player @param {string} space @param {import("./lease.js").Door} door */
  constructor(live, space, door) {
    this.#live = live;
    this.#space = space;
    this.#door = door;
    const sheet = make("link", "");
    sheet.rel = "stylesheet";
    sheet.href = "/static/entrance.css";
    document.head.append(sheet);
    on(document, "visibilitychange", () => document.hidden || this.#wake());
    on(window, "online pageshow", () => this.#wake());
    on(live, "state", () => {
      if (live.state === "playing") this.#hush();
      this.#drawButtons();
    });
  }

  /**
   * What the door has said becomes what is seen; resolves when it is to be asked again.
   * @param {any} told @returns {Promise<object>} what to ask with; never, when somebody leaves
   */
  async turn(told) {
    this.#open();
    const visit = this.#visits;
    const closed = told.status === 503 && told.recording_at_ms !== undefined;
    const act = told.status === 428 ? this.#compute : told.status === 202 ? this.#wait
      : closed ? this.#closed : this.#again;
    const body = await act.call(this, told);
    if (told.status === 202 || told.status === 428) this.#failures = 0;
    return visit === this.#visits ? body : never;
  }

  /** Let in, or left. */
  close() {
    if (!this.#panel) return;
    this.#visits++;
    this.#search?.stop();
    this.#keepFocus(() => this.#panel.remove());
    $("tiers").classList.remove("queue");
    this.#panel = this.#place = null;
    if (this.#live.state !== "connecting") this.#hush();
    this.#light(0);
    history.replaceState(null, "");
  }

  /** How the door stands, for those who have not asked yet. */
  look(/** @type {any} */ told) {
    if (this.#panel) return;
    const line = told.waiting > 0 && told.mode !== "open"
      ? `${told.waiting.toLocaleString()} people wait to be let in.` : "";
    this.#door.news = `${ladderSentence(told)} ${line}`.trim();
    this.#door.show();
  }

  // What the door may say ----------------------------------------------------------------------

  async #wait(told) {
    const before = this.#place;
    if (before?.turnUs !== told.turn_us) {
      this.#place = new Place(told);
      this.missed = before !== null;
      this.#spokenAtS = -Infinity;
    }
    const place = this.#place;
    const held = before === place; // our turn has come already, and still we were not let in
    this.#says(held ? "It is your turn. A place is being made free." : "You have a place. You are let in automatically.");
    this.#draw(told);
    if (held) await this.#nap((told.poll_after_s ?? 2) * (0.75 + Math.random() / 2));
    for (let failures = 0; ; ) {
      const door = await this.#ask();
      failures = door ? 0 : failures + 1;
      if (door) {
        place.look(door);
        this.#says("You have a place. You are let in automatically.");
        this.#draw(told, door);
        if (place.isCalled(door) || door.mode !== "places") return {};
      } else if (failures > 1) this.#says("No connection just now. Your place is kept.");
      await this.#nap(place.nextLookS(failures));
    }
  }

  async #closed(told) {
    this.#says("No new live listeners are let in now.");
    for (;;) {
      const door = await this.#ask();
      if (door && door.mode !== "closed") return {};
      this.#drawClosed({ ...told, ...door });
      await this.#nap(CLOSED_LOOK_S * (0.75 + Math.random() / 2));
    }
  }

  async #again(told) {
    this.#says(told.title ? `${told.title} Trying again by itself.`
      : "The door does not answer just now. Trying again by itself.");
    this.#fill("", null, "", "", "");
    const waitS = Math.min(AGAIN_MAX_S, AGAIN_S * 2 ** this.#failures++);
    await this.#nap(waitS * (0.5 + Math.random()));
    return {};
  }

  async #compute({ challenge, patience_s: patienceS = 20 }) {
    this.#says("One moment: your browser computes its way in.");
    const began = nowS();
    const draw = () => {
      const { tried, maxnumber, leftS } = search;
      this.#fill("", Math.min(1, tried / maxnumber),
        leftS > 0 ? `${upper(rangeInWords({ low: 0, likely: leftS / 2, high: leftS }))} at most.` : "",
        "So many want in that programs have to be kept from taking all places: each browser computes a " +
        "little first. Nothing about you is part of it.", "");
      if (nowS() - began > 3 && leftS > TOO_SLOW * patienceS) search.stop();
    };
    const search = (this.#search = new Search(challenge, draw));
    draw();
    this.#drawButtons(make("button", "", `Wait ${patienceS} s longer instead`), () => search.stop());
    const solution = await search.solution;
    this.#search = null;
    this.#drawButtons();
    return solution < 0 ? { patience: true } : { challenge: challenge.salt, solution };
  }

  /** How the door stands; null when it does not answer. */
  async #ask() {
    try {
      const answer = await fetch(`/s/${this.#space}/admitting`);
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  /** Until so many seconds have passed, or the page is seen again; a hidden page's timers are slow. */
  #nap(seconds) {
    return new Promise((done) => {
      const timer = setTimeout(done, seconds * 1_000);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  // What is seen -------------------------------------------------------------------------------

  #open() {
    if (this.#panel) return;
    this.ahead = make("b", "");
    this.of = make("span", "");
    this.way = make("div", "way", make("i", ""));
    this.way.role = "progressbar";
    this.way.ariaLabel = "How far you have come";
    this.expect = make("p", "expect");
    this.why = make("p", "meta");
    this.next = make("p", "meta");
    this.buttons = make("p", "row");
    this.spoken = make("p", "sr");
    this.spoken.role = "status";
    this.#panel = make("div", "wait", make("p", "ahead", this.ahead, this.of), this.way, this.expect,
      this.why, this.next, this.buttons, this.spoken);
    $("state").after(this.#panel);
    $("tiers").classList.add("queue");
    this.#spokenAtS = -Infinity;
    this.#door.news = "";
    this.#drawButtons();
    history.replaceState("waits", ""); // the page may be loaded again: it goes on waiting then
  }

  #says(sentence) {
    if (!this.#panel || this.#door.waits === sentence) return;
    this.#door.waits = sentence;
    this.#door.show();
  }

  #fill(ahead, share, expect, why, next) {
    if (!this.#panel) return;
    put(this.ahead, ahead);
    this.ahead.parentElement.hidden = !ahead;
    this.way.hidden = share === null;
    this.way.firstChild.style.transform = `scaleX(${(share ?? 0).toFixed(3)})`;
    this.way.ariaValueNow = String(Math.round(100 * (share ?? 0)));
    for (const [element, text] of [[this.expect, expect], [this.why, why], [this.next, next]]) {
      put(element, text);
      element.hidden = !text;
    }
  }

  #draw(told, door = told) {
    const { ahead, share, waitS } = this.#place;
    const words = rangeInWords(waitS);
    put(this.of, ahead === 0 ? "to be let in: nobody is ahead of you" : ahead === 1 ? " person is ahead of you"
      : " people are ahead of you");
    if (door.opens_us > door.at_ms * 1_000) {
      return this.#fill("", null, "Keep this page open.", drawnAt(door.opens_us / 1_000), "");
    }
    const trigger = door.step ? reason(door.why, door.figures) : "";
    const because = WHY[told.why] ?? (door.step >= 4 ? ladderSentence(door)
      : `${upper(trigger || crowd(door))}. ${doubt(door.step ? door.why : "")}`);
    const long = words && ahead !== 0 ? `${upper(words)}.` : ahead === 0 ? "As soon as a place is free."
      : "Nobody can say yet how long it takes.";
    const expect = `${long} Keep this page open.`;
    this.#fill(ahead === null ? "" : ahead === 0 ? "Next" : ahead.toLocaleString(), share,
      this.missed ? `Your turn passed while you were away: you have a new place, near the front. ${expect}` : expect,
      because, recordingIn(door.recording_at_ms));
    const mark = ahead ? `(${ahead.toLocaleString()}) ` : "";
    if (mark !== this.#door.mark) {
      this.#door.mark = mark;
      this.#door.show();
    }
    this.#light(share);
    this.#offerRadio(told.meanwhile);
    this.#speak(ahead, words, waitS);
  }

  #drawClosed(told) {
    const sentence = ladderSentence(told);
    this.#fill("", null, recordingIn(told.recording_at_ms) || "The recording will be here as soon as it is over.",
      sentence || "There is no room for more of them.",
      "Should there be room before that, you are let in automatically.");
    this.#light(0);
  }

  /** The rows fill from the outside as one's turn comes nearer. */
  #light(share) {
    [...$("tiers").querySelectorAll("path")].forEach((row, k) =>
      row.classList.toggle("lit", share > 0 && ROWS - 1 - k < share * ROWS));
  }

  /** Those who hear the page are told at first, and when the wait has become much shorter. */
  #speak(ahead, words, waitS) {
    const shorter = !(waitS?.likely > this.spokenS / 2);
    if (nowS() - this.#spokenAtS < SPEAK_EVERY_S || (this.#spokenAtS > 0 && !shorter)) return;
    this.#spokenAtS = nowS();
    this.spokenS = waitS?.likely ?? Infinity;
    if (ahead === 0) return put(this.spoken, "You are next.");
    const before = ahead === null ? "" : `${ahead.toLocaleString()}${this.of.textContent}. `;
    put(this.spoken, before + (words && `${upper(words)}.`));
  }

  #drawButtons(button = null, act = () => {}) {
    if (!this.#panel || (this.#search && !button)) return;
    if (!button && ["idle", "paused"].includes(this.#live.state)) {
      // Loaded again: browsers give sound to those who press.
      button = make("button", "primary", "Turn the sound on");
      act = () => this.#live.start();
    }
    if (button) on(button, "click", act);
    this.#keepFocus(() => this.buttons.replaceChildren(...[button, this.radioButton].filter(Boolean)));
  }

  /** A focus that falls with its button goes to the one that is always there. */
  #keepFocus(act) {
    const had = this.#panel.contains(document.activeElement);
    act();
    if (had && !document.activeElement?.closest(".wait")) $("listen").focus();
  }

  // Meanwhile ----------------------------------------------------------------------------------

  /** While others have room to spare, who waits may hear it all the same, some seconds behind. */
  #offerRadio(address) {
    if (Boolean(address) === Boolean(this.radioButton)) return;
    this.radioButton = address ? make("button", "", "Listen to the radio stream meanwhile") : null;
    if (address) on(this.radioButton, "click", () => this.#toggleRadio(address));
    else this.#hush();
    this.#drawButtons();
  }

  #toggleRadio(address) {
    if (this.#radio) return this.#hush();
    this.#radio = new Audio(address);
    this.#radio.volume = $("audio").volume;
    this.#radio.play().catch(() => this.#hush());
    on(this.#radio, "error", () => this.#hush());
    this.radioButton.textContent = "Stop the radio stream";
  }

  #hush() {
    if (!this.#radio) return;
    const radio = this.#radio;
    this.#radio = null;
    radio.removeAttribute("src");
    radio.load();
    if (this.radioButton) this.radioButton.textContent = "Listen to the radio stream meanwhile";
  }
}

/** What the door may say of one person's wait. */
const WHY = {
  share: "Many come from your network just now: places are shared out between networks while people wait.",
  patience: "You wait instead of computing.",
  lapsed: "Your turn passed twice while this page could not be reached: it is a new place.",
};

const crowd = ({ listeners = 0, capacity = 0 }) => capacity && listeners > 0.95 * capacity
  ? `All places are taken (${capacity.toLocaleString()}), and each that becomes free goes to the next in line`
  : "More people come at once than can be let in at once";

const drawnAt = (atMs) => `The doors open at ${timeOfDay(atMs)}. Whoever is here by then is let in in an ` +
  "order that is drawn by lot: seconds make no difference.";

const recordingIn = (atMs) => atMs
  ? `The recording will be here, at this address, at about ${timeOfDay(atMs)}.` : "";
