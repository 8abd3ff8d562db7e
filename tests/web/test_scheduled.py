"""The first event of a log, read from its first segment that has a record."""

import hashlib
from pathlib import Path

import pytest

from stentor.paths import Paths
from stentor.record import Flag, Header, Kind, Rendition
from stentor.space import events
from stentor.space.events import DoorsOpened, SpaceScheduled
from stentor.web.scheduled import scheduled

SPACE = "0123456789ab"
EVENT = SpaceScheduled(SPACE, "A title", "cccccccccccc", "Ann", "bbbbbbbb")


def segment(payload: bytes, kind: Kind = Kind.EVENT) -> bytes:
    """The bytes of a segment that holds one record (PROTOCOL.md, "Segments")."""
    header = Header(
        kind=kind,
        rendition=Rendition.NONE,
        flags=Flag.NONE,
        epoch=1,
        offset=0,
        media_time=0,
        duration=0,
        wall_time=0,
        payload_bytes=len(payload),
        payload_sha256=hashlib.sha256(payload).digest(),
        prev=bytes(32),
    )
    return bytes(128) + header.encode() + payload


def write_log(paths: Paths, space: str, payload: bytes, epoch: int = 1) -> Path:
    """Write a log of one record."""
    path = paths.log(space) / f"{epoch:010}-{0:020}.seg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(segment(payload))
    return path


def test_it_is_read(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    write_log(paths, SPACE, events.encode(EVENT))
    assert scheduled(paths, SPACE) == EVENT


def test_an_epoch_that_never_wrote_is_passed_over(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    write_log(paths, SPACE, events.encode(EVENT)).rename(paths.log(SPACE) / f"{2:010}-{0:020}.seg")
    (paths.log(SPACE) / f"{1:010}-{0:020}.seg").write_bytes(bytes(128))
    assert scheduled(paths, SPACE) == EVENT


@pytest.mark.parametrize("space", ["", "..", "../../etc", "nothing here", "0000000000zz"])
def test_what_is_no_space_has_none(tmp_path: Path, space: str) -> None:
    assert scheduled(Paths(tmp_path), space) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(300),
        segment(b"{"),
        segment(events.encode(DoorsOpened(1))),
        segment(events.encode(EVENT), Kind.PART),
        segment(events.encode(EVENT))[:-20],
    ],
)
def test_a_log_that_begins_otherwise_has_none(tmp_path: Path, content: bytes) -> None:
    paths = Paths(tmp_path)
    write_log(paths, SPACE, b"").write_bytes(content)
    assert scheduled(paths, SPACE) is None
