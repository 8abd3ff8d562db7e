/** What a player has beside it once it plays, in one request: see the modules taken in. */
{{inline signals.js}}
{{inline thrift.js}}
{{inline tuner.js}}
{{inline lockscreen.js}}
export { Tuner, describe, keepTime };
