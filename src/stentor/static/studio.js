/** The studio: through the door with consent, onto the stage, and what is left after the end. */

import { Refusal, ask } from "./backstage.js";
import { runDoor } from "./door.js";
import { Desk } from "./desk.js";
import { forTab } from "./kept.js";

const $ = (/** @type {string} */ id) => document.getElementById(id);
const space = location.pathname.split("/")[2] ?? "";
const inviteKey = `stentor.invite.${space}`;
const seatKey = `stentor.seat.${space}`;
const SCREENS = ["opening", "closed", "door", "stage", "over"];
const OVER = ["ended", "replay", "withdrawn", "deleted", "cancelled"];

function only(/** @type {string} */ screen) {
  for (const name of SCREENS) $(name).hidden = name !== screen;
}

/** An invitation stands in the fragment; neither the address bar nor the history keeps it. */
function takeInvite() {
  const invite = new URLSearchParams(location.hash.slice(1)).get("invite");
  if (location.hash) history.replaceState(null, "", location.pathname);
  if (invite && invite !== forTab.get(inviteKey)) {
    forTab.set(inviteKey, invite);
    forTab.remove(seatKey);
  }
  return forTab.get(inviteKey);
}

/** What a token says in the open, such as the name on an invitation. */
function claimsOf(/** @type {string} */ token) {
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  } catch {
    return {};
  }
}

function close(title, why, link = "", word = "") {
  $("closed-title").textContent = title;
  $("closed-why").textContent = why;
  $("closed-link").hidden = !link;
  $("closed-link").textContent = word;
  if (link) $("closed-link").href = link;
  only("closed");
}

const toPage = () => close("You are not on the stage any more.", "You can listen on the Space's page.",
  `/s/${space}`, "Listen");

function refuse(/** @type {any} */ error) {
  const code = error.code ?? "";
  if (code === "space.ended") return over();
  forTab.remove(seatKey);
  if (code === "login.required" || error.status === 401 && !takeInvite()) {
    return close("Who are you?", "Sign in to host this Space. Speakers come in by the link that " +
      "the host sends them.", `/login?next=/studio/${space}`, "Sign in");
  }
  if (code === "speaker.removed") return close("The host has removed you.", error.message, `/s/${space}`, "Listen");
  if (code.startsWith("token.")) {
    forTab.remove(inviteKey);
    return close("This link does not work any more.", `${error.message} Ask the host for a new one.`, `/s/${space}`,
      "Listen instead");
  }
  close("The studio cannot be opened.", error.message, location.pathname, "Try again");
}

// After the end --------------------------------------------------------------------------------

async function over() {
  only("over");
  $("over-link").href = `/s/${space}`;
  const answer = await fetch(`/s/${space}/card.json`, { cache: "no-store" });
  if (!answer.ok) return;
  const card = await answer.json();
  $("over-title").textContent = card.title;
  const says = { ended: card.started_at_ms ? "The recording will be there in a moment." : "",
    replay: "The recording is public at the Space's address.",
    withdrawn: "You have withdrawn the recording. Nobody can hear it until you offer it again.",
    deleted: "The recording is deleted for good.",
    cancelled: "It did not take place, and nothing was recorded." };
  $("over-says").textContent = says[card.phase] ?? "";
  $("over-link").textContent = card.phase === "replay" ? "To the recording" : "To its page";
  const token = forTab.get(seatKey);
  $("over-host").hidden = !token || claimsOf(token).role !== "host" || !["replay", "withdrawn"].includes(card.phase);
  $("withdraw").hidden = card.phase !== "replay";
  $("restore").hidden = card.phase !== "withdrawn";
  if (card.phase === "ended") setTimeout(over, 1_000);
}

/** Asks before something that cannot be undone at once. */
export function confirmed(title, says, yes) {
  const dialog = /** @type {HTMLDialogElement} */ ($("ask"));
  $("ask-title").textContent = title;
  $("ask-says").textContent = says;
  $("ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close",
    () => done(dialog.returnValue === "yes"), { once: true }));
}

async function recording(command) {
  try {
    await ask(`/stage/${space}/commands`, forTab.get(seatKey), { command });
    $("over-error").textContent = "";
  } catch (error) {
    $("over-error").textContent = error.message;
  }
  await over();
  setTimeout(over, 1_500); // a gate may know the card of a moment ago
}

$("withdraw").addEventListener("click", async () => {
  const sure = await confirmed("Withdraw the recording?", "Nobody can hear it until you offer it again.", "Withdraw");
  if (sure) await recording("recording.withdraw");
});
$("restore").addEventListener("click", () => recording("recording.restore"));
$("delete").addEventListener("click", async () => {
  const sure = await confirmed("Delete the recording for good?",
    "The sound is erased. Nobody, including you, can bring it back.", "Delete for good");
  if (sure) await recording("recording.delete");
});

// In -------------------------------------------------------------------------------------------

/** The token to knock with: the seat's, the invitation's, or the one of the host who signed in. */
async function findToken(invite) {
  const seat = forTab.get(seatKey);
  if (seat && claimsOf(seat).expires_at_s * 1000 > Date.now()) return { token: seat, again: true };
  if (invite) return { token: invite, again: false };
  const { token } = await ask(`/api/spaces/${space}/token`, "");
  return { token, again: false };
}

async function open() {
  const invite = takeInvite();
  $("public").href = `/s/${space}`;
  try {
    const answer = await fetch(`/s/${space}/card.json`, { cache: "no-store" });
    if (answer.status === 404) return close("There is no Space here.", "Look at the link again.", "/", "All Spaces");
    const card = answer.ok ? await answer.json() : { title: "Studio", phase: "scheduled" };
    document.title = `${card.title} - Studio`;
    const { token, again } = await findToken(invite);
    if (OVER.includes(card.phase)) {
      forTab.set(seatKey, token);
      return over();
    }
    const claims = claimsOf(token);
    only("door");
    const entered = await runDoor(card, claims, again, (name) =>
      ask(`/stage/${space}/join`, token, { name, consent: true }));
    forTab.set(seatKey, entered.token);
    only("stage");
    const desk = new Desk(space, entered, confirmed);
    const why = await desk.ended;
    if (why instanceof Refusal) return refuse(why);
    if (why === "over") return over();
    forTab.remove(seatKey);
    toPage();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(error);
  }
}

// A page out of the browser's back-and-forward cache has left its seat: it takes it again.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
open();
