/** Times as the reader says them: own zone, own language, and how far away they are. */

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "in 12 minutes", "2 hours ago": `deltaS` seconds from now, negative in the past. */
export function relativeTime(/** @type {number} */ deltaS) {
  const [unit, seconds] = UNITS.find(([, size]) => Math.abs(deltaS) >= size) ?? UNITS[3];
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang || undefined,
    { numeric: "auto" });
  return format.format(Math.trunc(deltaS / seconds), unit);
}

/** "Monday, 23 November at 19:00 CET". */
export function wholeTime(/** @type {number} */ ms) {
  return new Date(ms).toLocaleString(undefined, { weekday: "long", day: "numeric", month: "long",
    hour: "numeric", minute: "2-digit", timeZoneName: "short" });
}

/** 3725 as "1:02:05". */
export function clockTime(/** @type {number} */ seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60) % 60;
  return (s >= 3600 ? `${Math.floor(s / 3600)}:${two(minutes)}` : minutes) + `:${two(s % 60)}`;
}
