/** A recording on the Space page: where it was left, its download, who was speaking. */

import { Bar } from "./bar.js";
import { forBrowser } from "./kept.js";
import { ReplayPlayer } from "./replay.js";
import { on } from "./signals.js";

/**
 * @param {import("./deck.js").Deck} deck @param {any} card the Space's card
 * @param {number} fromS where to begin; 0: where it was left
 * @param {(speaking: string[], phase?: string) => void} tell called at every change
 * @returns {Bar} its `player` is a ReplayPlayer
 */
export function openRecording(deck, card, fromS, tell) {
  const player = new ReplayPlayer(deck, card.space, (card.duration_samples ?? 0) / 48_000);
  const key = `stentor.position.${card.space}`;
  let timeline = null;
  let speaking = [];

  on(player, "time", () => {
    const { atS, durationS } = player;
    if (atS > 5) forBrowser.set(key, atS > durationS - 10 ? "0" : atS.toFixed(1));
    const speakers = speakersAt(timeline ?? [], atS * 48_000);
    if (speakers.join() === speaking.join()) return;
    speaking = speakers;
    tell(speaking);
  });
  on(player, "state", async () => {
    tell(speaking);
    if (player.state !== "playing" || timeline) return;
    timeline = [];
    timeline = await readTimeline(card.space);
  });
  on(player, "gone", ({ detail }) =>
    tell([], detail === "recording.deleted" ? "deleted" : "withdrawn"));
  offer(card);

  const remembered = fromS || Number(forBrowser.get(key));
  if (remembered && remembered < player.durationS) player.seek(remembered);
  return new Bar(player);
}

/** Two links: the recording as a file, and the report of what happened at the door. */
function offer(card) {
  const file = linkTo("Download", `/s/${card.space}/replay/aac.mp4`);
  file.download = `${card.title}.m4a`;
  const report = linkTo("At the door", `/s/${card.space}/incident`);
  document.getElementById("on").after(file, report);
}

function linkTo(text, address) {
  const link = document.createElement("a");
  link.className = "button quiet";
  link.textContent = text;
  link.href = address;
  return link;
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

