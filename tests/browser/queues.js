// The expression's value: what a person in the line is told, and what the modules before the door say.
(async () => {
  const { Place, rangeInWords } = await import("/static/queue.js");
  const { ladderSentence, reason } = await import("/static/ladder.js");
  const given = { turn_us: 200e6, ahead: 1000, wait_s: { low: 60, likely: 100, high: 180 } };
  const place = new Place(given);
  const first = place.waitS;
  place.look({ admitting_us: 100e6, called: 5_000, called_per_s: 10, mark_per_s: 1 });
  const steady = [place.ahead, place.share, place.waitS];
  place.look({ admitting_us: 150e6, called: 5_600, called_per_s: 20, mark_per_s: 1 });
  const faster = [place.ahead, place.share, place.waitS];
  // The mark was set back, and nobody before us has come.
  place.look({ admitting_us: 140e6, called: 5_500, called_per_s: 0, mark_per_s: 0 });
  const held = [place.ahead, place.share];
  const bare = new Place({ turn_us: 200e6 });
  bare.look({ admitting_us: 150e6, mark_per_s: 0.5 });
  const near = new Place({ ...given, wait_s: { low: 3, likely: 5, high: 9 } });
  const ranges = [[3, 9], [20, 40], [30, 80], [70, 95], [65, 130], [170, 230], [100, 420],
    [3_000, 4_000], [3_000, 9_000], [NaN, NaN]];
  const told = new Place(given);
  told.look({ admitting_us: 100e6, called: 5_000, doubt: 1, forecast: [[10, 100], [40, 1_000], [80, 1_400]] });
  const lined = new Place({ turn_us: 200e6, ahead: 0 });
  lined.look({ admitting_us: 100e6, called: 9, line: [[50, 300], [150, 500]] });
  return {
    lined: lined.ahead, forecast: told.waitS, first, steady, faster, held,
    bare: [bare.ahead, bare.share, bare.waitS.likely],
    called: [place.isCalled({ admitting_us: 199e6 }), place.isCalled({ admitting_us: 200e6 })],
    looks: [place.nextLookS(0, 0), place.nextLookS(0, 1), near.nextLookS(0, 0.5), place.nextLookS(1, 0.5),
      place.nextLookS(9, 0.5)],
    words: ranges.map(([low, high]) => rangeInWords({ low, likely: low, high })),
    nothing: [rangeInWords(null), ladderSentence({}), ladderSentence({ step: 0, why: "cpu" }), reason("?")],
    ladder: [
      ladderSentence({ step: 3, why: "arrivals", figures: { arrivals_per_expected: 3.14 } }),
      ladderSentence({ step: 1, why: "cpu", figures: { busy: 0.934 } }),
      ladderSentence({ step: 5, why: "host" }),
      ladderSentence({ step: 4, why: "something new" }),
    ],
  };
})()
