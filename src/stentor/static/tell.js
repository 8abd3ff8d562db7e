/** Times in server-rendered pages, as the reader says them. */

import { relativeTime, wholeTime } from "./time.js";

/** Fills every `<time datetime>` of a server-rendered page; `data-time="relative"` counts. */
export function tellTimes(/** @type {ParentNode} */ root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const ms = Date.parse(time.getAttribute("datetime") ?? "");
    if (Number.isNaN(ms)) continue;
    const relative = relativeTime((ms - Date.now()) / 1000);
    time.textContent = time.dataset.time === "relative" ? relative : wholeTime(ms);
    time.title = time.dataset.time === "relative" ? wholeTime(ms) : relative;
  }
}
