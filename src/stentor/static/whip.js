/** Sends one voice to the stage and hears the others (WHIP, RFC 9725); comes back by itself. */

const CONNECT_MS_MAX = 8_000;
/** The stage sends 50 packets a second, always; so long without any means it is gone. */
const SILENT_MS_MAX = 1_000;
const WATCH_MS = 250;
const RETRY_MS_MAX = 3_000;
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
  #run = 0;
  #lost = () => {};
  #wake = () => {};

  /** @param {string} space @param {string} token @param {HTMLAudioElement} audio the mix-minus */
  constructor(space, token, audio) {
    super();
    this.#space = space;
    this.#token = token;
    this.#audio = audio;
    this.#session = sessionStorage.getItem(`stentor.session.${space}`) ?? "";
    addEventListener("online", () => this.#wake());
    addEventListener("pagehide", () => this.leave());
    setInterval(() => this.#watch(), WATCH_MS);
  }

  get muted() { return this.#muted; }
  set muted(muted) {
    this.#muted = muted;
    if (this.#track) this.#track.enabled = !muted;
  }

  /** Sends this track from now on, the first time by connecting. */
  async send(/** @type {MediaStreamTrack} */ track) {
    this.#track = track;
    track.enabled = !this.#muted;
    if (this.#run) await this.#sender?.replaceTrack(track);
    else this.#keepPublishing(++this.#run);
  }

  /** Ends the session. `tell`: the seat is free again; else the stage knows already. */
  leave(tell = true) {
    if (!this.#run) return;
    this.#run = 0;
    this.#lost();
    this.#wake();
    this.#drop();
    this.#set("idle");
    if (this.#session && tell) {
      fetch(`/stage/${this.#space}/whip/${this.#session}`, { method: "DELETE", keepalive: true,
        headers: { Authorization: `Bearer ${this.#token}` } }).catch(() => {});
    }
    this.#remember("");
  }

  async #keepPublishing(run) {
    let failures = 0;
    while (run === this.#run) {
      this.#set(this.publishes ? "reconnecting" : "connecting");
      try {
        await this.#publish();
        failures = 0;
        this.publishes++;
        this.blocked = false;
        this.#set("connected");
        await new Promise((lost) => (this.#lost = lost));
      } catch (error) {
        failures++;
        this.problem = error.problem ?? null;
        if (FINAL.has(this.problem?.code)) {
          this.#run = 0;
          this.#drop();
          return this.#set("refused");
        }
      }
      this.#drop();
      const waitMs = failures ? Math.min(RETRY_MS_MAX, 200 * 2 ** failures) : 0;
      if (waitMs) this.#tell();
      await new Promise((done) => {
        this.#wake = done;
        setTimeout(done, waitMs * (0.5 + Math.random() / 2));
      });
    }
  }

  async #publish() {
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
    this.problem = null;
    this.#remember(answer.headers.get("Location").split("/").pop());
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
    for (const report of (await peer.getStats()).values()) {
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
    sessionStorage.setItem(`stentor.session.${this.#space}`, session);
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
