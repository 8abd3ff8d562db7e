"""The now-admitting mark: whose turn it is, and how long the others will wait. Pure.

The usher knows of the waiting only how many have a turn in each second. Once a second it moves the
mark over as many as the free chairs will be taken by: not everybody who is called comes, and some
come late, since browsers let hidden pages sleep. How many do is learnt from those called before.
"""

import bisect
import math
from collections import deque
from dataclasses import dataclass, field

import msgspec

from stentor.gate.forecast import seconds_until
from stentor.gate.notice import Notice
from stentor.gate.places import SECOND_US
from stentor.limits import (
    CLAIM_S,
    GONE_S,
    LEAVE_PRIOR_S,
    LEAVE_PRIOR_WEIGHT,
    SHOW_UP_LEARNT_MAX,
    SHOW_UP_PRIOR,
    TURN_BUCKETS_MAX,
    WAIT_MAX_S,
)

AGES_S = (0, 4, 9, 16, 30, 75, CLAIM_S)
"""Ages of a call; in each span between two of them its own share of those left claims."""
_COMES_AFTER_S = 15
"""By then most of those who come have come."""
_FLOW_S = 90.0
_PRIOR = (0.3, 0.5, 0.5, 0.4, 0.3, 0.3)
_CURVE_POINTS = 8


@dataclass(slots=True)
class _Call:
    """Those who were called in one second."""

    at_s: int
    left: float
    waited_s: float
    count: float
    span: int = 0
    at_start: float = 0.0
    trust: float = 1.0
    """How many of these come, compared with those called before: those who take places and never
    come are called together."""


@dataclass(slots=True)
class ShowUp:
    """How many of those who are called come, and when."""

    asked: list[float] = field(default_factory=lambda: [SHOW_UP_PRIOR] * len(_PRIOR))
    came: list[float] = field(default_factory=lambda: [SHOW_UP_PRIOR * one for one in _PRIOR])

    def learn(self, span: int, asked: float, came: float) -> None:
        """Of so many who had not come before a span of ages, so many came in it."""
        self.asked[span] += asked
        self.came[span] += min(asked, came)
        over = self.asked[span] / SHOW_UP_LEARNT_MAX
        if over > 1:
            self.asked[span] /= over
            self.came[span] /= over

    def rest(self) -> list[float]:
        """For each span: the share of those left at its beginning that still comes."""
        stay, out = 1.0, []
        for asked, came in zip(reversed(self.asked), reversed(self.came), strict=True):
            stay *= 1 - came / asked
            out.append(1 - stay)
        return out[::-1]


class MarkMemory(msgspec.Struct, frozen=True, array_like=True):
    """What an usher must know that begins anew: the mark, and how many have a turn in a second."""

    at_us: int = 0
    called: float = 0.0
    waiting: dict[int, float] = {}


