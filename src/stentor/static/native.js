/** Hears a live Space where there is no Media Source: the browser's own HLS player. */

const LAST_WORDS_MS_MAX = 10_000;

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
  #over = false;
  #retired = false;

  /** @param {HTMLAudioElement} audio @param {string} space */
  constructor(audio, space) {
    super();
    this.#audio = audio;
    this.#address = `/s/${space}/hls/aac.m3u8`;
    const on = (type, act) => audio.addEventListener(type, () => this.#retired || act());
    on("playing", () => {
      this.#failures = 0;
      this.parts++;
      this.#set("playing");
    });
    on("waiting", () => this.state === "playing" && this.#set("stalled"));
    // A player that fails pauses as well; that is not a person's wish.
    on("pause", () => !audio.error && !audio.ended && this.#heard && this.pause());
    on("error", () => this.#retry());
    // A playlist ends when the Space does; asked again it would be played from its beginning.
    on("ended", () => this.retire());
  }

  get #heard() { return this.state === "playing" || this.state === "stalled"; }

  get bufferedS() {
    const { buffered, currentTime } = this.#audio;
    return buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
  }

  start() {
    if (this.#retired || (this.#audio.src && this.state === "playing")) return;
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

  /** The card says that the Space is over: what is in hand is still heard. */
  over() {
    if (this.#over) return;
    this.#over = true;
    if (this.#heard) setTimeout(() => this.retire(), LAST_WORDS_MS_MAX);
    else this.retire();
  }

  /** Lets go of the <audio>: the recording will want it. */
  retire() {
    if (this.#retired) return;
    this.#over = this.#retired = true;
    clearTimeout(this.#again);
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
    this.#set("ended");
    this.dispatchEvent(new Event("ended"));
  }

  /** There is no playlist before the start, nor when the edge was away for a moment. */
  #retry() {
    if (["idle", "paused", "ended"].includes(this.state)) return;
    if (this.#over) return this.retire();
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
