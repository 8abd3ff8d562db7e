"""A gate's view of the prefixes of earlier Spaces, and of those that stay at this one."""

import itertools
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from stentor.audience.known import Known
from stentor.errors import Corrupt
from stentor.limits import STAYING_MAX, STAYING_PER_REPORT, TALLIES_KEPT

_telemetry = logging.getLogger(__name__)


@dataclass(slots=True)
class _Staying:
    """Those of one Space in the order in which they came, and how many the usher was told of."""

    prefixes: dict[int, None] = field(default_factory=dict)
    told: int = 0


class KnownPrefixes:
    """Reads what the usher keeps (`known.prefixes`), and collects what it is told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = (0, 0)
        self._known: Known | None = None
        self._staying: OrderedDict[str, _Staying] = OrderedDict()

    def __contains__(self, prefix: int) -> bool:
        """Whether people from there stayed at an earlier Space."""
        return self._known is not None and prefix in self._known

    @property
    def history(self) -> int:
        """How many prefixes are remembered; 0: that one is not among them says nothing."""
        return self._known.history if self._known is not None else 0

    def look(self) -> None:
        """Read the file if it is another one than before; half a megabyte, after each Space."""
        try:
            status = self._path.stat()
            version = status.st_ino, status.st_mtime_ns
            if version == self._version:
                return
            self._version = version
            self._known = Known.decode(self._path.read_bytes())
        except FileNotFoundError:
            self._version, self._known = (0, 0), None
        except (OSError, Corrupt) as error:
            self._known = None
            _telemetry.warning("the prefixes of earlier Spaces cannot be read: %s", error)

    def stays(self, space: str, prefix: int) -> None:
        """Somebody from there has listened long enough to renew a lease."""
        staying = self._staying.get(space)
        if staying is None:
            staying = self._staying[space] = _Staying()
            if len(self._staying) > TALLIES_KEPT:
                self._staying.popitem(last=False)
        if prefix in staying.prefixes:
            return
        if sum(len(one.prefixes) for one in self._staying.values()) < STAYING_MAX:
            staying.prefixes[prefix] = None

    def take(self, *, fresh: bool) -> dict[str, list[int]]:
        """Some of whom the usher has not been told of yet. Args: fresh: it is a new one."""
        told: dict[str, list[int]] = {}
        for space, staying in self._staying.items():
            begin = 0 if fresh else staying.told
            some = list(itertools.islice(staying.prefixes, begin, begin + STAYING_PER_REPORT))
            if some:
                told[space] = some
            staying.told = begin + len(some)
        return told
