// The expression's value: what is listened to on different networks, as [seconds, low?] of changes.
(async () => {
  const { Pace } = await import("/static/pace.js");
  const { Thrift } = await import("/static/thrift.js");
  /** `carries(low, nowS)`: how much of real time the path brings; `lateS(k)`: what else delays. */
  const evening = (seconds, carries, lateS = () => 0) => {
    const [pace, thrift, changes] = [new Pace(), new Thrift(), []];
    let behindS = 0;
    for (let k = 1; k < seconds * 5; k++) {
      const madeS = 1000 + k / 5;
      behindS = Math.max(0, behindS + 0.2 / carries(thrift.low, k / 5) - 0.2);
      const nowS = madeS + behindS + lateS(k);
      thrift.arrived(nowS, pace.arrived(nowS, madeS), 0.2);
      const low = thrift.wish(nowS);
      if (low === thrift.low) continue;
      const tries = changes.length && !low;
      if (tries && carries(false, k / 5) < 1) {
        thrift.refused(nowS);
        changes.push([Math.round(k / 5), "refused"]);
      } else {
        thrift.changed(nowS, low, false);
        changes.push([Math.round(k / 5), low]);
      }
    }
    return changes;
  };
  const outage = (k) => (k > 299 && k < 320 ? (320 - k) / 5 : 0);
  return {
    calm: evening(300, () => 2),
    "one outage": evening(120, () => 2, outage),
    jitter: evening(300, () => 2, (k) => (k % 5 ? 0 : 0.5)),
    narrow: evening(1800, (low) => (low ? 1.5 : 0.7)),
    "narrow for two minutes": evening(300, (low, s) => (low || s < 20 || s > 140 ? 1.5 : 0.7)),
  };
})();
