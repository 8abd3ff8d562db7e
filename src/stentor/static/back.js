/** What going back while live needs, in one request: see the modules taken in. */
{{inline signals.js}}
{{inline boxes.js}}
{{inline time.js}}
{{inline bar.js}}
{{inline reel.js}}
{{inline rewind.js}}
export { openRewind };
