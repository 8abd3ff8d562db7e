/** A Space as an entry for the reader's calendar (iCalendar, RFC 5545). */

const stamp = (ms) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, "");
const plain = (text) => text.replace(/[\\;,]/g, "\\$&").replace(/\r?\n/g, "\\n");

/** Lines of at most 75 octets (section 3.1); folded by characters, well below that. */
const fold = (line) => line.match(/.{1,30}/gsu).join("\r\n ");

/** Offers the entry as a file. */
export function remind(/** @type {any} */ card, /** @type {string} */ url) {
  const file = document.createElement("a");
  file.href = calendarFile(card, url);
  file.download = `${card.title}.ics`;
  file.click();
}

/** @param {any} card @param {string} url @returns {string} an address of the entry */
function calendarFile(card, url) {
  const lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Stentor//Space//EN", "BEGIN:VEVENT",
    `UID:${card.space}@${location.hostname}`, `DTSTAMP:${stamp(Date.now())}`,
    `DTSTART:${stamp(card.starts_at_ms)}`, `DTEND:${stamp(card.starts_at_ms + 3_600_000)}`,
    `SUMMARY:${plain(card.title)}`,
    `DESCRIPTION:${plain(`with ${card.host_name}\n${url}`)}`, `URL:${url}`, "BEGIN:VALARM",
    "ACTION:DISPLAY", `DESCRIPTION:${plain(card.title)}`, "TRIGGER:-PT5M", "END:VALARM",
    "END:VEVENT", "END:VCALENDAR", ""];
  const text = lines.map((line) => (line ? fold(line) : "")).join("\r\n");
  return URL.createObjectURL(new Blob([text], { type: "text/calendar" }));
}