class Mark:
    """The mark of one Space, as the usher moves it.

    Attributes:
        at_us: where it is.
        called: how many it has passed.
        waiting: how many have a turn beyond it.
    """

    def __init__(self, at_us: int = 0, called: int = 0) -> None:
        self.at_us = at_us
        self.called = float(called)
        self.waiting = 0.0
        self.show_up = ShowUp()
        self._buckets: dict[int, float] = {}
        self._seconds: list[int] = []  # of the buckets, sorted
        self._calls: deque[_Call] = deque()
        self._been: deque[tuple[int, int]] = deque()
        self._flow = [0.0, 0.0]  # chairs taken, and people called a little before
        self._patience = [0.0, 0.0, 0.0, 0.0, 0.0]  # sums of n, n w, n w w, n y, n w y

    def restore(self, at_us: int, called: int) -> None:
        """Go on where an usher before stopped, as a gate says."""
        self.at_us = max(self.at_us, at_us)
        self.called = max(self.called, called)

    def memory(self) -> MarkMemory:
        """What is to outlive this usher."""
        return MarkMemory(self.at_us, self.called, self._buckets)

    def recall(self, memory: MarkMemory) -> None:
        """Go on where another usher stopped."""
        self.restore(memory.at_us, int(memory.called))
        self._buckets = dict(memory.waiting)
        self._seconds = sorted(self._buckets)
        self.waiting = sum(self._buckets.values())

    def issued(self, second: int, count: int, now_s: int) -> None:
        """Places were given with turns in a second."""
        begin_us = second * SECOND_US
        passed = min(1.0, max(0.0, (self.at_us - begin_us) / SECOND_US))
        if passed:  # they came late: a challenge took its time, or the report did
            self._call(now_s, count * passed, max(0.0, now_s - second))
        if passed >= 1:
            return
        if second not in self._buckets:
            if len(self._seconds) >= TURN_BUCKETS_MAX:
                second = self._seconds[-1]  # far in the future: nobody is told an hour exactly
            else:
                bisect.insort(self._seconds, second)
                self._buckets[second] = 0.0
        self._buckets[second] += count * (1 - passed)
        self.waiting += count * (1 - passed)

    def claimed(self, called_at_s: int, count: int, *, held: bool = False) -> None:
        """Some of those who were called in a second came; or had to be told to wait longer."""
        for call in self._calls:
            if call.at_s >= called_at_s:
                call.left = max(0.0, call.left - count)
                break
        if not held:
            self._flow[0] += count

    @property
    def takes(self) -> float:
        """Chairs taken for each one who is called, lately; those who were held once included."""
        took, called = self._flow
        known = SHOW_UP_PRIOR
        known_took = known * self.show_up.rest()[0]
        return min(1.0, max(0.02, (known_took + took) / (known + called)))

    @property
    def chair_share(self) -> float:
        """Of those who come when they are called, the share that takes a chair at once."""
        return min(1.0, self.takes / max(0.02, self.show_up.rest()[0]))

    def expected(self, now_s: int) -> float:
        """How many of those called before will still come."""
        rest = self.show_up.rest()
        while self._calls and now_s - self._calls[0].at_s >= CLAIM_S:
            call = self._calls.popleft()
            self._close_span(call)
            self._learn_patience(call)
        total = 0.0
        self._flow[0] *= 1 - 1 / _FLOW_S
        self._flow[1] *= 1 - 1 / _FLOW_S
        for call in self._calls:
            if now_s - call.at_s == _COMES_AFTER_S:
                self._flow[1] += call.count
            while now_s - call.at_s >= AGES_S[call.span + 1]:
                self._close_span(call)
                call.span += 1
                call.at_start = call.left
            total += call.left * rest[call.span] * call.trust
        return total

    def advance(self, now_s: int, chairs: float, limit_us: int) -> int:
        """Call as many as will take these chairs; where the mark is then.

        Args:
            chairs: free ones that nobody called before will take.
            limit_us: the mark must stay behind it: turns there are still being given.
        """
        wanted = chairs / max(0.05, min(self.show_up.rest()[0], self.takes)) if chairs > 0 else 0.0
        called, weight = 0.0, 0.0
        while self._seconds:
            second = self._seconds[0]
            count = self._buckets[second]
            begin_us = max(self.at_us, second * SECOND_US)
            end_us = (second + 1) * SECOND_US
            if begin_us >= limit_us or (wanted < 1e-9 and count > 0):
                break
            share = min(
                1.0, wanted / count if count else 1.0, (limit_us - begin_us) / (end_us - begin_us)
            )
            taken = count * share
            called += taken
            weight += taken * max(0.0, now_s - second)
            wanted -= taken
            self.at_us = max(self.at_us, begin_us + math.floor((end_us - begin_us) * share))
            if share < 1.0:
                self._buckets[second] = count - taken
                break
            self._seconds.pop(0)
            del self._buckets[second]
        else:
            self.at_us = max(self.at_us, limit_us)
        if self._seconds:  # nobody waits up to there
            self.at_us = max(self.at_us, min(limit_us, self._seconds[0] * SECOND_US))
        self.waiting = max(0.0, self.waiting - called) if self._seconds else 0.0
        if called:
            self._call(now_s, called, weight / called)
        self._been.append((now_s, self.at_us))
        while self._been and now_s - self._been[0][0] > GONE_S:
            self._been.popleft()
        return self.at_us

    def was(self, now_s: int, ago_s: int) -> int:
        """Where the mark was; 0 if that is not known."""
        at = bisect.bisect_right(self._been, (now_s - ago_s, 1 << 62)) - 1
        return self._been[at][1] if at >= 0 else 0

    def curve(self) -> tuple[tuple[int, int], ...]:
        """People waiting up to a turn, at eight turns or fewer."""
        points: list[tuple[int, int]] = []
        total, step = 0.0, self.waiting / _CURVE_POINTS
        last = len(self._seconds) - 1
        for at, second in enumerate(self._seconds):
            total += self._buckets[second]
            if at == last or (
                total >= step * (len(points) + 1) and len(points) < _CURVE_POINTS - 1
            ):
                points.append(((second + 1) * SECOND_US, round(total)))
        return tuple(points)

    @property
    def leaving_per_s(self) -> float:
        """The share of the waiting that gives up each second.

        The slope of a line: of those who waited w, e^-(b + slope w) came when they were called.
        """
        n, nw, nww, ny, nwy = self._patience
        if n <= 0:
            return 1 / LEAVE_PRIOR_S
        along = nww - nw * nw / n
        slope = (nwy - nw * ny / n + LEAVE_PRIOR_WEIGHT / LEAVE_PRIOR_S) / (
            along + LEAVE_PRIOR_WEIGHT
        )
        return max(0.0, slope)

    def _call(self, now_s: int, count: float, waited_s: float) -> None:
        self.called += count
        if self._calls and self._calls[-1].at_s == now_s:
            call = self._calls[-1]
            call.waited_s += (waited_s - call.waited_s) * count / (call.count + count)
            call.count += count
            call.left += count
            call.at_start += count
        else:
            self._calls.append(_Call(now_s, count, waited_s, count, 0, count))

    def _close_span(self, call: _Call) -> None:
        came = call.at_start - call.left
        usual = self.show_up.came[call.span] / self.show_up.asked[call.span]
        known = SHOW_UP_PRIOR * usual
        seen = (came + known) / max(1e-9, call.at_start * usual + known)
        # Late ones find a chair as soon as one is free: none is kept for many who never come.
        call.trust = min(1.0, max(0.01, call.trust * seen))
        self.show_up.learn(call.span, call.at_start, came)

    def _learn_patience(self, call: _Call) -> None:
        stayed_away = -math.log(min(1.0, max(0.01, 1 - call.left / call.count)))
        n, w, y = call.count, call.waited_s, stayed_away
        for at, one in enumerate((n, n * w, n * w * w, n * y, n * w * y)):
            self._patience[at] = 0.99 * self._patience[at] + one


class Wait(msgspec.Struct, frozen=True):
    """How long somebody will probably wait, in seconds, and how many are before them."""

    low: float
    likely: float
    high: float
    ahead: int


def ahead_of(turn_us: int, notice: Notice) -> int:
    """How many of those who wait have an earlier turn."""
    before_us, before = notice.admitting_us, 0
    if turn_us <= before_us:
        return 0
    for at_us, people in notice.ahead:
        if turn_us <= at_us:
            share = (turn_us - before_us) / max(1, at_us - before_us)
            return round(before + (people - before) * share)
        before_us, before = at_us, people
    return before


def wait_of(turn_us: int, notice: Notice) -> Wait:
    """How long the holder of a turn will probably wait."""
    return wait_for(ahead_of(turn_us, notice), notice)


def wait_for(ahead: int, notice: Notice) -> Wait:
    """How long somebody will probably wait who has so many before them."""
    opens_in_s = max(0.0, notice.opens_us / 1e6 - notice.at_ms / 1e3)
    low, likely, high = (
        min(WAIT_MAX_S, opens_in_s + seconds_until(people, notice.forecast))
        for people in (ahead / (1 + notice.doubt), ahead, ahead * (1 + notice.doubt))
    )
    return Wait(low, likely, high, ahead)
