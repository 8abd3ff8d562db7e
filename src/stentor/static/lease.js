/** Listening goes on: the ticket is renewed in time, one tab is heard, the ladder is told. */

import { ladderSentence } from "./ladder.js";
import { nowS, on } from "./signals.js";

const UNHEARD = new Set(["idle", "paused", "ended", "failed"]);
/** Before the next try at a renewal, when the door has not answered. */
const AGAIN_S = 8;
const AGAIN_MAX_S = 25;

/**
 * @typedef {{untilS: number, renewAtS: number, waits: string, mark: string, news: string, show: () => void,
 *   ask: (body?: object) => Promise<any>}} Door what the page knows of the door
 */

/**
 * @param {any} live the player @param {string} space @param {Door} door
 */
export function keepLease(live, space, door) {
  const plays = () => !UNHEARD.has(live.state);
  let asking = false;
  let failures = 0;

  async function renew() {
    if (asking || !plays() || !door.untilS || nowS() < door.renewAtS || nowS() > door.untilS) return;
    asking = true;
    const told = await door.ask();
    asking = false;
    failures = nowS() < door.renewAtS ? 0 : failures + 1;
    // Our number had to give way: what was promised is heard to its end, then the door is asked.
    if (told.status === 202) door.renewAtS = Infinity;
    else if (failures) {
      door.renewAtS = nowS() + Math.min(AGAIN_MAX_S, AGAIN_S * failures) * (0.5 + Math.random());
    }
    look();
  }

  /** How the door stands, for who has just come, and for who may have missed an event. */
  async function look() {
    try {
      const answer = await fetch(`/s/${space}/admitting`);
      if (answer.ok) heed(await answer.json());
    } catch {
      // the next renewal looks again, and the response itself tells of changes
    }
  }

  let toldAtMs = 0;
  function heed(told) {
    if (told.at_ms < toldAtMs) return; // a cache may be behind the response
    toldAtMs = told.at_ms;
    const news = ladderSentence(told);
    if (news !== door.news) {
      door.news = news;
      door.show();
    }
  }

  on(live, "note", ({ detail: { line, scheme, message } }) => {
    if (scheme === "urn:stentor:lease:1") line.left = message.ended;
  });
  on(live, "beat", renew);
  setInterval(renew, 2_000);
  on(live, "event", ({ detail }) => {
    if (detail.type === "ladder.changed") heed({ since_ms: detail.at_ms, ...detail });
  });
  look();
  onlyHere(live, space, plays);
}

/** One stream for a ticket: the tab that was pressed last is heard, the others say so. */
function onlyHere(live, space, plays) {
  const channel = globalThis.BroadcastChannel && new BroadcastChannel(`stentor.${space}`);
  if (!channel) return;
  let played = false;
  const look = () => {
    if (plays() && !played) channel.postMessage("here");
    played = plays();
  };
  channel.onmessage = () => {
    played = false;
    if (plays()) live.pause("elsewhere");
  };
  on(live, "state", look);
  look();
}
