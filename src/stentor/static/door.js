/** The studio's door: name, microphone check, and consent to being recorded. */

import { forBrowser } from "./kept.js";
import { DEVICE_KEY, Meter, MicrophoneError, barOf, listMicrophones, openMicrophone, whyNotHere }
  from "./meter.js";

const $ = (/** @type {string} */ id) => document.getElementById(id);
const QUIET_DB = -45;

/**
 * Resolves once the person has agreed, has a microphone and has been seated.
 * @param {any} card @param {any} claims what the token says @param {boolean} again a seat is held
 * @param {(name: string) => Promise<any>} join
 * @returns {Promise<{token: string, speaker: string, role: string, microphone: MediaStream,
 *   meter: Meter}>}
 */
export function runDoor(card, claims, again, join) {
  /** @type {MediaStream | null} */
  let microphone = null;
  /** @type {Meter | null} */
  let meter = null;
  let timer = 0;
  $("door-title").textContent = card.title;
  $("name").value = claims.name || forBrowser.get("stentor.name");
  $("microphone-error").textContent = whyNotHere();
  $("check").disabled = $("join").disabled = Boolean(whyNotHere());

  async function use(deviceId) {
    try {
      const opened = await openMicrophone(deviceId);
      microphone?.getTracks().forEach((track) => track.stop());
      microphone = opened;
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      $("microphone-error").textContent = error.message;
      return false;
    }
    $("microphone-error").textContent = "";
    await listMicrophones($("device"), microphone.getAudioTracks()[0].getSettings().deviceId);
    meter ??= new Meter();
    meter.listen(microphone);
    $("check").hidden = true;
    $("checked").hidden = false;
    clearInterval(timer);
    let heard = false;
    timer = setInterval(() => {
      const db = meter.db;
      $("own-level").style.transform = `scaleX(${barOf(db)})`;
      if (!heard && db > QUIET_DB) {
        heard = true;
        $("own-hint").textContent = "We hear you.";
      }
    }, 100);
    return true;
  }

  return new Promise((done) => {
    async function enter() {
      $("join").disabled = true;
      $("door-error").textContent = "";
      try {
        if (!microphone && !(await use())) return $("microphone-error").scrollIntoView();
        const name = $("name").value.trim();
        const seat = await join(name);
        forBrowser.set("stentor.name", name);
        clearInterval(timer);
        done({ ...seat, microphone, meter });
      } catch (error) {
        $("door-error").textContent = error.message;
      } finally {
        $("join").disabled = false;
      }
    }
    $("check").addEventListener("click", () => use());
    $("device").addEventListener("change", () => {
      forBrowser.set(DEVICE_KEY, $("device").value);
      use($("device").value);
    });
    $("door").addEventListener("submit", (press) => {
      press.preventDefault();
      enter();
    });
    if (again) enter(); // the page was loaded again in the middle of it: consent was given
  });
}
