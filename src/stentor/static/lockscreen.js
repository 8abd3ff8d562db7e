/** Lock screens and headset buttons: what is heard, and what their buttons do (Media Session). */

/**
 * @param {MediaSession} session @param {any} card the Space's card
 * @param {(on: boolean) => void} toggle
 */
export function describe(session, card, toggle) {
  session.metadata = new MediaMetadata({ title: card.title, artist: card.host_name,
    album: "Stentor", artwork: [{ src: "/static/icon.svg", sizes: "any", type: "image/svg+xml" }] });
  session.setActionHandler("play", () => toggle(true));
  session.setActionHandler("pause", () => toggle(false));
  session.setActionHandler("stop", () => toggle(false));
}
