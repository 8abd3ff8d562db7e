/** What the studio asks of the server: seats, commands, and the stage's stream of news. */

import { problemOf } from "./whip.js";

const SILENT_MS_MAX = 12_000;
const LINE_CHARS_MAX = 1_000_000;

/** A refusal; `code` is stable, `message` a sentence for the person. */
export class Refusal extends Error {
  /** @param {{code: string, title: string}} problem @param {number} status */
  constructor(problem, status) {
    super(problem.title);
    this.code = problem.code;
    this.status = status;
  }
}

/** @param {string} path @param {string} token @param {object} body @throws {Refusal} */
export async function ask(path, token, body = {}) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new Refusal({ code: "", title: "The server cannot be reached. Try again." }, 0);
  }
  if (!answer.ok) throw new Refusal((await problemOf(answer)).problem, answer.status);
  return answer.json();
}

/**
 * Follows the stage's stream, reconnecting, until it is refused for good or `stop` is signalled.
 * @param {string} space @param {string} token
 * @param {(line: any) => void} hear called with each line
 * @param {(connected: boolean) => void} status
 * @param {AbortSignal} stop
 * @returns {Promise<Refusal | null>} why it ended
 */
export async function follow(space, token, hear, status, stop) {
  let failures = 0;
  while (!stop.aborted) {
    const giveUp = new AbortController();
    const stopped = () => giveUp.abort();
    stop.addEventListener("abort", stopped);
    let timer = 0;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => giveUp.abort(), SILENT_MS_MAX);
    };
    alive();
    try {
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await fetch(`/stage/${space}/events`, { signal: giveUp.signal, headers });
      if ([401, 403, 404, 409, 410].includes(answer.status)) {
        const { problem } = await problemOf(answer);
        // Streams of a page that vanished may still hold the places; they are free again soon.
        if (problem.code !== "stage.full") return new Refusal(problem, answer.status);
      }
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      status(true);
      failures = 0;
      await readLines(answer.body, (line) => {
        alive();
        hear(line);
      });
    } catch {
      failures++; // lost; what follows is the next try
    } finally {
      clearTimeout(timer);
      stop.removeEventListener("abort", stopped);
    }
    if (stop.aborted) break;
    status(false);
    const waitMs = Math.min(4_000, 250 * 2 ** failures) * (0.5 + Math.random() / 2);
    await new Promise((done) => setTimeout(done, waitMs));
  }
  return null;
}

async function readLines(/** @type {ReadableStream} */ body, hear) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (held + value).split("\n");
    held = lines.pop() ?? "";
    if (held.length > LINE_CHARS_MAX) throw new RangeError("a line without end");
    for (const line of lines) if (line) hear(JSON.parse(line));
  }
}
