/** Sends one voice to the stage and hears the others (WHIP, RFC 9725); comes back by itself. */

import { forTab } from "./kept.js";

const CONNECT_MS_MAX = 8_000;
/** The stage sends 50 packets a second, always; so long without any means it is gone. */
const SILENT_MS_MAX = 1_000;
const WATCH_MS = 250;
const RETRY_MS_MAX = 3_000;
/** A session that was lost sooner counts as a failure, so that the next tries are further apart. */
const STEADY_MS = 10_000;
/** Refusals that no further try can change. */
const FINAL = new Set(["token.missing", "token.invalid", "token.expired", "token.wrong_role",
  "token.wrong_space", "speaker.removed", "speaker.unknown", "space.ended", "space.unknown"]);

/**
 * Dispatches `state`. States: idle, connecting, connected, reconnecting, refused (see `problem`).
 * `blocked` tells that no UDP came through; it goes on trying.
 */
export class Publisher extends EventTarget {
  state = "idle";
  blocked = false;
  /** @type {{code: string, title: string} | null} */
  problem = null;
  publishes = 0;
  #space; #token; #audio; #track; #peer; #session; #sender;
  #muted = false;
  #left = false;
  #watching;
  #run = 0;
  #lost = () => {};
  #wake = () => {};

  /** @param {string} space @param {string} token @param {HTMLAudioElement} audio the mix-minus */
  constructor(space, token, audio) {
    super();
    this.#space = space;
    this.#token = token;
    this.#audio = audio;
    this.#session = forTab.get(`stentor.session.${space}`);
    addEventListener("online", () => this.#wake());
    addEventListener("pagehide", () => this.leave());
    this.#watching = setInterval(() => this.#watch(), WATCH_MS);
  }

  get muted() { return this.#muted; }
  set muted(muted) {
    this.#muted = muted;
    if (this.#track) this.#track.enabled = !muted;
  }

  /** Sends this track from now on, the first time by connecting. */
  async send(/** @type {MediaStreamTrack} */ track) {
    if (this.#left) return;
    this.#track = track;
    track.enabled = !this.#muted;
    if (this.#run) await this.#sender?.replaceTrack(track);
    else this.#keepPublishing(++this.#run);
  }

  /** Ends it for good. `tell`: the seat is free again; else the stage knows already. */
  leave(tell = true) {
    if (this.#left) return;
    this.#left = true;
    this.#run = 0;
    clearInterval(this.#watching);
    this.#lost();
    this.#wake();
    this.#drop();
    this.#set("idle");
    if (this.#session && tell) this.#free(this.#session);
    this.#remember("");
  }

  #free(session) {
    fetch(`/stage/${this.#space}/whip/${session}`, { method: "DELETE", keepalive: true,
      headers: { Authorization: `Bearer ${this.#token}` } }).catch(() => {});
  }

  async #keepPublishing(run) {
    let failures = 0;
    let short = 0;
    while (run === this.#run) {
      this.#set(this.publishes ? "reconnecting" : "connecting");
      try {
        await this.#publish(run);
        failures = 0;
        this.publishes++;
        this.blocked = false;
        this.#set("connected");
        const sinceMs = performance.now();
        await new Promise((lost) => (this.#lost = lost));
        short = performance.now() - sinceMs < STEADY_MS ? short + 1 : 0;
      } catch (error) {
        if (run !== this.#run) return;
        failures++;
        this.problem = error.problem ?? null;
        if (FINAL.has(this.problem?.code)) {
          this.#run = 0;
          this.#drop();
          return this.#set("refused");
        }
      }
      this.#drop();
      if (run !== this.#run) return;
      const tries = Math.max(failures, short);
      const waitMs = tries ? Math.min(RETRY_MS_MAX, 200 * 2 ** tries) : 0;
      if (waitMs) this.#tell();
      await new Promise((done) => {
        this.#wake = done;
        setTimeout(done, waitMs * (0.5 + Math.random() / 2));
      });
    }
  }

  async #publish(run) {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#peer = peer;
    const streams = [new MediaStream([this.#track])];
    const { sender } = peer.addTransceiver(this.#track, { direction: "sendrecv", streams });
    this.#sender = sender;
    peer.addEventListener("track", ({ track }) => {
      this.#audio.srcObject = new MediaStream([track]);
      this.#audio.play().catch(() => this.#tell());
    });
    const connected = reached(peer);
    connected.catch(() => {}); // it is awaited below, when there is an answer
    await peer.setLocalDescription(await peer.createOffer());
    const headers = { Authorization: `Bearer ${this.#token}`, "Content-Type": "application/sdp" };
    if (this.#session) headers["Stentor-Replaces"] = this.#session;
    const answer = await fetch(`/stage/${this.#space}/whip`, { method: "POST", headers,
      body: peer.localDescription.sdp, signal: AbortSignal.timeout(CONNECT_MS_MAX) });
    if (answer.status !== 201) throw Object.assign(new Error("refused"), await problemOf(answer));
    const session = answer.headers.get("Location").split("/").pop();
    if (run !== this.#run) {
      this.#free(session);
      throw new Error("left meanwhile");
    }
    this.problem = null;
    this.#remember(session);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    try {
      await connected;
    } catch (error) {
      this.blocked = true;
      throw error;
    }
    this.packets = 0;
    this.packetsAtMs = performance.now();
  }

  async #watch() {
    const peer = this.#peer;
    if (this.state !== "connected" || !peer) return;
    const reports = await peer.getStats();
    if (peer !== this.#peer || this.state !== "connected") return;
    for (const report of reports.values()) {
      if (report.type !== "inbound-rtp" || report.packetsReceived === this.packets) continue;
      this.packets = report.packetsReceived;
      this.packetsAtMs = performance.now();
    }
    const dead = peer.connectionState === "failed" || peer.connectionState === "closed";
    if (dead || performance.now() - this.packetsAtMs > SILENT_MS_MAX) this.#lost();
  }

  #drop() {
    this.#peer?.close();
    this.#peer = this.#sender = null;
  }

  #remember(session) {
    this.#session = session;
    forTab.set(`stentor.session.${this.#space}`, session);
  }

  #set(state) {
    this.state = state;
    this.#tell();
  }

  #tell() { this.dispatchEvent(new Event("state")); }
}

/** Resolves when the peers have found each other; rejects when they have not in time. */
function reached(/** @type {RTCPeerConnection} */ peer) {
  return new Promise((done, fail) => {
    setTimeout(() => fail(new Error("no way through")), CONNECT_MS_MAX);
    peer.addEventListener("connectionstatechange", () => {
      if (peer.connectionState === "connected") done();
      if (peer.connectionState === "failed") fail(new Error("no way through"));
    });
  });
}

/** The problem document (RFC 9457) of an answer, or one that says as much as is known. */
export async function problemOf(/** @type {Response} */ answer) {
  try {
    return { problem: await answer.json() };
  } catch {
    return { problem: { code: "", title: `The server answered ${answer.status}.` } };
  }
}
