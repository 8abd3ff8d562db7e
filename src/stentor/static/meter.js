/** The microphone: asking for it, saying what is wrong with it, and how loud it is. */

import { forBrowser } from "./kept.js";

export const PROCESSING_KEY = "stentor.processing";
export const DEVICE_KEY = "stentor.microphone";
const FLOOR_DB = -60;

/** A microphone that cannot be had; `message` is a sentence for the person. */
export class MicrophoneError extends Error {}

/** What this browser or address lacks for speaking, as a sentence, or "". */
export function whyNotHere() {
  if (!globalThis.isSecureContext) {
    return "Browsers give a microphone only to pages that come over HTTPS. Open the studio by an " +
      "https:// address: whoever runs this server starts it with --tls-cert and --tls-key, or " +
      "puts it behind a proxy with TLS. Listening works without.";
  }
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.RTCPeerConnection) {
    return "This browser cannot speak on a stage. Use a current Chrome, Edge, Firefox or Safari.";
  }
  return "";
}

const SENTENCES = {
  NotAllowedError: "The microphone is not allowed for this page. Allow it beside the address, or " +
    "in the system's privacy settings, then press the button again.",
  NotFoundError: "No microphone was found. Plug one in, then press the button again.",
  NotReadableError: "The microphone does not answer; another program may hold it. Close that " +
    "program, then press the button again.",
};

/** @returns {Promise<MediaStream>} one voice, mono. @throws {MicrophoneError} */
export async function openMicrophone(deviceId = forBrowser.get(DEVICE_KEY)) {
  const missing = whyNotHere();
  if (missing) throw new MicrophoneError(missing);
  const on = forBrowser.get(PROCESSING_KEY) !== "off";
  const audio = { echoCancellation: on, noiseSuppression: on, autoGainControl: on,
    channelCount: 1, ...(deviceId && { deviceId: { exact: deviceId } }) };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    if (deviceId && error.name !== "NotAllowedError") return openMicrophone("");
    const known = SENTENCES[error.name === "SecurityError" ? "NotAllowedError" : error.name];
    throw new MicrophoneError(known ?? `The microphone cannot be opened (${error.name}).`);
  }
}

/** Fills a <select> with the microphones there are. */
export async function listMicrophones(/** @type {HTMLSelectElement} */ select, chosen = "") {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const options = devices.filter(({ kind }) => kind === "audioinput")
    .map(({ deviceId, label }, k) => new Option(label || `Microphone ${k + 1}`, deviceId));
  select.replaceChildren(...options);
  if (options.some(({ value }) => value === chosen)) select.value = chosen;
}

/** Decibels below full scale as the width of a bar, 0 to 1. */
export const barOf = (/** @type {number} */ db) => Math.min(1, Math.max(0, 1 - db / FLOOR_DB));

/** Measures the loudness of a stream a few times a second. */
export class Meter {
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples = new Float32Array(1024);
  #source = null;

  constructor() { this.#analyser.fftSize = 1024; }

  /** Browsers keep it asleep until a press; call this within one. */
  wake() { this.#context.resume().catch(() => {}); }

  listen(/** @type {MediaStream} */ stream) {
    this.#source?.disconnect();
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
    this.wake();
  }

  /** Decibels below full scale (RMS of the last 20 ms). */
  get db() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const sum = this.#samples.reduce((total, sample) => total + sample * sample, 0);
    return Math.max(-100, 10 * Math.log10(sum / this.#samples.length + 1e-10));
  }
}
