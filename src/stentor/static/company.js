/** What a player has beside it once it plays: the one place where it is put together. */

import { keepLease } from "./lease.js";
import { describe, keepTime } from "./lockscreen.js";
import { offerVolume } from "./loudness.js";
import { Tuner } from "./tuner.js";

let attended = false;

/**
 * @param {any} live the player @param {HTMLAudioElement} audio @param {any} card
 * @param {import("./lease.js").Door} door @param {(on: boolean) => void} toggle
 * @param {() => Promise<import("./bar.js").Bar>} bar
 */
export function attend(live, audio, card, door, toggle, bar) {
  describe(card, toggle, bar);
  if (attended) return;
  attended = true;
  offerVolume(audio, /** @type {HTMLInputElement} */ (document.getElementById("volume")));
  const tuner = live.deck ? new Tuner(live, document.getElementById("quality")) : null;
  keepLease(live, card.space, door);
  if (tuner) keepTime(live);
}
