"""The first event of a Space's log: who hosts it, and from which seat."""

import msgspec

from stentor.errors import Corrupt
from stentor.ids import is_space_id
from stentor.limits import PAYLOAD_BYTES_MAX
from stentor.paths import Paths
from stentor.record import HEADER_BYTES, Kind, decode_header
from stentor.space import events
from stentor.space.events import SpaceScheduled

_SEGMENT_HEAD_BYTES = 128
_SEGMENTS_TRIED_MAX = 8
"""An epoch that ended before its first record leaves a segment without any."""


def scheduled(paths: Paths, space: str) -> SpaceScheduled | None:
    """The log's first event; None when there is no such Space or it cannot be read."""
    if not is_space_id(space):
        return None
    for segment in sorted(paths.log(space).glob("*.seg"))[:_SEGMENTS_TRIED_MAX]:
        try:
            with segment.open("rb") as file:
                file.seek(_SEGMENT_HEAD_BYTES)
                header = decode_header(file.read(HEADER_BYTES))
                if header.kind is not Kind.EVENT or header.payload_bytes > PAYLOAD_BYTES_MAX:
                    return None
                event = events.decode(file.read(header.payload_bytes))
        except (OSError, Corrupt, msgspec.DecodeError, UnicodeDecodeError):
            continue
        return event if isinstance(event, SpaceScheduled) else None
    return None
