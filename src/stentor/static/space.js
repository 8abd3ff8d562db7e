/** The listener's page: one address that waits, plays and replays. */

import { AAC, Deck, OPUS, Source, plays } from "./deck.js";
import { LivePlayer } from "./player.js";
import { nowS, on } from "./signals.js";
import { clockTime, relativeTime, wholeTime } from "./time.js";
import { drawSeats, showSpeaking } from "./seats.js";

const $ = (id) => document.getElementById(id);
const audio = $("audio");
let card = JSON.parse($("card").textContent);
let speaking = [];
let recording = null;
let opening = false;
let rewinding = null;
let rewind = null;
let beside = null;
let troubleAtS = 0;
let visit = null;
let hall = null;
let entrance = null;
/** The right to listen as far as we know it; what the door says while it has not let us in
 * (`waits`, and a few signs for the tab's title), and what it says to everybody (`news`). */
const door = { untilS: 0, renewAtS: 0, waits: "", mark: "", news: "", ask, show };
const deck = new Deck(audio);
const { saveData, effectiveType } = navigator.connection ?? {};
const live = Source && (plays(OPUS) || plays(AAC))
  ? new LivePlayer(deck, card.space, saveData || /2g/.test(effectiveType))
  : new (await bring("/static/native.js")).NativePlayer(audio, card.space);
/** A module that is needed now; patient with an edge that is away for a moment. */
async function bring(path) {
  for (let tries = 0; ; tries++) {
    try {
      // Browsers remember what could not be had: the next try needs an address of its own.
      return await import(tries ? `${path}?${tries}` : path);
    } catch {
      await pause(2);
    }
  }
}

/** Half of them to one and a half, so that those who wait together do not ask together. */
function pause(seconds) {
  return new Promise((done) => setTimeout(done, seconds * 1_000 * (0.5 + Math.random())));
}

const say = (id, text) => $(id).textContent !== text && ($(id).textContent = text);
const ahead = () => card.phase === "scheduled" || card.phase === "doors";
const inside = () => live.state !== "idle" && live.state !== "paused" && live.state !== "failed"
  && live.state !== "ended";
const sounding = () => live.state === "playing" || recording?.player.state === "playing";

/** What the page says under Listen, by the player's state. */
function sentence() {
  const away = nowS() - troubleAtS > 0.7;
  if (card.phase === "withdrawn") return "The host has withdrawn this recording.";
  if (card.phase === "deleted") return "The host has deleted this recording for good.";
  if (card.phase === "cancelled" || (card.phase === "ended" && !card.started_at_ms)) {
    return card.end_reason === "cancelled" ? "The host has cancelled this Space." : "This Space never began.";
  }
  const told = rewind?.player.sentence || door.waits;
  if (told) return told;
  if (card.phase === "ended") return "That was it. The recording will be here in a moment.";
  if (card.phase === "replay") return recording?.player.state === "stalled" ? "Fetching sound…" : "";
  switch (live.state) {
    case "failed": return "Your browser stopped playing this. Load the page again to listen.";
    case "waiting": return "You are in. It starts by itself.";
    case "connecting": return "Connecting…";
    case "playing": return "You are listening live.";
    case "stalled": return away ? "The sound is late. It comes back by itself." : "You are listening live.";
    case "reconnecting":
      if (ahead()) return "You are in. It starts by itself.";
      return away ? "Connection lost. Coming back by itself." : "You are listening live.";
    case "paused":
      if (live.reason === "elsewhere") return "You are listening in another tab.";
      if (live.reason === "interrupted") return "Something interrupted the sound. Listen goes on live.";
      if (live.reason === "refused") return "Your browser wants one press before it plays.";
      return ahead() ? "You left. Come in again at any time." : "Paused. Listen goes on live.";
  }
  if (card.phase === "doors") return "The doors are open. One press now, and it starts by itself.";
  if (card.phase === "scheduled") return "Wait here if you like. It starts by itself.";
  return "";
}

function button() {
  if (recording) {
    return ["playing", "stalled", "connecting"].includes(recording.player.state) ? ["Pause", "pause"] : ["Play", "play"];
  }
  if (door.waits) return ["Leave", "leave"];
  if (live.reason === "elsewhere") return ["Listen here", "play"];
  if (ahead()) return inside() ? ["Leave", "leave"] : [card.phase === "doors" ? "Come in" : "Wait here", "in"];
  return inside() ? ["Pause", "pause"] : ["Listen", "play"];
}

const BADGES = { scheduled: "Coming", doors: "Doors open", live: "Live", ended: "Ended",
  replay: "Recording", withdrawn: "Withdrawn", deleted: "Deleted", cancelled: "Cancelled" };

