// The expression's value: what a player has in hand while its edge sends more and more seldom, and
// comes back. For each step: [cadence in ms, stalls, slowest and fastest speed, least and most sound
// in hand just before a send in the last 30 s of 60].
(async () => {
  const { PART_S, Pace } = await import("/static/pace.js");
  const round = (seconds) => Math.round(seconds * 1000) / 1000;
  let seed = 7;
  const chance = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  /** Mostly a few ms late, now and then much more. */
  const jitterS = () => Math.min(0.12, -0.02 * Math.log(chance()));
  const pace = new Pace();
  const path = []; // what is under way: arrives at, then in order
  let [nowS, atS, endS, playing, speed] = [0, 0, 0, false, 1];
  let [sendAtS, sentS, cadenceS, stepAtS, coming] = [0.13, 0, PART_S, Infinity, PART_S];
  let [stalls, dryS, least, most, slowest, fastest, settledS] = [0, 0, Infinity, 0, 1, 1, 0];
  const told = [];
  const change = (toS) => {
    const extraS = toS - cadenceS;
    coming = toS;
    stepAtS = nowS + (extraS > 0 ? extraS / 0.08 + 0.5 : 0);
    if (extraS > 0) path.push({ atS: nowS + jitterS(), cadenceS: toS });
  };
  const send = () => {
    const arrivesS = Math.max(nowS + 0.03 + jitterS(), path.at(-1)?.atS ?? 0);
    for (let partS = sentS + PART_S; partS <= nowS - 0.01; partS += PART_S) {
      path.push({ atS: arrivesS, endS: partS });
      sentS = partS;
    }
    sendAtS += cadenceS;
  };
  const arrive = () => {
    if (nowS > settledS && path[0]?.atS <= nowS && path[0].endS) {
      [least, most] = [Math.min(least, endS - atS), Math.max(most, endS - atS)];
    }
    while (path[0]?.atS <= nowS) {
      const come = path.shift();
      if (come.cadenceS) pace.announce(come.cadenceS);
      else {
        endS = come.endS;
        pace.arrived(nowS, endS);
      }
    }
  };
  const play = () => {
    if (!playing && endS - atS >= pace.startS - 0.01) playing = true;
    if (!playing) return;
    const wanted = pace.speed(nowS - atS - pace.targetS);
    speed = endS - atS > PART_S ? wanted : Math.min(1, wanted);
    [slowest, fastest] = [Math.min(slowest, speed), Math.max(fastest, speed)];
    atS = Math.min(endS, atS + speed * 0.01);
    dryS = atS < endS ? 0 : dryS + 0.01;
    if (dryS > 0.02 && dryS < 0.035) stalls++;
  };
  for (const toS of [0.2, 0.5, 1, 2, 1, 0.5, 0.2]) {
    if (toS !== cadenceS) change(toS);
    const untilS = (stepAtS < Infinity ? stepAtS : nowS) + 60;
    settledS = untilS - 30;
    for (; nowS < untilS; nowS += 0.01) {
      if (nowS >= stepAtS) {
        if (coming < cadenceS) path.push({ atS: nowS, cadenceS: coming });
        cadenceS = coming;
        stepAtS = Infinity;
        sendAtS = Math.min(sendAtS, nowS + cadenceS);
      }
      if (nowS >= sendAtS) send();
      arrive();
      play();
    }
    told.push([toS * 1000, stalls, round(slowest), round(fastest), round(least), round(most)]);
    [stalls, least, most, slowest, fastest] = [0, Infinity, 0, 1, 1];
  }
  return told;
})();
