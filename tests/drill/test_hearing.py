"""What a listener counts of a live response."""

from stentor import boxes
from stentor.drill.hearing import Hearing
from stentor.edge.answer import chunk
from stentor.edge.cadence import notice_box
from stentor.record import Cursor
from stentor.stage import muxer


def part(number: int) -> bytes:
    body = muxer.part(number, (number - 1) * 9_600, 960, [bytes(80)] * 10)
    return chunk(body + boxes.cursor_box(Cursor(1, number)))


def test_parts_are_counted_however_they_are_cut() -> None:
    stream = b"".join(part(number) for number in range(1, 21))
    for size in (1, 7, 100, len(stream)):
        hearing = Hearing()
        for at in range(0, len(stream), size):
            hearing.take(1.0, stream[at : at + size])
        assert (hearing.parts, hearing.lost, hearing.cursor) == (20, 0, "1.20")


def test_what_is_left_out_is_counted_and_what_comes_twice_is_not() -> None:
    hearing = Hearing()
    for number in (1, 2, 5, 5, 6):
        hearing.take(number * 0.2, part(number))
    assert (hearing.parts, hearing.lost) == (4, 2)


def test_stalls_follow_the_cadence_that_was_told() -> None:
    hearing = Hearing()
    for number in range(1, 11):
        hearing.take(number * 0.2, part(number))
    hearing.take(2.0, part(11) + part(12) + chunk(notice_box(500, 4_000, 0)))
    assert hearing.playhead.cadence_s == 0.5
    hearing.take(2.3, b"".join(part(number) for number in range(13, 16)))
    assert hearing.playhead.stalls == []
    hearing.take(5.0, part(16))
    assert len(hearing.playhead.stalls) == 1
