/** The bar under Listen: where one is, how fast it goes, back and on; live and in a recording. */

import { on } from "./signals.js";
import { clockTime } from "./time.js";

const $ = (/** @type {string} */ id) => document.getElementById(id);
const STEPS_S = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -60,
  PageUp: 60 };
const SPEEDS = [0.8, 1, 1.25, 1.5, 2];

/**
 * @typedef {EventTarget & {atS: number, durationS: number, rate: number, isLive?: boolean,
 *   seek(seconds: number): void, goLive?(): void}} Player dispatches `time`
 */

const set = (id, key, value) => $(id)[key] !== value && ($(id)[key] = value);

/** Draws a player's place, and hands on what is pressed. */
export class Bar {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    $("speed").replaceChildren(...SPEEDS.map((speed) => new Option(`${speed}×`, String(speed))));
    on(player, "time", () => this.draw());
    this.draw();
  }

  draw() {
    const { player } = this;
    const { durationS, isLive } = player;
    const atS = Math.min(player.atS, durationS);
    const behind = isLive === false;
    set("seek", "max", String(durationS));
    set("seek", "value", String(isLive ? durationS : atS));
    $("seek").setAttribute("aria-valuetext", isLive ? "Live" : behind
      ? `${spokenTime(atS)}, ${spokenTime(durationS - atS)} behind live`
      : `${spokenTime(atS)} of ${spokenTime(durationS)}`);
    set("at", "textContent", clockTime(atS));
    if (!isLive) set("length", "textContent", behind ? `−${clockTime(durationS - atS)}` : clockTime(durationS));
    set("to-live", "textContent", behind ? "Go live" : "Live");
    $("to-live").className = behind ? "" : "badge live";
    $("to-live").setAttribute("aria-disabled", String(!behind));
    set("speed", "value", String(player.rate));
    $("speed").parentElement.hidden = $("on").hidden = Boolean(isLive);
    if (durationS > 0) navigator.mediaSession?.setPositionState({ duration: durationS,
      position: Math.max(0, atS), playbackRate: player.rate });
  }

  seek(/** @type {number} */ seconds) { this.player.seek(seconds); }
  nudge(/** @type {number} */ seconds) { this.player.seek(this.player.atS + seconds); }

  /** What happened to one of the controls. */
  handle(/** @type {string} */ type, id, value, key) {
    if (id === "seek" && type === "input") this.seek(Number(value));
    else if (id === "seek" && type === "keydown" && STEPS_S[key]) this.nudge(STEPS_S[key]);
    else if (id === "speed" && type === "change") this.player.rate = Number(value);
    else if (type === "click" && id === "back") this.nudge(-15);
    else if (type === "click" && id === "on") this.nudge(30);
    else if (type === "click" && id === "to-live" && !this.player.isLive) this.player.goLive();
  }
}

/** 3725 as "1 hour 2 minutes 5 seconds", for those who hear it. */
export function spokenTime(/** @type {number} */ seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const parts = [[Math.floor(s / 3600), "hour"], [Math.floor(s / 60) % 60, "minute"],
    [s % 60, "second"]].filter(([n]) => n);
  return parts.map(([n, unit]) => `${n} ${unit}${n === 1 ? "" : "s"}`).join(" ") || "0 seconds";
}
