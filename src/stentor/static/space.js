/** The listener's page: one address that waits, plays and replays. */

import { AAC, LivePlayer, OPUS, Source, plays } from "./player.js";
import { clockTime, relativeTime, wholeTime } from "./time.js";
import { drawSeats, showSpeaking } from "./seats.js";

const $ = (id) => document.getElementById(id);
const audio = $("audio");
let card = JSON.parse($("card").textContent);
let speaking = [];
let recording = null;
let opening = false;
let troubleAtMs = 0;
const saves = Boolean(navigator.connection?.saveData);
const live = Source && (plays(OPUS) || plays(AAC))
  ? new LivePlayer(audio, card.space, saves ? "opus-low" : "opus")
  : new (await bring("/static/native.js")).NativePlayer(audio, card.space);
/** A module that is needed now; patient with an edge that is away for a moment. */
async function bring(path) {
  for (let tries = 0; ; tries++) {
    try {
      // Browsers remember what could not be had: the next try needs an address of its own.
      return await import(tries ? `${path}?${tries}` : path);
    } catch {
      await new Promise((done) => setTimeout(done, 1_000 + Math.random() * 3_000));
    }
  }
}

const ahead = () => card.phase === "scheduled" || card.phase === "doors";
const inside = () => live.state !== "idle" && live.state !== "paused" && live.state !== "failed"
  && live.state !== "ended";
const sounding = () => live.state === "playing" || recording?.state === "playing";

/** What the page says under Listen, by the player's state. */
function sentence() {
  const away = performance.now() - troubleAtMs > 700;
  if (card.phase === "withdrawn") return "The host has withdrawn this recording.";
  if (card.phase === "deleted") return "The host has deleted this recording for good.";
  if (card.phase === "cancelled" || (card.phase === "ended" && !card.started_at_ms)) {
    return card.end_reason === "cancelled" ? "The host has cancelled this Space." : "This Space never began.";
  }
  if (card.phase === "ended") return "That was it. The recording will be here in a moment.";
  if (card.phase === "replay") return recording?.state === "stalled" ? "Fetching sound…" : "";
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
    return ["playing", "stalled", "connecting"].includes(recording.state) ? ["Pause", "pause"] : ["Play", "play"];
  }
  if (ahead()) return inside() ? ["Leave", "leave"] : [card.phase === "doors" ? "Come in" : "Wait here", "in"];
  return inside() ? ["Pause", "pause"] : ["Listen", "play"];
}

const BADGES = { scheduled: "Coming", doors: "Doors open", live: "Live", ended: "Ended",
  replay: "Recording", withdrawn: "Withdrawn", deleted: "Deleted", cancelled: "Cancelled" };

function show() {
  const { phase } = card;
  const say = (id, text) => $(id).textContent !== text && ($(id).textContent = text);
  if (phase === "replay") openReplay();
  document.title = phase === "live" ? `● ${card.title}` : card.title;
  say("badge", BADGES[phase] ?? phase);
  $("badge").classList.toggle("live", phase === "live");
  say("title", card.title);
  say("by", `with ${card.host_name}`);
  say("about", card.description ?? "");
  say("on-stage", ahead() || phase === "live" || phase === "cancelled" ? "On stage" : "Who spoke");
  say("notice", card.notice ?? "");
  $("notice").hidden = !card.notice;
  $("when").hidden = !ahead();
  $("remind").hidden = !(phase === "scheduled" && card.starts_at_ms > Date.now());
  const [word, name] = button();
  say("listen-word", word);
  $("listen-icon").setAttribute("href", `#i-${name}`);
  $("listen").hidden = !ahead() && phase !== "live" && !recording;
  $("replay").hidden = !recording;
  $("tools").hidden = !(inside() || recording);
  $("choice").hidden = live.rendition === "aac" || Boolean(recording);
  say("state", sentence());
  drawSeats($("seats"), card.speakers ?? [], phase === "live");
  $("nobody").hidden = Boolean(card.speakers?.length) || !(ahead() || phase === "live");
  $("seats").parentElement.hidden = !card.speakers?.length && $("nobody").hidden;
  showSpeaking($("seats"), sounding() ? speaking : []);
  $("tiers").classList.toggle("on", sounding());
  $("tiers").classList.toggle("voices", sounding() && speaking.length > 0);
  tick();
}

function tick() {
  const { phase } = card;
  if (performance.now() - troubleAtMs < 2_000) $("state").textContent = sentence();
  let clock = "";
  if (phase === "live") {
    clock = clockTime(live.state === "playing" && Source ? audio.currentTime
      : (Date.now() - card.started_at_ms) / 1000);
  } else if (recording) clock = wholeTime(card.started_at_ms);
  $("clock").textContent = clock;
  $("delay").hidden = !(live.state === "playing" && live.latencyS > 0) || Boolean(recording);
  $("delay").textContent = `${(live.latencyS || 0).toFixed(1)} s behind the voices`;
  if (!ahead()) return;
  const leftS = (card.starts_at_ms - Date.now()) / 1000;
  $("starts").textContent = card.starts_at_ms ? wholeTime(card.starts_at_ms)
    : "It begins when the host starts.";
  $("away").textContent = !card.starts_at_ms ? "" : leftS <= 0 ? "Any moment now"
    : leftS < 3600 ? `Starts in ${clockTime(leftS)}` : `Starts ${relativeTime(leftS)}`;
}

