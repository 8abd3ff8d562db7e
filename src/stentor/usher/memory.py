"""What outlives a Space: the prefixes from which people stayed, in `known.prefixes`."""

import itertools
import logging
from collections.abc import Iterable
from pathlib import Path

from stentor.audience.known import Known
from stentor.errors import Corrupt
from stentor.limits import KNOWN_PREFIXES_MAX
from stentor.paths import write_whole

_telemetry = logging.getLogger(__name__)
_DAY_S = 86_400.0


class Prefixes:
    """Collects them while a Space lasts, and remembers them when it is over.

    What an usher had collected goes with it; gates tell the next one again.
    """

    def __init__(self, path: Path, days: float) -> None:
        """Begin.

        Args:
            days: for how long a filter takes prefixes in; 0: nothing is remembered, and what was
                is forgotten.
        """
        self._path = path
        self._turn_s = days * _DAY_S
        self._staying: dict[str, set[int]] = {}
        if not days:
            path.unlink(missing_ok=True)

    def stay(self, space: str, prefixes: Iterable[int]) -> None:
        """A gate tells of people who stay at an open Space."""
        if self._turn_s:
            room = KNOWN_PREFIXES_MAX - sum(map(len, self._staying.values()))
            self._staying.setdefault(space, set()).update(itertools.islice(prefixes, room))

    def over(self, space: str, now_s: float) -> None:
        """The Space is over: from now on they were there before. Args: now_s: UTC."""
        staying = self._staying.pop(space, None)
        if not staying:
            return
        known = self._load(now_s)
        known.add(sorted(staying), now_s, self._turn_s)
        try:
            write_whole(self._path, known.encode())
        except OSError as error:
            _telemetry.warning("%s cannot be written: %s", self._path, error)

    def _load(self, now_s: float) -> Known:
        try:
            return Known.decode(self._path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, Corrupt) as error:
            _telemetry.warning("%s is begun anew: %s", self._path, error)
        return Known(now_s)
