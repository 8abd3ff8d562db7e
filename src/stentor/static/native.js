/** Hears a live Space where there is no Media Source: the browser's own HLS player. */

/** The same face as `LivePlayer`; events of the Space come from the card that the page reads. */
export class NativePlayer extends EventTarget {
  state = "idle";
  stalls = 0;
  parts = 0;
  cursor = "";
  latencyS = NaN;
  rendition = "aac";
  #audio; #address; #again;
  #failures = 0;

  /** @param {HTMLAudioElement} audio @param {string} space */
  constructor(audio, space) {
    super();
    this.#audio = audio;
    this.#address = `/s/${space}/hls/aac.m3u8`;
    audio.addEventListener("playing", () => {
      this.#failures = 0;
      this.parts++;
      this.#set("playing");
    });
    audio.addEventListener("waiting", () => this.state === "playing" && this.#set("stalled"));
    // A player that fails pauses as well; that is not a person's wish.
    audio.addEventListener("pause", () => !audio.error && !audio.ended && this.#heard && this.pause());
    audio.addEventListener("error", () => this.#retry());
    audio.addEventListener("ended", () => this.#retry());
  }

  get #heard() { return this.state === "playing" || this.state === "stalled"; }

  get bufferedS() {
    const { buffered, currentTime } = this.#audio;
    return buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
  }

  start() {
    if (this.#audio.src && this.state === "playing") return;
    this.#set("connecting");
    this.#audio.src = this.#address;
    this.#audio.play().catch(() => {});
  }

  pause() {
    if (["idle", "paused", "ended"].includes(this.state)) return;
    clearTimeout(this.#again);
    this.#set("paused");
    this.#audio.pause();
  }

  choose() {}

  retire() {
    this.pause();
    this.#set("ended");
  }

  /** There is no playlist before the start, nor when the edge was away for a moment. */
  #retry() {
    if (["idle", "paused", "ended"].includes(this.state)) return;
    this.#set(this.parts ? "reconnecting" : "waiting");
    const waitMs = Math.min(5_000, 500 * 2 ** this.#failures++) * (0.5 + Math.random());
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.start(), waitMs);
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
