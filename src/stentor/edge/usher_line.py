"""A gate's conversation with the usher: a report each second, Notices as they come."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from stentor.clock import Clock, thread_cpu_s
from stentor.edge.doors import Doors
from stentor.edge.usher_link import UsherLink
from stentor.edge.witness import Witness
from stentor.gate.notice import Force, GateReport
from stentor.limits import (
    FORCES_WAITING_MAX,
    KNOWN_LOOK_S,
    UNSENT_REPORTS_MAX,
    USHER_LOOK_S,
    USHER_TICK_S,
)
from stentor.reports import of_gate

_telemetry = logging.getLogger(__name__)


class UsherLine:
    """Keeps in touch with the usher. Without one, what happened is told to the next."""

    def __init__(
        self,
        path: Path,
        gate: str,
        doors: Doors,
        witness: Witness,
        clock: Clock,
        chairs: Callable[[], int],
        shield: Callable[[], dict[str, int]] = dict,
    ) -> None:
        """Begin.

        Args:
            chairs: how many the edges could still take.
            shield: what it refused since the last call.
        """
        self._link = UsherLink(path)
        self._gate = gate
        self._doors = doors
        self._witness = witness
        self._clock = clock
        self._chairs = chairs
        self._shield = shield
        self._handles: dict[str, asyncio.Handle] = {}
        self._unsent: list[bytes] = []
        self._forces: list[Force] = []
        self._fresh = True
        self._due = 0.0
        self._cpu_s = self._busy = 0.0

    def open(self) -> None:
        """Begin to look for the usher, and to report."""
        self._cpu_s = thread_cpu_s()
        self._look_at_known()
        self._due = asyncio.get_running_loop().time() + USHER_TICK_S
        self._look()
        self._tick()

    def close(self) -> None:
        """Say what there is to be said, and no more."""
        for handle in self._handles.values():
            handle.cancel()
        self._report()
        self._lose()

    def force(self, force: Force) -> None:
        """Somebody wants a step of the ladder: said at once, or to the next usher."""
        self._forces.append(force)
        del self._forces[:-FORCES_WAITING_MAX]
        self._report()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._link.socket is None and self._link.open():
            assert self._link.socket is not None, "it was opened"
            self._fresh = True
            loop.add_reader(self._link.socket.fileno(), self._hear)
            self._report()
        self._handles["look"] = loop.call_later(USHER_LOOK_S, self._look)

    def _look_at_known(self) -> None:
        self._witness.known.look()
        loop = asyncio.get_running_loop()
        self._handles["known"] = loop.call_later(KNOWN_LOOK_S, self._look_at_known)

    def _hear(self) -> None:
        notices, there = self._link.hear()
        self._doors.hear(notices)
        self._witness.salt = self._link.salt or self._witness.salt
        if not there:
            _telemetry.warning("the usher has gone")
            self._lose()

    def _lose(self) -> None:
        if self._link.socket is not None:
            asyncio.get_running_loop().remove_reader(self._link.socket.fileno())
            self._link.close()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        late_s = max(0.0, loop.time() - self._due)
        self._due = loop.time() + USHER_TICK_S
        self._handles["tick"] = loop.call_later(USHER_TICK_S, self._tick)
        used_s, self._cpu_s = thread_cpu_s() - self._cpu_s, thread_cpu_s()
        self._doors.look_at_edges(self._chairs())
        self._report(busy=min(1.0, used_s / (USHER_TICK_S + late_s)), lag_ms=late_s * 1e3)

    def _report(self, busy: float = -1.0, lag_ms: float = 0.0) -> None:
        """Say what has happened. Args: busy: less than 0: as said before."""
        if self._link.socket is None:
            return
        self._busy = busy if busy >= 0 else self._busy
        known = self._witness.known
        spaces, demands = self._doors.report(fresh=self._fresh, history=known.history)
        at_ms = self._clock.wall_time() // 1_000_000
        report = GateReport(self._gate, at_ms, spaces, self._busy, round(lag_ms, 1))
        report.shield, report.forces = self._shield(), self._forces
        staying = known.take(fresh=self._fresh)
        self._unsent += of_gate(report, demands, self._witness.salt, staying)
        self._forces, self._fresh = [], False
        del self._unsent[: self._link.tell(self._unsent)]
        if len(self._unsent) > UNSENT_REPORTS_MAX:
            _telemetry.warning("the usher does not read; what was to be said is lost")
            self._unsent.clear()