// The card, read now and then while the live response does not bring it ------------------------

function take(next) {
  card = next;
  if (card.phase !== "live") speaking = [];
  if (!ahead() && card.phase !== "live") live.over?.();
  show();
}

async function readCard() {
  let nextS = { scheduled: 20, doors: 5, live: 5, ended: 1 }[card.phase] ?? 60;
  try {
    const carried = inside() && live.state !== "reconnecting" && Source;
    if (document.visibilityState === "visible" && !carried) {
      const answer = await fetch(`/s/${card.space}/card.json`);
      if (answer.ok) take(await answer.json());
    }
  } catch {
    nextS = 5; // the edge is away for a moment; the next look will tell
  }
  setTimeout(readCard, nextS * 1000 * (0.75 + Math.random() / 2));
}

live.addEventListener("card", ({ detail }) => take(detail));
live.addEventListener("event", ({ detail }) => {
  if (detail.type !== "speaking") return;
  speaking = detail.speakers;
  show();
});
live.addEventListener("state", () => {
  if (live.state === "stalled" || live.state === "reconnecting") troubleAtMs = performance.now();
  show();
});
live.addEventListener("skipped", ({ detail }) => {
  $("state").textContent = `We left out ${Math.round(detail)} seconds to be live again.`;
});
live.addEventListener("ended", () =>
  take({ ...card, phase: card.phase === "live" ? "ended" : card.phase }));
const stallsAtS = [];
live.addEventListener("stall", () => {
  stallsAtS.push(performance.now() / 1000);
  const often = stallsAtS.length > 1 && stallsAtS.at(-1) - stallsAtS.at(-2) < 30;
  if (often && !$("quality").value) live.choose("opus-low");
});

// The recording --------------------------------------------------------------------------------

async function openReplay() {
  if (opening || recording || inside()) return;
  opening = true;
  live.retire();
  const { openRecording } = await bring("/static/recording.js");
  opening = false;
  if (card.phase !== "replay") return;
  recording = openRecording(audio, card, (change) => {
    if (change.speaking) speaking = change.speaking;
    if (change.phase) {
      recording = null;
      card = { ...card, phase: change.phase };
    }
    show();
  });
  show();
}

// Presses --------------------------------------------------------------------------------------

function toggle(on) {
  const player = recording ?? live;
  const runs = recording ? !audio.paused : inside();
  if (on === runs) return;
  if (runs) player.pause();
  else {
    player.start();
    describe();
  }
  show();
}

async function describe() {
  const session = navigator.mediaSession;
  if (session) (await bring("/static/lockscreen.js")).describe(session, card, toggle);
}

$("listen").addEventListener("click", () => toggle());
$("volume").addEventListener("input", () => (audio.volume = Number($("volume").value)));
$("quality").addEventListener("change", () => live.choose($("quality").value || "opus"));
audio.volume = 0.5; // phones keep the volume to their own buttons and do not take this
$("loud").hidden = audio.volume !== 0.5;
audio.volume = 1;

$("share").addEventListener("click", async () => {
  const url = location.origin + location.pathname;
  try {
    if (navigator.share) return await navigator.share({ title: card.title, url });
    await navigator.clipboard.writeText(url);
    $("share").lastChild.textContent = "Link copied";
  } catch {
    if (!navigator.share) prompt("The address of this Space", url);
  }
});

$("remind").addEventListener("click", async () => {
  const { calendarFile } = await bring("/static/calendar.js");
  const file = document.createElement("a");
  file.href = calendarFile(card, location.origin + location.pathname);
  file.download = `${card.title}.ics`;
  file.click();
});

/** What tests and the curious read; see docs/topics/player.md. */
window.stentor = {
  get state() { return recording?.state ?? live.state; },
  get stalls() { return live.stalls; },
  get stalledS() { return live.stalledS ?? 0; },
  get lastStalls() { return live.lastStalls ?? []; },
  get bufferedS() { return live.bufferedS; },
  get latencyS() { return live.latencyS; },
  get targetS() { return live.pace?.handS ?? NaN; },
  get fault() { return live.fault ?? ""; },
  get parts() { return live.parts; },
  get connects() { return live.connects ?? 0; },
  get cursor() { return live.cursor; },
  get rendition() { return live.rendition; },
  get card() { return card; },
};

setInterval(tick, 500);
setTimeout(readCard, 2_000 + Math.random() * 2_000);
show();
