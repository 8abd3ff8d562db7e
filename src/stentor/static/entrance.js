/** What the door needs when it does not let everybody in at once: see the modules taken in. */
{{inline signals.js}}
{{inline seats.js}}
{{inline ladder.js}}
{{inline queue.js}}
{{inline challenge.js}}
{{inline hall.js}}
export { Hall };
