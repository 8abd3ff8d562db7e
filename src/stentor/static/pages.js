/** What web's pages gain from a script: times as the reader says them, filled-in forms. */

import { tellTimes } from "./tell.js";

tellTimes();

const secret = /** @type {HTMLInputElement | null} */ (document.getElementById("secret"));
if (secret && location.hash.length > 1) {
  secret.value = decodeURIComponent(location.hash.slice(1));
  // Neither the address bar nor the history keeps the code.
  history.replaceState(null, "", location.pathname);
  secret.closest("[data-secret]")?.setAttribute("hidden", "");
  document.getElementById("name")?.focus();
}

const startsAt = /** @type {HTMLInputElement | null} */ (document.getElementById("starts-at"));
const offset = /** @type {HTMLInputElement | null} */ (
  document.querySelector("[name=utc_offset_minutes]")
);
if (startsAt && offset) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const hint = document.getElementById("zone");
  if (hint) hint.textContent = `In your time zone, ${zone.replaceAll("_", " ")}.`;
  const later = /** @type {HTMLInputElement | null} */ (
    document.querySelector("[name=when][value=later]")
  );
  // The offset is that of the chosen day: summer time may lie in between.
  const note = () => {
    const chosen = startsAt.value ? new Date(startsAt.value) : new Date();
    offset.value = String(-chosen.getTimezoneOffset());
  };
  startsAt.addEventListener("input", () => {
    note();
    if (later) later.checked = true;
  });
  startsAt.form?.addEventListener("submit", note);
  note();
}
