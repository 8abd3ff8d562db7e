/** The volume beside Listen, where a page may set it. */

import { on } from "./signals.js";

/** @param {HTMLAudioElement} audio @param {HTMLInputElement} slider */
export function offerVolume(audio, slider) {
  const { volume } = audio;
  audio.volume = 0.5; // phones keep the volume to their own buttons and do not take this
  slider.parentElement.hidden = audio.volume !== 0.5;
  audio.volume = volume;
  on(slider, "input", () => (audio.volume = Number(slider.value)));
}
