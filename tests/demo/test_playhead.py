"""The playhead's plays: when it starts, what it calls a stall, how long one lasts."""

from stentor.demo.playhead import Playhead

PART = 9_600


def fed(*arrivals: float) -> Playhead:
    playhead = Playhead()
    for now in arrivals:
        playhead.arrive(now, PART)
    return playhead


def test_parts_in_time_make_no_stall() -> None:
    playhead = fed(0.0, 0.0, *(0.2 * n for n in range(1, 50)))
    assert playhead.stalls == []
    assert round(playhead.received_s, 3) == 10.2


def test_it_starts_with_400_ms_in_hand() -> None:
    playhead = fed(0.0, 5.0)  # one part is not enough to start: nothing can run out
    playhead.arrive(5.39, PART)
    assert playhead.stalls == []


def test_a_part_20_ms_late_is_no_stall_and_one_of_30_ms_is() -> None:
    assert fed(0.0, 0.0, 0.419).stalls == []
    late = fed(0.0, 0.0, 0.430, 0.630)
    assert [(round(one.at, 3), round(one.seconds, 3)) for one in late.stalls] == [(0.4, 0.23)]


def test_after_a_stall_it_gathers_anew() -> None:
    playhead = fed(0.0, 0.0, 1.0, 1.1, 1.5, 1.7, 1.9)
    assert len(playhead.stalls) == 1
    assert round(playhead.stalls[0].seconds, 3) == 0.7


def test_a_wait_at_the_end_counts() -> None:
    playhead = fed(0.0, 0.0)
    playhead.close(3.0)
    assert round(playhead.stalls[0].seconds, 3) == 2.6
    again = fed(0.0, 0.0)
    again.close(0.41)
    assert again.stalls == []
