"""Who was given a chair at this gate lately. Pure."""

from stentor.limits import LET_IN_REMEMBERED


class LetIn:
    """Numbers that were given a chair here lately, bounded.

    A place shown a hundred times is to take one chair of what the gate may give, not a hundred.
    """

    def __init__(self, most: int = LET_IN_REMEMBERED) -> None:
        self._most = most // 2
        self._young: dict[int, int] = {}  # until when, in microseconds
        self._old: dict[int, int] = {}

    def has(self, number: int, now_us: int) -> bool:
        """Whether it has a chair that it need not be given again."""
        return (self._young.get(number) or self._old.get(number, 0)) > now_us

    def add(self, number: int, until_us: int) -> None:
        """Remember it; the older half is forgotten when there are too many."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[number] = until_us

    def drop(self, number: int) -> None:
        """It has lost its chair."""
        self._young.pop(number, None)
        self._old.pop(number, None)