function show() {
  const { phase } = card;
  if (phase === "replay") openReplay();
  document.title = (door.waits ? door.mark : phase === "live" ? "● " : "") + card.title;
  say("badge", BADGES[phase] ?? phase);
  $("badge").classList.toggle("live", phase === "live");
  say("title", card.title);
  say("by", `with ${card.host_name}`);
  say("about", card.description ?? "");
  say("on-stage", ahead() || phase === "live" || phase === "cancelled" ? "On stage" : "Who spoke");
  say("notice", `${card.notice ?? ""} ${door.waits ? "" : door.news}`.trim());
  $("notice").hidden = !$("notice").textContent;
  $("when").hidden = !ahead();
  $("remind").hidden = !(phase === "scheduled" && card.starts_at_ms > Date.now());
  const [word, name] = button();
  say("listen-word", word);
  $("listen-icon").setAttribute("href", `#i-${name}`);
  $("listen").hidden = !ahead() && phase !== "live" && !recording && !live.away;
  $("timeline").hidden = !recording && !live.away && !(phase === "live" && live.deck && inside() && live.parts);
  $("to-live").hidden = Boolean(recording) || phase !== "live";
  $("earlier").hidden = phase !== "live" || !live.deck || inside() || live.away || Boolean(recording)
    || live.reason === "elsewhere" || Date.now() - card.started_at_ms < 30_000;
  say("earlier", live.state === "paused" ? `Go on from ${clockTime(live.positionS)}` : "From the beginning");
  $("tools").hidden = !(inside() || recording) || Boolean(door.waits);
  $("choice").hidden = live.rendition === "aac" || Boolean(recording);
  say("state", sentence());
  drawSeats($("seats"), card.speakers ?? [], phase === "live");
  $("nobody").hidden = Boolean(card.speakers?.length) || !(ahead() || phase === "live");
  $("seats").parentElement.hidden = !card.speakers?.length && $("nobody").hidden;
  const heard = sounding() && (live.isLive || !live.deck) ? speaking : [];
  showSpeaking($("seats"), heard);
  $("tiers").classList.toggle("on", sounding());
  $("tiers").classList.toggle("voices", heard.length > 0);
  tick();
}

function tick() {
  const { phase } = card;
  if (nowS() - troubleAtS < 2) $("state").textContent = sentence();
  if (!rewinding && !recording && live.edgeS > 0) {
    $("seek").max = $("seek").value = String(live.edgeS);
    say("at", clockTime(audio.currentTime));
  }
  say("clock", recording ? wholeTime(card.started_at_ms) : phase !== "live" || !$("timeline").hidden ? ""
    : clockTime((Date.now() - card.started_at_ms) / 1000));
  if (live.isLive && !recording) say("length", `${live.latencyS.toFixed(1)} s behind the voices`);
  if (!ahead()) return;
  const leftS = (card.starts_at_ms - Date.now()) / 1000;
  $("starts").textContent = card.starts_at_ms ? wholeTime(card.starts_at_ms)
    : "It begins when the host starts.";
  $("away").textContent = !card.starts_at_ms ? "" : leftS <= 0 ? "Any moment now"
    : leftS < 3600 ? `Starts in ${clockTime(leftS)}` : `Starts ${relativeTime(leftS)}`;
}

// The door ---------------------------------------------------------------------------------------

