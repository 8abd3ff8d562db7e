/** A phone in the pocket: what its lock screen shows and its buttons do, and time that goes on. */

import { on } from "./signals.js";

const SILENT = new Set(["idle", "paused", "ended", "failed"]);

/**
 * Tells the lock screen (Media Session) what is heard, and takes its buttons.
 * @param {any} card the Space's card @param {(on: boolean) => void} toggle
 * @param {() => Promise<import("./bar.js").Bar>} bar what goes back and on
 */
export function describe(card, toggle, bar) {
  const session = navigator.mediaSession;
  if (!session) return;
  session.metadata = new MediaMetadata({ title: card.title, artist: card.host_name,
    album: "Stentor", artwork: [{ src: "/static/icon.svg", sizes: "any", type: "image/svg+xml" }] });
  const actions = {
    play: () => toggle(true),
    pause: () => toggle(false),
    stop: () => toggle(false),
    seekbackward: async ({ seekOffset }) => (await bar()).nudge(-(seekOffset || 15)),
    seekforward: async ({ seekOffset }) => (await bar()).nudge(seekOffset || 30),
    seekto: async ({ seekTime }) => (await bar()).seek(seekTime ?? 0),
  };
  for (const [action, act] of Object.entries(actions)) {
    try {
      session.setActionHandler(action, act);
    } catch {
      // a browser that does not know this one has no button for it
    }
  }
}

/**
 * The timers of a hidden page come once a minute when it has been silent for a while; those of a
 * worker do not, and a player that looks for its connection needs them.
 * @param {import("./player.js").LivePlayer} live
 */
export function keepTime(live) {
  let worker = null;
  const look = () => {
    if (document.hidden && !SILENT.has(live.state)) {
      if (worker) return;
      const code = new Blob(["setInterval(() => postMessage(0), 500)"]);
      worker = new Worker(URL.createObjectURL(code));
      worker.onmessage = () => live.beat();
    } else {
      worker?.terminate();
      worker = null;
    }
  };
  on(document, "visibilitychange", look);
  on(document, "resume", () => live.beat());
  on(live, "state", look);
  look();
}
