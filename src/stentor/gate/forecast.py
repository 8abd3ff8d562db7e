"""How many will be called by when: from how people listen, learnt while they do. Pure.

A chair is free when somebody leaves it. Some leave within a minute, because they only looked; those
who stay, stay long. Who reckons with the mean of both promises too much as long as the house is
young. So edges say how long those who left had listened, and of a few hundred possible audiences
(so many only look, for so long; the others stay so long) each is believed as much as it explains.
"""

import math
from collections import deque

from stentor.limits import FORECAST_MEMORY_S, LISTEN_PRIOR_S

AGES_S = (0, 10, 20, 40, 80, 160)
"""Where the spans of ages begin in which edges count those who leave; the last has no end."""
_FINE_S = (0, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 100, 120, 140, 160)
"""The same, finer: while a span is not full, those in it are younger than its middle."""
_SPAN_OF = [sum(begin >= age for age in AGES_S) - 1 for begin in _FINE_S]
TIMES_S = (5, 15, 40, 100, 250, 600, 1_500, 4_000)
"""Seconds from now for which a forecast is given."""
_STAYS_S = [LISTEN_PRIOR_S * 2 ** (half / 2) for half in range(-5, 6)]
_LOOKS_S = (15.0, 22.0, 32.0, 47.0)
_LOOKERS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45)
_STEPS = 8


class _Audience:
    """A possible audience: `lookers` of all only look, for `look_s`; others stay for `stay_s`."""

    def __init__(self, lookers: float, look_s: float, stay_s: float) -> None:
        self.lookers, self.look_s, self.stay_s = lookers, look_s, stay_s
        self.mean_s = lookers * look_s + (1 - lookers) * stay_s
        self.log_mean = math.log(self.mean_s)
        self.hazards = [self._hazard(at) for at in range(len(_FINE_S))]
        self.prior = -0.5 * (math.log(stay_s / LISTEN_PRIOR_S) / 0.9) ** 2

    def alive(self, age_s: float) -> float:
        return self.lookers * math.exp(-age_s / self.look_s) + (1 - self.lookers) * math.exp(
            -age_s / self.stay_s
        )

    def _hazard(self, at: int) -> float:
        last = at + 1 == len(_FINE_S)
        begin, end = _FINE_S[at], _FINE_S[at] + 80 if last else _FINE_S[at + 1]
        listened = 0.0  # Simpson's rule is exact enough on such spans
        for weight, age in ((1, begin), (4, (begin + end) / 2), (1, end)):
            listened += weight * self.alive(age)
        return (self.alive(begin) - self.alive(end)) / (listened * (end - begin) / 6)


_AUDIENCES = [
    _Audience(lookers, look_s, stay_s)
    for lookers in _LOOKERS
    for look_s in (_LOOKS_S if lookers else _LOOKS_S[:1])
    for stay_s in _STAYS_S
]


