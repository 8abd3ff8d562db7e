/** The controls of a recording on the Space page: seek, speed, download, who was speaking. */

import { forBrowser } from "./kept.js";
import { ReplayPlayer } from "./replay.js";
import { clockTime } from "./time.js";

const $ = (/** @type {string} */ id) => document.getElementById(id);
const CONTROLS = `
<input id="seek" type="range" min="0" step="any" value="0" aria-label="Position in the recording">
<p class="row times"><span id="at" class="clock">0:00</span><span id="length" class="clock">0:00</span></p>
<p class="row">
<button id="back" aria-label="15 seconds back">−15 s</button>
<button id="on" aria-label="30 seconds on">+30 s</button>
<label><span class="sr">Speed</span><select id="speed"><option value="0.8">0.8×</option><option value="1" selected>1×</option><option value="1.25">1.25×</option><option value="1.5">1.5×</option><option value="2">2×</option></select></label>
<a id="download" class="button quiet">Download</a>
</p>
`;
const STEPS_S = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -60,
  PageUp: 60 };

/**
 * @param {HTMLAudioElement} audio @param {any} card the Space's card
 * @param {(change: {speaking?: string[], phase?: string}) => void} tell called at every change
 * @returns {ReplayPlayer}
 */
export function openRecording(audio, card, tell) {
  $("replay").innerHTML = CONTROLS;
  const player = new ReplayPlayer(audio, card.space, (card.duration_samples ?? 0) / 48_000);
  const key = `stentor.position.${card.space}`;
  const session = navigator.mediaSession;
  let timeline = null;
  let speaking = "";

  const position = () => {
    const { atS, durationS } = player;
    $("seek").max = String(durationS);
    $("seek").value = String(atS);
    $("seek").setAttribute("aria-valuetext", `${spokenTime(atS)} of ${spokenTime(durationS)}`);
    $("at").textContent = clockTime(atS);
    $("length").textContent = clockTime(durationS);
    if (atS > 5) forBrowser.set(key, atS > durationS - 10 ? "0" : atS.toFixed(1));
    const nowS = Math.min(atS, durationS);
    if (durationS) session?.setPositionState({ duration: durationS, position: nowS,
      playbackRate: player.rate });
    const speakers = speakersAt(timeline ?? [], atS * 48_000);
    if (speakers.join() !== speaking) {
      speaking = speakers.join();
      tell({ speaking: speakers });
    }
  };
  const nudge = (seconds) => player.seek(player.atS + seconds);

  player.addEventListener("time", position);
  player.addEventListener("state", async () => {
    tell({});
    if (player.state !== "playing" || timeline) return;
    timeline = [];
    timeline = await readTimeline(card.space);
  });
  player.addEventListener("gone", ({ detail }) =>
    tell({ phase: detail === "recording.deleted" ? "deleted" : "withdrawn" }));
  $("seek").addEventListener("input", () => player.seek(Number($("seek").value)));
  $("seek").addEventListener("keydown", (press) => {
    const step = STEPS_S[press.key]; // Home and End are the slider's own
    if (!step) return;
    press.preventDefault();
    nudge(step);
  });
  $("back").addEventListener("click", () => nudge(-15));
  $("on").addEventListener("click", () => nudge(30));
  $("speed").addEventListener("change", () => (player.rate = Number($("speed").value)));
  $("download").href = `/s/${card.space}/replay/aac.mp4`;
  $("download").download = `${card.title}.m4a`;
  session?.setActionHandler("seekbackward", ({ seekOffset }) => nudge(-(seekOffset ?? 15)));
  session?.setActionHandler("seekforward", ({ seekOffset }) => nudge(seekOffset ?? 30));
  session?.setActionHandler("seekto", ({ seekTime }) => player.seek(seekTime ?? 0));

  const remembered = Number(forBrowser.get(key)) || 0;
  if (remembered && remembered < player.durationS) player.seek(remembered);
  position();
  return player;
}

/** Who was heard at a media time in samples. */
function speakersAt(timeline, sample) {
  let low = 0;
  let high = timeline.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeline[middle].sample <= sample) low = middle + 1;
    else high = middle;
  }
  return low ? timeline[low - 1].speakers : [];
}

async function readTimeline(space) {
  try {
    const answer = await fetch(`/s/${space}/replay/events.json`);
    if (!answer.ok) return [];
    const told = await answer.json();
    return (told.events ?? told)
      .map((entry) => ({ ...(entry.event ?? entry), sample: entry.media_time }))
      .filter(({ type }) => type === "speaking");
  } catch {
    return []; // the recording plays without knowing who speaks
  }
}

/** 3725 as "1 hour 2 minutes 5 seconds", for those who hear it. */
function spokenTime(/** @type {number} */ seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const parts = [[Math.floor(s / 3600), "hour"], [Math.floor(s / 60) % 60, "minute"],
    [s % 60, "second"]].filter(([n]) => n);
  return parts.map(([n, unit]) => `${n} ${unit}${n === 1 ? "" : "s"}`).join(" ") || "0 seconds";
}