/** Asks for a ticket, or for a longer one: what the door says, and the `status` (0: nothing). */
async function ask(body = {}) {
  try {
    const answer = await fetch(`/s/${card.space}/join`, { method: "POST",
      headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const { status } = answer;
    const told = await answer.json().catch(() => ({}));
    // Where it is no matter of a ticket, the response that is asked for will say what it is.
    if (status < 500 && ![202, 403, 428, 429].includes(status)) {
      door.untilS = nowS() + (told.lease_s ?? 60);
      door.renewAtS = nowS() + (told.renew_after_s ?? 30) * (0.9 + Math.random() / 5);
    }
    return { ...told, status };
  } catch {
    return { status: 0 };
  }
}

const hasTicket = () => nowS() < door.untilS;

/** Asks until there is a ticket or the listener leaves; entrance.js shows how that goes. */
async function enter() {
  const own = (visit = {});
  let told = await ask();
  while (visit === own && !hasTicket()) {
    door.waits = told.ahead ? `Ahead of you: ${told.ahead}. You are let in automatically.`
      : told.title ?? "The door does not answer. You are let in when it does.";
    show();
    await Promise.race([openHall(), pause(told.poll_after_s ?? 4)]);
    told = await ask(await hall?.turn(told));
  }
  if (visit !== own) return;
  leave();
  if (live.away) return;
  if (inside()) live.dial();
  else toggle(true);
}

function leave() {
  visit = null;
  door.waits = "";
  hall?.close();
}

function openHall() {
  return (entrance ??= bring("/static/entrance.js")
    .then(({ Hall }) => (hall = new Hall(live, card.space, door))));
}

live.isWaiting = () => {
  if (hasTicket()) return false;
  if (!visit) enter();
  return true;
};
on(live, "turned", () => (door.untilS = 0));

// The card, read now and then while the live response does not bring it ------------------------

function take(next) {
  card = next;
  if (card.phase !== "live") speaking = [];
  if (!ahead() && card.phase !== "live") {
    live.over?.();
    leave();
  }
  show();
}

async function readCard() {
  let nextS = { scheduled: 20, doors: 5, live: 5, ended: 1 }[card.phase] ?? 60;
  try {
    const carried = inside() && !live.away && live.state !== "reconnecting" && Source;
    if (document.visibilityState === "visible" && !carried) {
      const answer = await fetch(`/s/${card.space}/card.json`);
      if (answer.ok) take(await answer.json());
      const told = await (await fetch(`/s/${card.space}/admitting`)).json();
      if (told.step || told.waiting) openHall().then(() => hall.look(told));
    }
  } catch {
    nextS = 5; // the edge is away for a moment; the next look will tell
  }
  setTimeout(readCard, nextS * 1000 * (0.75 + Math.random() / 2));
}

on(live, "card", ({ detail }) => take(detail));
on(live, "event", ({ detail }) => {
  if (detail.type !== "speaking") return;
  speaking = detail.speakers;
  show();
});
on(live, "state", () => {
  if (live.state === "stalled" || live.state === "reconnecting") troubleAtS = nowS();
  show();
});
on(live, "skipped", ({ detail }) => {
  $("state").textContent = `We left out ${Math.round(detail)} seconds to be live again.`;
});
on(live, "ended", () =>
  take({ ...card, phase: card.phase === "live" ? "ended" : card.phase }));

// The recording --------------------------------------------------------------------------------

async function openReplay() {
  if (opening || recording || inside()) return;
  opening = true;
  const atS = live.away ? live.positionS : 0;
  live.retire();
  const { openRecording } = await bring("/static/afterwards.js");
  opening = false;
  if (card.phase === "replay") recording = openRecording(deck, card, atS, (heard, phase) => {
    speaking = heard;
    if (phase) {
      recording = null;
      card = { ...card, phase };
    }
    show();
  });
  show();
}

// Going back -----------------------------------------------------------------------------------

/** What the bar does; what it needs while live comes with the first touch. */
async function bar() {
  if (!recording) rewinding ??= bring("/static/back.js")
    .then(({ openRewind }) => (rewind = openRewind(live, () => card)));
  return recording ?? rewinding;
}

on($("timeline"), "click input change keydown", async (event) => {
  const { type, key, target: { id, value } } = event;
  if (/^(Arrow|Page)/.test(key) && id === "seek") event.preventDefault();
  if (id) (await bar()).handle(type, id, value, key);
});

on($("earlier"), "click", async () => {
  const atS = live.state === "paused" ? live.positionS : 0;
  live.leave(atS);
  live.start();
  accompany();
  while (live.isWaiting() && inside()) await pause(0.5);
  bar();
});

// Presses --------------------------------------------------------------------------------------

function toggle(on) {
  const player = recording?.player ?? live;
  const runs = recording ? !audio.paused : Boolean(door.waits) || inside();
  if (on === runs) return;
  if (runs) {
    leave();
    player.pause();
  } else {
    player.start();
    accompany();
  }
  show();
}

/** What a player has beside it once it plays, such as the lock screen: see beside.js. */
async function accompany() {
  (await (beside ??= bring("/static/beside.js"))).attend(live, audio, card, door, toggle, bar);
}

on($("listen"), "click", () => toggle());
on($("share"), "click", async () => {
  const url = location.origin + location.pathname;
  try {
    if (navigator.share) return await navigator.share({ title: card.title, url });
    await navigator.clipboard.writeText(url);
    $("share").lastChild.textContent = "Link copied";
  } catch {
    if (!navigator.share) prompt("The address of this Space", url);
  }
});

on($("remind"), "click", async () =>
  (await bring("/static/calendar.js")).remind(card, location.origin + location.pathname));

/** What tests and the curious read; see docs/topics/player.md. */
window.stentor = {};
for (const name of ("state card targetS stalls stalledS lastStalls bufferedS latencyS fault parts connects " +
  "cursor rendition isLive edgeS reason").split(" ")) Object.defineProperty(stentor, name, {
  enumerable: true,
  get: () => ({ state: recording?.player.state ?? live.state, card, targetS: live.pace?.handS })[name] ?? live[name],
});

setInterval(tick, 500);
if (history.state === "waits") enter();
setTimeout(readCard, 2_000 + Math.random() * 2_000);
show();
