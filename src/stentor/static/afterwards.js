/** What a recording needs, in one request: see the modules taken in. */
{{inline signals.js}}
{{inline boxes.js}}
{{inline time.js}}
{{inline kept.js}}
{{inline deck.js}}
{{inline bar.js}}
{{inline reel.js}}
{{inline replay.js}}
{{inline recording.js}}
export { openRecording };