class Stays:
    """How long the listeners of one Space stay.

    Attributes:
        lookers, look_s, mean_s: the audience that is believed in.
        doubt: how uncertain the flow of chairs is: it may be 1 + doubt times more or less.
    """

    def __init__(self) -> None:
        self.lookers, self.look_s, self.mean_s = 0.0, 30.0, LISTEN_PRIOR_S
        self.doubt = 1.0
        self._young: deque[float] = deque()  # who began, second by second, and listens still
        self._old = 0.0
        self._left = [0.0] * len(AGES_S)
        self._listened_s = [0.0] * len(_FINE_S)

    def turn(self, began: int, left: list[int], swept: int, elapsed_s: float) -> None:
        """Some began to listen, and some left, by the span of ages they were in.

        Args:
            swept: listeners who did not leave but lost their chair: that says nothing of stays.
        """
        keep = math.exp(-elapsed_s / FORECAST_MEMORY_S)
        insides = [0.0] * len(AGES_S)
        for at, span in enumerate(_SPAN_OF):
            inside = self._inside(at) + (0.0 if at else began / 2)
            insides[span] += inside
            self._listened_s[at] = keep * self._listened_s[at] + inside * elapsed_s
        for span, one in enumerate(left):
            self._left[span] = keep * self._left[span] + one
        everybody = sum(insides)
        lost = min(1.0, swept / everybody) if everybody > 0 else 0.0
        for at, inside in enumerate(insides):
            if inside > 0 and (left[at] or lost):
                self._shrink(at, max(0.0, 1 - left[at] / inside - lost))
        for _ in range(max(1, round(elapsed_s))):
            self._young.appendleft(0.0)
        self._young[0] += began
        while len(self._young) > AGES_S[-1]:
            self._old += self._young.pop()

    def believe(self) -> None:
        """Weigh the audiences by what was seen; dear enough not to be done every second."""
        scores = []
        for one in _AUDIENCES:
            score, leave = one.prior, [1e-9] * len(AGES_S)
            for span, listened_s, hazard in zip(
                _SPAN_OF, self._listened_s, one.hazards, strict=True
            ):
                leave[span] += listened_s * hazard
            for left, expected in zip(self._left, leave, strict=True):
                score += left * math.log(expected) - expected
            scores.append(score)
        best = max(scores)
        # More evidence than this would make one audience certain, and none is the true one.
        heat = max(1.0, sum(self._left) / 3_000)
        weights = [math.exp((score - best) / heat) for score in scores]
        total = sum(weights)
        log_mean = log_squared = lookers = look_s = 0.0
        for weight, one in zip(weights, _AUDIENCES, strict=True):
            log_mean += weight * one.log_mean
            log_squared += weight * one.log_mean**2
            lookers += weight * one.lookers
            look_s += weight * one.look_s
        log_mean, self.lookers, self.look_s = log_mean / total, lookers / total, look_s / total
        self.mean_s = math.exp(log_mean)
        spread = math.sqrt(max(0.0, log_squared / total - log_mean * log_mean))
        self.doubt = math.exp(1.3 * spread + 0.1) - 1

    def lookers_now(self) -> float:
        """How many of those who listen now only look."""
        stay_s = (self.mean_s - self.lookers * self.look_s) / max(0.01, 1 - self.lookers)
        audience = _Audience(self.lookers, self.look_s, max(1.0, stay_s))
        return sum(
            count * self.lookers * math.exp(-age / self.look_s) / audience.alive(age)
            for age, count in enumerate(self._young)
        )

    def _inside(self, at: int) -> float:
        """Who is in a span of ages this second: a second older, in the mean, than when counted."""
        young = self._young
        begin = _FINE_S[at]
        before = young[begin - 1] / 2 if 0 < begin <= len(young) else 0.0
        if at + 1 == len(_FINE_S):
            return self._old + before
        end = min(_FINE_S[at + 1], len(young))
        last = young[end - 1] / 2 if end == _FINE_S[at + 1] else 0.0
        return before + sum(young[age] for age in range(begin, end)) - last

    def _shrink(self, at: int, share: float) -> None:
        if at + 1 == len(AGES_S):
            self._old *= share
            return
        for age in range(AGES_S[at], min(AGES_S[at + 1], len(self._young))):
            self._young[age] *= share


def forecast(
    stays: Stays,
    listeners: int,
    free: float,
    ramp_per_s: float,
    show_up: float,
    leaving_per_s: float,
) -> tuple[tuple[int, int], ...]:
    """People called by then, for some times from now.

    Args:
        free: chairs that can be given away now, `ramp_per_s`: as fast as edges take people.
        show_up: the share of the called that comes; it shrinks by `leaving_per_s`.
    """
    flow = listeners / stays.mean_s
    looking = stays.lookers_now()
    # Those who look are replaced, and of the new ones some look: that part is in the flow already.
    more = max(0.0, looking - flow * stays.lookers * stays.look_s)
    out, called, before_s = [], 0.0, 0.0
    for time_s in TIMES_S:
        step_s = (time_s - before_s) / _STEPS
        for step in range(_STEPS):
            at_s = before_s + step * step_s
            now = min(free, ramp_per_s * step_s)
            free -= now
            soon = more * (
                math.exp(-at_s / stays.look_s) - math.exp(-(at_s + step_s) / stays.look_s)
            )
            grown = math.exp(min(3.0, leaving_per_s * (at_s + step_s / 2)))
            called += (now + soon + flow * step_s) * grown / show_up
        before_s = time_s
        out.append((time_s, round(called)))
    return tuple(out)


def seconds_until(people: float, said: tuple[tuple[int, int], ...]) -> float:
    """When so many will have been called, by a forecast; beyond its end, at its last pace."""
    before_s = before = 0.0
    for at_s, called in said:
        if called >= people:
            return before_s + (at_s - before_s) * (people - before) / max(1.0, called - before)
        before_s, before = at_s, called
    return before_s * max(1.0, people / max(1.0, before))
