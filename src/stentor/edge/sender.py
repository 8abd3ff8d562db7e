"""Writes the same bytes to many listeners, in the way that costs least here."""

import array
import logging
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from stentor.edge.listener import Listener
from stentor.edge.records import Seals
from stentor.edge.uring import Uring
from stentor.limits import URING_BYTES, URING_SENDS_MIN

if TYPE_CHECKING:
    from stentor.edge.sealer import Sealer

_telemetry = logging.getLogger(__name__)
_Short = list[tuple[int, bytes, int]]
"""Who took less, of what, and how much."""


class Sender:
    """Belongs to the thread that sends."""

    def __init__(self, seals: Seals | None) -> None:
        """Args: seals: the keys of those who listen through TLS; None: nobody does."""
        self._seals = seals
        self._ring: Uring | None = None
        self._sealer: Sealer | None = None

    def open(self) -> None:
        """Use a ring where the kernel has one. To be called by the thread that sends."""
        self._ring = Uring.open()
        if self._seals is not None:
            try:
                from stentor.edge.sealer import Sealer  # LLVM takes 10 MB, of who needs it alone
            except (ImportError, OSError) as error:
                _telemetry.warning("listeners are sealed for one by one: %s", error)
            else:
                self._sealer = Sealer.open(self._seals)

    def close(self) -> None:
        """Give the ring back."""
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def send(self, members: Mapping[int, Listener], data: bytes) -> tuple[_Short, list[int]]:
        """Send to all of them, sealed for those who listen through TLS.

        Args:
            members: by descriptor; of one lane.

        Returns:
            Those who took less; and those who have gone.
        """
        ring = self._ring
        if len(members) < URING_SENDS_MIN or len(data) > URING_BYTES:
            return write_each(members.values(), data)
        if (seal := next(iter(members.values())).seal) is not None:
            if self._sealer is None or not seal.together:
                return write_each(members.values(), data)
            return _seal_and_write(self._sealer, ring, members, data)
        if ring is None:
            return write_each(members.values(), data)
        short, gone = ring.write_all(members, data)
        return [(descriptor, data, sent) for descriptor, sent in short], gone


def _seal_and_write(
    sealer: "Sealer", ring: Uring | None, members: Mapping[int, Listener], data: bytes
) -> tuple[_Short, list[int]]:
    """Seal for many at once, and write to each its own records."""
    short: _Short = []
    gone: list[int] = []
    left, memory = iter(members), sealer.memory
    while some := array.array("i", islice(left, sealer.room(data))):
        try:
            size, is_spent = sealer.seal(some, data)
        except RuntimeError:
            _telemetry.exception("%d listeners are let go", len(some))
            gone += some
            continue
        results = (
            ring.write_each(some, sealer.address, size)
            if ring is not None
            else _write_side_by_side(some, memory, size)
        )
        for number, sent in results:
            if sent < 0:
                gone.append(some[number])
            else:
                own = bytes(memory[number * size : (number + 1) * size])
                short.append((some[number], own, sent))
        if is_spent:
            gone += [one for one in some if (seal := members[one].seal) and seal.is_spent]
    return short, gone


def _write_side_by_side(
    descriptors: Iterable[int], memory: memoryview, size: int
) -> list[tuple[int, int]]:
    """As `Uring.write_each` does it."""
    unlike: list[tuple[int, int]] = []
    for number, descriptor in enumerate(descriptors):
        try:
            sent = os.write(descriptor, memory[number * size : (number + 1) * size])
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = -1
        if sent != size:
            unlike.append((number, sent))
    return unlike


def write_each(listeners: Iterable[Listener], data: bytes) -> tuple[_Short, list[int]]:
    """Write to one after the other."""
    write = os.write
    short: _Short = []
    gone: list[int] = []
    for listener in listeners:
        descriptor, own = listener.descriptor, data
        try:
            if listener.seal is not None:
                own = listener.seal.seal(data)
            sent = write(descriptor, own)
        except BlockingIOError:
            short.append((descriptor, own, 0))
        except OSError:
            gone.append(descriptor)
        else:
            if sent != len(own):
                short.append((descriptor, own, sent))
    return short, gone
