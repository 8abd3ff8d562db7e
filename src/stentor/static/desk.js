/** The desk of one speaker on the stage: own voice, programme, connection. */

import { Refusal, ask, follow } from "./backstage.js";
import { DEVICE_KEY, MicrophoneError, PROCESSING_KEY, barOf, listMicrophones, openMicrophone }
  from "./meter.js";
import { forBrowser, forTab } from "./kept.js";
import { keepDoor } from "./doorkeeper.js";
import { drawPeople, showLevels } from "./people.js";
import { clockTime, wholeTime } from "./time.js";
import { Publisher } from "./whip.js";

const $ = (/** @type {string} */ id) => document.getElementById(id);
const BADGES = { scheduled: "Doors closed", doors: "Doors open", live: "Live", ended: "Ended" };
const NEXT = {
  scheduled: "Only the stage is here. Open the doors and listeners can wait inside.",
  doors: "Listeners can wait inside. They hear you from the start on.",
  live: "You are live. Listeners hear you about half a second later.",
};
const HEARD_DB = -45;
/** So long may the stage's word on our mute differ from ours before one of the two gives in. */
const APART_MS_MAX = 1_500;

/** Everything on the stage's screen; `ended` resolves to a Refusal, "over" or "left". */
export class Desk {
  #space; #seat; #confirmed; #publisher; #microphone; #meter; #finish; #wakeLock; #timer;
  #gone = new AbortController();
  #card = null;
  #speaking = [];
  #levels = {};
  #muted;
  #streams = true;
  #telling = false;
  #apartSinceMs = Infinity;
  #quietSinceMs = performance.now();
  #unplugged = false;

  /**
   * @param {string} space @param {{token: string, speaker: string, role: string,
   *   microphone: MediaStream, meter: any}} seat
   * @param {(title: string, says: string, yes: string) => Promise<boolean>} confirmed
   */
  constructor(space, seat, confirmed) {
    this.#space = space;
    this.#seat = seat;
    this.#confirmed = confirmed;
    this.#microphone = seat.microphone;
    this.#meter = seat.meter;
    this.#muted = forTab.get(`stentor.muted.${space}`) === "yes";
    this.ended = new Promise((done) => (this.#finish = done));
    this.#publisher = new Publisher(space, seat.token, $("others"));
    this.#publisher.muted = this.#muted;
    this.#publisher.addEventListener("state", () => this.#showLine());
    this.#wire();
    this.#use(seat.microphone);
    follow(space, seat.token, (line) => this.#hear(line), (connected) => {
      this.#streams = connected;
      this.#showLine();
    }, this.#gone.signal).then((refusal) => {
      if (refusal) this.#close(refusal.code === "space.ended" ? "over" : refusal);
    });
    if (seat.role !== "speaker") keepDoor(space, seat, confirmed, (sentence) => this.#alarm(sentence), this.#gone.signal);
    this.#timer = setInterval(() => this.#tick(), 100);
    this.#stayAwake();
    globalThis.stentor = this.#debugFace();
  }

  #close(why) {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort();
    clearInterval(this.#timer);
    this.#publisher.leave(why === "left");
    this.#microphone.getTracks().forEach((track) => track.stop());
    this.#wakeLock?.release().catch(() => {});
    this.#finish(why);
  }

  // What comes from the stage ------------------------------------------------------------------

  #hear(line) {
    if (line.type === "state") return this.#state(line.card);
    if (line.type === "levels") {
      this.#levels = line.levels;
      return showLevels($("people"), line.levels);
    }
    if (line.type === "speaking") this.#speaking = line.speakers;
    const own = line.speaker === this.#seat.speaker;
    if (line.type === "speaker.muted" && own && line.by !== line.speaker) {
      this.#setMuted(true); // our own words come back too, perhaps after we have changed our mind
      this.#alarm("The host has muted you. You can unmute yourself.");
    }
    if (line.type === "speaker.removed" && own) {
      this.#close(new Refusal({ code: "speaker.removed", title: "You cannot come back to this stage." }, 403));
    }
    if (line.type === "speaker.joined") this.#say(`${line.name} joined.`);
    if (line.type === "space.started") this.#say("The Space is live.");
    this.#people();
  }

