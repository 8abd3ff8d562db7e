"""Watches an edge's load, and announces and takes the steps of its cadence."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from stentor.edge.cadence import Cadence, Load, Step, notice_box
from stentor.edge.delivery import Delivery
from stentor.edge.gathering import Gathering
from stentor.ids import SpaceId
from stentor.limits import CADENCES_MS

_telemetry = logging.getLogger(__name__)


class Throttle:
    """The cadence of one edge, and what it depends on.

    Attributes:
        egress_max: the operator's bound on what is sent, bytes a second; 0: none.
        egress_bytes_per_s: what was sent between the last two looks.
        load: as it was at the last one.
    """

    def __init__(
        self,
        pin: "Pin",
        told: Callable[[list[SpaceId], Step], None],
        *,
        egress_bytes_per_s: float = 0.0,
    ) -> None:
        """Begin with the pinned cadence, or the shortest.

        Args:
            told: hears of each step that is taken, with the Spaces it concerns.
            egress_bytes_per_s: the operator's bound on what is sent; 0: none.
        """
        self._pin = pin
        self._told = told
        self.egress_max = egress_bytes_per_s
        self.egress_bytes_per_s = 0.0
        self.load = Load(0.0, 0.0)
        self.cadence = Cadence(pin.read() or CADENCES_MS[0])
        self._looked_at: float | None = None

    def look(
        self,
        delivery: Delivery,
        busy: float,
        now: float,
        gatherings: Iterable[Gathering],
        least_ms: int = 0,
    ) -> None:
        """Look at the load; announce or take a step. To be called every tick of the loop.

        Args:
            busy: the share of the time since the last look in which the loop had something to do.
            least_ms: the shortest cadence that is allowed just now.
        """
        elapsed_s = now - self._looked_at if self._looked_at is not None else 0.0
        self._looked_at = now
        count = len(delivery.listeners)
        load = Load(
            busy=busy,
            late_s=delivery.late_s,
            behind=len(delivery.behind) / count if count else 0.0,
            egress=delivery.sent_bytes / elapsed_s / self.egress_max
            if self.egress_max and elapsed_s
            else 0.0,
        )
        self.load = load
        self.egress_bytes_per_s = delivery.sent_bytes / elapsed_s if elapsed_s else 0.0
        delivery.late_s, delivery.sent_bytes = 0.0, 0
        spaces = [gathering for gathering in gatherings if gathering.space.ready]
        step = self.cadence.decide(load, now, self._pin.read(), least_ms)
        if step is not None:
            in_ms = round((step.at - now) * 1_000)
            _telemetry.warning(
                "cadence %d ms in %d ms (%s): busy %.2f, late %.0f ms, behind %.2f",
                step.cadence_ms, in_ms, step.reason, load.busy, load.late_s * 1e3, load.behind,
            )  # fmt: skip
            for gathering in spaces:
                for stream in gathering.space.streams.values():
                    box = notice_box(step.cadence_ms, in_ms, stream.media_time)
                    gathering.space.note(stream, box)
        step = self.cadence.take(now)
        if step is not None:
            _telemetry.warning("cadence is %d ms now (%s)", step.cadence_ms, step.reason)
            heard = [gathering.space.space for gathering in spaces if gathering.count]
            self._told(heard, step)


class Pin:
    """What the operator wants, whatever the load: a knob, and a file that overrides it."""

    def __init__(self, path: Path, knob: str) -> None:
        """Args: path: may be missing; `knob`: `auto` or milliseconds."""
        self._path = path
        self._knob = parse_cadence(knob)
        self._version: tuple[int, int] | None = None
        self._pinned = self._knob

    def read(self) -> int:
        """The cadence that is pinned now; 0: none is."""
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns)
            if version != self._version:
                self._version = version
                self._pinned = parse_cadence(self._path.read_text()[:16])
        except FileNotFoundError:
            self._version, self._pinned = None, self._knob
        except (OSError, ValueError) as error:
            _telemetry.error("%s is not understood: %s", self._path, error)
        return self._pinned


def parse_cadence(text: str) -> int:
    """A cadence in milliseconds; 0 for `auto`.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip()
    if text == "auto":
        return 0
    for cadence_ms in CADENCES_MS:
        if text == str(cadence_ms):
            return cadence_ms
    known = ", ".join(map(str, CADENCES_MS))
    raise ValueError(f"'{text}' is no cadence; there are auto, {known}")
