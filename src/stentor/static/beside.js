/** What a player has beside it once it plays, in one request: see the modules taken in. */
{{inline signals.js}}
{{inline ladder.js}}
{{inline thrift.js}}
{{inline tuner.js}}
{{inline lockscreen.js}}
{{inline loudness.js}}
{{inline lease.js}}
{{inline company.js}}
export { attend };
