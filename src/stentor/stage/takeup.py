"""Taking up a Space from its log: what happened, where the sound ends, and whether it is sealed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stentor.clock import Clock
from stentor.log import Disk, Reader, Writer
from stentor.record import Header, Kind, Rendition
from stentor.space import events
from stentor.space.events import Event
from stentor.space.state import State, fold_all, sealed


@dataclass(frozen=True, slots=True)
class Kept:
    """A log as it was found, open for writing.

    Attributes:
        tails: for each rendition with parts, the media_time after the last one, and their number.
        tail_wall_time: when the last record was written, UTC ns.
        inits: renditions that have begun.
    """

    writer: Writer
    state: State
    tails: dict[Rendition, tuple[int, int]]
    tail_wall_time: int
    inits: frozenset[Rendition]

    @property
    def tail(self) -> int:
        """The media_time after the programme's last sample."""
        return max((end for end, _ in self.tails.values()), default=0)

    @property
    def whole(self) -> int:
        """The media_time up to which every rendition has sound."""
        return min((end for end, _ in self.tails.values()), default=0)


def read_state(folder: Path, space: str) -> State | None:
    """The state of a Space by its log; None when the log is empty. Blocks: call it in a thread.

    Raises:
        Corrupt: `log.events`, or what reading the log raises.
    """
    with Reader(folder, space) as reader:
        reader.refresh()
        return _state(reader)


def take_up(folder: Path, space: str, clock: Clock, disk: Disk | None = None) -> Kept | None:
    """Open a log for writing and learn where it stands. Blocks: call it in a thread.

    Args:
        disk: what the log is written with; tests hand in one that fails.

    Returns:
        None when the log is empty: nothing was ever announced.

    Raises:
        Unavailable: another writer has it, or the disk refuses.
        Corrupt: as `read_state`.
    """
    happened: list[tuple[Event, int]] = []
    inits: set[Rendition] = set()
    seals = 0

    def tell(header: Header, payload: bytes) -> None:
        nonlocal seals
        match header.kind:
            case Kind.EVENT:
                happened.extend(_event(header, payload))
            case Kind.INIT:
                inits.add(header.rendition)
            case Kind.SEAL:
                seals += 1
            case _:
                pass

    writer = Writer.open(folder, space, clock, disk=disk, tell=tell)
    try:
        state = fold_all(happened)
    except BaseException:
        writer.close()
        raise
    if state is None:
        writer.close()
        return None
    found = writer.recovered
    state = sealed(state) if seals else state
    return Kept(writer, state, dict(found.last), found.wall_time, frozenset(inits))


def _state(reader: Reader) -> State | None:
    state = fold_all(_events(reader))
    return sealed(state) if state is not None and reader.sealed else state


def _events(reader: Reader) -> Iterator[tuple[Event, int]]:
    for header in reader.headers(kind=Kind.EVENT):
        yield from _event(header, reader.record(header.offset).payload)


def _event(header: Header, payload: bytes) -> Iterator[tuple[Event, int]]:
    """An event and its wall time in UTC ms; nothing when it is of a type we do not know."""
    try:
        yield events.decode(payload), header.wall_time // 1_000_000
    except msgspec.ValidationError:  # PROTOCOL.md, "Events": ignored
        return
