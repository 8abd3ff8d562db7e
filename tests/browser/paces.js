// The expression's value: what should be in hand, and how fast to play, after different nights.
(async () => {
  const { Pace } = await import("/static/pace.js");
  const round = (seconds) => Math.round(seconds * 1000) / 1000;
  const night = (parts, lateS) => {
    const pace = new Pace();
    for (let k = 0; k < parts; k++) pace.arrived(100 + k / 5 + lateS(k), (k + 1) / 5);
    return pace;
  };
  const calm = night(200, () => 0);
  const stalled = night(200, () => 0);
  stalled.stalled(140);
  const steered = new Pace();
  return {
    calm: round(calm.handS),
    "one outage": round(night(200, (k) => (k > 99 && k < 105 ? 1 - (k - 99) / 5 : 0)).handS),
    jitter: round(night(200, (k) => (k % 5 ? 0 : 0.3)).handS),
    stalled: round(stalled.handS),
    speeds: [0.02, 0.5, 0.05, 0, -0.2, 0.01, NaN].map((errorS) => round(steered.speed(errorS))),
  };
})();
