"""Pages of which every look is played: how old what they show gets, and how true it was."""

from array import array

from stentor.gate.mark import Wait
from stentor.simulation.people import FROZEN, HIDDEN, People


class Watch:
    """Some of the honest pages.

    Attributes:
        oldest_s: the oldest thing a visible page has shown.
        errors: of estimates, as shares of the wait that followed: (how far into the wait, error).
        held: looks of pages whose prefix had as many chairs as it may.
        within: how many of the estimates had the wait between low and high.
    """

    def __init__(self, people: People, count: int) -> None:
        self._people = people
        self._every = max(1, people.honest // max(1, count))
        self._shown_at: dict[int, float] = {}
        self._said: dict[int, list[tuple[float, Wait]]] = {}
        self.oldest_s = 0.0
        self.ages = array("f")
        self.errors: list[float] = []
        self.within = 0
        self.held = 0

    def looks(self, who: int) -> bool:
        """Whether this one is watched."""
        return who < self._people.honest and who % self._every == 0

    def told(self, who: int, at: float, wait: Wait | None) -> None:
        """A page was told its place; None: that it has a turn, and too many of its prefix are in.

        Such pages are told that nobody can say how long, so nothing is judged.
        """
        self._shown_at[who] = at
        if wait is None:
            self.held += 1
            return
        self._said.setdefault(who, []).append((at, wait))

    def looked(self, who: int, at: float, wait: Wait) -> None:
        """A page has looked at the mark again."""
        age_s = at - self._shown_at[who]
        self._shown_at[who] = at
        if not self._people.flags[who] & (HIDDEN | FROZEN):
            self.oldest_s = max(self.oldest_s, age_s)
            self.ages.append(age_s)
        self._said[who].append((at, wait))

    def entered(self, who: int, at: float) -> None:
        """It got in: what was said can be judged."""
        if self._people.flags[who] & (HIDDEN | FROZEN):
            self._said.pop(who, None)
            return
        for said_at, wait in self._said.pop(who, []):
            took_s = at - said_at
            if took_s < 10:
                continue
            self.errors.append(abs(wait.likely - took_s) / took_s)
            self.within += wait.low - 5 <= took_s <= wait.high + 5
