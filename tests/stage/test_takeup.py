"""What a stage learns from a log it finds."""

from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.errors import Corrupt
from stentor.log import Writer
from stentor.record import Kind, Rendition
from stentor.space import events
from stentor.space.events import Event, SpaceEnded, SpaceScheduled, SpaceStarted
from stentor.stage.takeup import read_state, take_up

SPACE = "000000000000"
SCRIPT = (SpaceScheduled(SPACE, "T", "acc", "Ada", "host0001"), SpaceStarted(1))


def write(folder: Path, *happened: Event | bytes) -> Writer:
    writer = Writer.open(folder, SPACE, SystemClock())
    for event in happened:
        writer.append(Kind.EVENT, event if isinstance(event, bytes) else events.encode(event))
    return writer


def test_an_empty_log_announces_nothing(tmp_path: Path) -> None:
    write(tmp_path).close()
    assert read_state(tmp_path, SPACE) is None
    assert take_up(tmp_path, SPACE, SystemClock()) is None
    write(tmp_path).close()  # nobody holds its lock any more


def test_state_and_tails_are_found(tmp_path: Path) -> None:
    writer = write(tmp_path, *SCRIPT, b'{"type":"from.the.future"}')
    writer.append(Kind.INIT, b"init", rendition=Rendition.OPUS)
    for number in range(3):
        at = number * 9_600
        writer.append(Kind.PART, b"p", rendition=Rendition.OPUS, media_time=at, duration=9_600)
    last = writer.append(Kind.PART, b"p", rendition=Rendition.AAC, media_time=0, duration=10_240)
    writer.close()
    kept = take_up(tmp_path, SPACE, SystemClock())
    assert kept is not None
    kept.writer.close()
    assert kept.state == read_state(tmp_path, SPACE)
    assert (kept.state.phase, kept.tail, kept.whole) == ("live", 28_800, 10_240)
    assert kept.tails == {Rendition.OPUS: (28_800, 3), Rendition.AAC: (10_240, 1)}
    assert kept.tail_wall_time == last.wall_time
    assert kept.inits == {Rendition.OPUS}


def test_a_seal_makes_a_replay(tmp_path: Path) -> None:
    writer = write(tmp_path, *SCRIPT, SpaceEnded(2, "host"))
    writer.seal(0)
    writer.close()
    state, kept = read_state(tmp_path, SPACE), take_up(tmp_path, SPACE, SystemClock())
    assert state is not None
    assert kept is not None
    kept.writer.close()
    assert state.phase == kept.state.phase == "replay"


def test_a_log_that_begins_with_something_else_is_refused_and_let_go(tmp_path: Path) -> None:
    write(tmp_path, SpaceStarted(1)).close()
    with pytest.raises(Corrupt):
        read_state(tmp_path, SPACE)
    with pytest.raises(Corrupt):
        take_up(tmp_path, SPACE, SystemClock())
    write(tmp_path).close()
