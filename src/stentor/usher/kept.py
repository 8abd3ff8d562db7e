"""What the usher keeps for its successor: `run/usher.state`, replaced as a whole every second.

Who waits, how far the mark is and on which step the ladder stands outlive the process that knew it:
a mark never goes back, and never leaps over those who wait. It is what `stentor status` shows, too.
"""

import logging
from pathlib import Path

import msgspec

from stentor.gate.notice import Notice
from stentor.gate.plan import Memory
from stentor.paths import write_whole

_telemetry = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """All of it.

    Attributes:
        at_ms: when it was written, UTC.
        notices: of all open Spaces, as last said.
        memories: what the rules remember of each.
        seeded: Spaces whose log has the hash of their shuffle's seed.
    """

    at_ms: int = 0
    notices: list[Notice] = []
    memories: dict[str, Memory] = {}
    seeded: list[str] = []


_decoder = msgspec.msgpack.Decoder(Kept)


def load(path: Path) -> Kept:
    """What was kept last; nothing when there is nothing that can be read."""
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return Kept()
    except (OSError, msgspec.MsgspecError) as error:
        _telemetry.error("%s is not understood: %s", path, error)
        return Kept()


def save(path: Path, kept: Kept) -> None:
    """Keep it. A disk that refuses is no reason to stop: what was kept before is a little older."""
    try:
        write_whole(path, msgspec.msgpack.encode(kept))
    except OSError as error:
        _telemetry.warning("%s cannot be written: %s", path, error)