  #state(card) {
    const was = this.#card?.phase;
    this.#card = card;
    if (["ended", "replay", "withdrawn", "deleted", "cancelled"].includes(card.phase)) return this.#close("over");
    if (was && was !== card.phase && card.phase === "doors") this.#say("The doors are open.");
    document.title = `${card.phase === "live" ? "● " : ""}${card.title} - Studio`;
    $("badge").textContent = BADGES[card.phase];
    $("badge").classList.toggle("live", card.phase === "live");
    $("recording").hidden = card.phase !== "live";
    $("title").textContent = card.title;
    const leads = this.#seat.role !== "speaker";
    $("direction").hidden = $("inviting").hidden = !leads;
    $("guest-role-field").hidden = this.#seat.role !== "host";
    $("next").textContent = card.notice || NEXT[card.phase];
    const waits = ["scheduled", "doors"].includes(card.phase) && card.starts_at_ms > 0;
    $("starting").hidden = !waits;
    $("itself").hidden = card.starts_at_ms < Date.now();
    $("itself").textContent = card.starts_itself ? "Do not start by itself" : "Start by itself then";
    $("start").textContent = waits && card.starts_itself ? "Start now" : "Start";
    const focused = document.activeElement;
    $("doors").hidden = card.phase !== "scheduled";
    $("start").hidden = card.phase === "live";
    $("end").hidden = card.phase !== "live" && this.#seat.role !== "host";
    $("end").textContent = card.phase === "live" ? "End…" : "Call off…";
    // A focus that falls off a button would land where the space bar mutes.
    if (focused?.hidden) $(card.phase === "live" ? "end" : "start").focus();
    this.#showLine();
    this.#people();
  }

  #people() {
    const { role, speaker } = this.#seat;
    drawPeople($("people"), this.#card?.speakers ?? [], this.#speaking, { role, speaker },
      (command, name) => this.#direct(command, name));
  }

  async #direct(command, name) {
    if (command.command === "speaker.remove" && !(await this.#confirmed(`Remove ${name}?`,
      "They are out at once and cannot come back with their link.", "Remove"))) return;
    await this.#command(command);
  }

  /** @returns {Promise<any>} the answer, or null when it was refused (and said) */
  async #command(command, say = (/** @type {string} */ sentence) => this.#alarm(sentence)) {
    try {
      const answer = await ask(`/stage/${this.#space}/commands`, this.#seat.token, command);
      say("");
      return answer;
    } catch (error) {
      say(error.message);
      return null;
    }
  }

  // Own voice ----------------------------------------------------------------------------------

  async #use(stream) {
    const [track] = stream.getAudioTracks();
    this.#microphone = stream;
    this.#unplugged = false;
    track.addEventListener("ended", () => this.#lostMicrophone());
    this.#meter.listen(stream);
    await this.#publisher.send(track);
    if (this.#gone.signal.aborted) return;
    this.#showMute();
    await listMicrophones($("device-live"), track.getSettings().deviceId);
  }

  /** Unplugged: the system's default takes over; when there is none, we wait for one. */
  async #lostMicrophone() {
    this.#unplugged = true;
    this.#alarm("Your microphone is gone. Looking for another one.");
    await this.#reopen("");
  }

  async #reopen(deviceId) {
    if (this.#gone.signal.aborted) return;
    try {
      const stream = await openMicrophone(deviceId);
      // Asking may take as long as a person thinks, and they may have left meanwhile.
      if (this.#gone.signal.aborted) return stream.getTracks().forEach((track) => track.stop());
      this.#microphone.getTracks().forEach((track) => track.stop());
      await this.#use(stream);
      this.#alarm("");
      this.#say(`Microphone: ${stream.getAudioTracks()[0].label}`);
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      this.#alarm(error.message);
    }
  }

  /** Here at once, and at the stage, which then sends our voice to nobody. */
  async #toggleMute() {
    this.#setMuted(!this.#muted);
    this.#say(this.#muted ? "You are muted." : "Your microphone is on.");
    await this.#tellMute();
  }

  /** One command at a time, until the last wish was told. */
  async #tellMute() {
    if (this.#telling) return;
    this.#telling = true;
    let told;
    let answer;
    do {
      told = this.#muted;
      const command = told ? "speaker.mute" : "speaker.unmute";
      answer = await this.#command({ command, speaker: this.#seat.speaker });
    } while (answer && told !== this.#muted && !this.#gone.signal.aborted);
    this.#telling = false;
    this.#apartSinceMs = Infinity;
    if (!answer && !this.#muted) this.#setMuted(true); // nobody would hear us
  }

  /** Muted is whom either side calls muted: no microphone opens without its person's press. */
  #agree() {
    const seat = this.#card?.speakers?.find(({ id }) => id === this.#seat.speaker);
    const apart = seat && this.#streams && !this.#telling && Boolean(seat.muted) !== this.#muted;
    if (!apart) this.#apartSinceMs = Infinity;
    else if (this.#apartSinceMs === Infinity) this.#apartSinceMs = performance.now();
    if (performance.now() - this.#apartSinceMs < APART_MS_MAX || !apart) return;
    this.#apartSinceMs = Infinity;
    if (this.#muted) this.#tellMute();
    else {
      this.#setMuted(true);
      this.#say("You are muted.");
    }
  }

  #setMuted(muted) {
    this.#muted = this.#publisher.muted = muted;
    forTab.set(`stentor.muted.${this.#space}`, muted ? "yes" : "no");
    this.#showMute();
  }

  #showMute() {
    $("mute").setAttribute("aria-pressed", String(this.#muted));
    $("mute-word").textContent = this.#muted ? "Unmute" : "Mute";
    $("mute-icon").setAttribute("href", this.#muted ? "#i-muted" : "#i-mic");
    this.#showLine();
  }

  // What is shown ------------------------------------------------------------------------------

  #showLine() {
    const { state, blocked, problem } = this.#publisher;
    const trouble = !this.#streams || state === "reconnecting" || state === "connecting";
    let line = trouble ? "Connecting…" : "Connected to the stage.";
    if (state === "refused") {
      line = "";
      if (problem?.code === "space.ended") return this.#close("over");
      this.#close(new Refusal(problem ?? { code: "", title: "The stage refused." }, 403));
    } else if (problem?.code === "speaker.already") {
      line = "You are on this stage from another window. Close it; this one takes over by itself.";
    } else if (blocked) {
      line = "No sound gets through to the stage. UDP ports 40000-40199 of this server must be " +
        "open, and your network must let UDP out. Trying again by itself.";
    } else if (problem) line = `${problem.title} Trying again by itself.`;
    else if (state === "reconnecting") line = "Connection lost. Coming back by itself.";
    if ($("line").textContent !== line) {
      $("line").textContent = line;
      this.#say(line);
    }
    $("line").classList.toggle("error", blocked || Boolean(problem));
    const on = state === "connected";
    $("mute-says").textContent = this.#muted ? "You are muted. Nobody hears you."
      : on ? (this.#card?.phase === "live" ? "Your microphone is on." : "The others on stage hear you.")
        : "Your voice is not getting through yet.";
    const focused = document.activeElement;
    $("hear").hidden = !(on && $("others").paused);
    if (focused === $("hear") && $("hear").hidden) $("mute").focus();
  }

  #tick() {
    this.#agree();
    const db = this.#muted ? -100 : this.#meter.db;
    $("ring").style.setProperty("--level", barOf(db).toFixed(2));
    if (this.#muted || db > HEARD_DB) this.#quietSinceMs = performance.now();
    const card = this.#card;
    $("clock").textContent = card?.phase === "live"
      ? clockTime((Date.now() - card.started_at_ms) / 1000) : "";
    if (card && !$("starting").hidden) this.#sayStart(card);
    if (performance.now() - this.#quietSinceMs > 20_000) {
      this.#quietSinceMs = Infinity;
      this.#say("Your microphone is on but silent.");
    }
  }

  #sayStart({ starts_at_ms: startsAtMs, starts_itself: itself }) {
    const leftS = (startsAtMs - Date.now()) / 1000;
    const away = leftS < 3600 ? `in ${clockTime(leftS)}` : wholeTime(startsAtMs);
    const says = leftS < 0 ? "It is announced to have begun by now."
      : itself ? `It starts by itself ${away}, ready or not.` : `It is announced to start ${away}; you press Start.`;
    if ($("starting-says").textContent !== says) $("starting-says").textContent = says;
  }

  #say(sentence) { if ($("say").textContent !== sentence) $("say").textContent = sentence; }

  #alarm(sentence) {
    $("alarm").textContent = sentence;
    $("alarm").hidden = !sentence;
  }

  async #stayAwake() {
    if (document.visibilityState !== "visible" || !navigator.wakeLock) return;
    try {
      this.#wakeLock = await navigator.wakeLock.request("screen");
      if (this.#gone.signal.aborted) await this.#wakeLock.release();
    } catch {
      this.#wakeLock = null; // a battery saver may say no; the sound goes on all the same
    }
  }

  // Presses ------------------------------------------------------------------------------------

  #wire() {
    const { signal } = this.#gone;
    const on = (id, act, type = "click") => $(id).addEventListener(type, act, { signal });
    on("mute", () => this.#toggleMute());
    on("hear", () => $("others").play().then(() => this.#showLine()));
    on("doors", () => this.#command({ command: "doors.open" }));
    on("start", () => this.#start());
    on("end", () => this.#end());
    on("edit", () => this.#edit());
    on("itself", () => this.#command({ command: "space.update", starts_itself: !this.#card.starts_itself }));
    on("leave", () => this.#leave());
    on("copy", () => this.#copy());
    on("edit-cancel", () => $("editing").close("no"));
    on("invite", (press) => this.#invite(press), "submit");
    on("loudness", () => ($("others").volume = Number($("loudness").value)), "input");
    $("processing").checked = forBrowser.get(PROCESSING_KEY) !== "off";
    on("processing", () => {
      forBrowser.set(PROCESSING_KEY, $("processing").checked ? "on" : "off");
      this.#reopen($("device-live").value);
    }, "change");
    on("device-live", () => {
      forBrowser.set(DEVICE_KEY, $("device-live").value);
      this.#reopen($("device-live").value);
    }, "change");
    navigator.mediaDevices.addEventListener("devicechange", () => {
      if (this.#unplugged) this.#reopen("");
      else listMicrophones($("device-live"), $("device-live").value);
    }, { signal });
    document.addEventListener("visibilitychange", () => this.#stayAwake(), { signal });
    document.addEventListener("keydown", (press) => {
      const busy = press.target.closest?.("input, textarea, select, button, a, summary, dialog, [tabindex]");
      const wanted = (press.key === " " && !busy) || (press.key.toLowerCase() === "m" &&
        !press.target.closest?.("input, textarea, select, dialog"));
      if (!wanted || press.repeat || press.ctrlKey || press.metaKey || press.altKey) return;
      press.preventDefault();
      this.#toggleMute();
    }, { signal });
  }

  async #start() {
    const heard = (this.#card?.speakers ?? []).some(({ connected, muted }) => connected && !muted);
    if (!heard && !(await this.#confirmed("Start in silence?",
      "Nobody on stage can be heard: microphones are muted or not connected.", "Start anyway"))) return;
    await this.#command({ command: "space.start" });
  }

  async #end() {
    if (this.#card?.phase !== "live") {
      if (await this.#confirmed("Call the Space off?",
        "It will not take place. Its page says that you have cancelled it, and nothing is recorded.", "Call it off")) {
        // Begun meanwhile, it is not ended by this.
        if (this.#card?.phase !== "live") await this.#command({ command: "space.end" });
      }
      return;
    }
    if (await this.#confirmed("End the Space?",
      "It ends for everybody, for good, and the recording becomes public at once.", "End it")) {
      await this.#command({ command: "space.end" });
    }
  }

  async #leave() {
    const last = (this.#card?.speakers ?? []).filter(({ connected }) => connected).length < 2;
    if (last && this.#card?.phase === "live" && !(await this.#confirmed("Leave the stage?",
      "You are the last one on it; listeners hear silence until somebody comes back.", "Leave"))) return;
    await this.#command({ command: "speaker.leave" });
    this.#close("left");
  }

  #edit() {
    const dialog = /** @type {HTMLDialogElement} */ ($("editing"));
    $("edit-name").value = this.#card.title;
    $("edit-about").value = this.#card.description ?? "";
    dialog.returnValue = "no";
    dialog.showModal();
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return;
      this.#command({ command: "space.update", title: $("edit-name").value,
        description: $("edit-about").value });
    }, { once: true });
  }

  async #invite(press) {
    press.preventDefault();
    const answer = await this.#command({ command: "invite.create", name: $("guest").value.trim(),
      role: $("guest-role").value }, (sentence) => ($("invite-error").textContent = sentence));
    if (!answer) return;
    $("link").value = `${location.origin}/studio/${this.#space}#invite=${answer.invite}`;
    $("invited").hidden = false;
    $("copy").textContent = navigator.share ? "Share" : "Copy";
    $("link").select();
    this.#say("The link is ready.");
  }

  async #copy() {
    const url = $("link").value;
    try {
      if (navigator.share) await navigator.share({ title: this.#card.title, url });
      else await navigator.clipboard.writeText(url);
      if (!navigator.share) $("copy").textContent = "Copied";
    } catch {
      $("link").select(); // the person copies by hand
    }
  }

  /** What tests and measurements read. */
  #debugFace() {
    const desk = this;
    return {
      get state() { return desk.#publisher.state; },
      get publishes() { return desk.#publisher.publishes; },
      get muted() { return desk.#muted; },
      get levels() { return desk.#levels; },
      get card() { return desk.#card; },
    };
  }
}
