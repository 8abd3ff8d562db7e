"""A short evening with real processes, voices and listeners: what `stentor demo` promises."""

import pytest

from stentor.clock import SystemClock
from stentor.demo import evening
from stentor.demo.telling import Telling

LISTENERS = 40
SECONDS = 18.0


@pytest.mark.timeout(110)
async def test_an_evening_with_a_lost_network_and_a_killed_edge() -> None:
    found = await evening.play(LISTENERS, SECONDS, Telling(SystemClock()))

    assert found["listeners"] == LISTENERS
    assert found["unfinished"] == 0, "everybody was told the end"
    assert found["parts_lost"] == found["parts_twice"] == found["parts_torn"] == 0
    assert 0 <= found["resume_max_s"] < 10.0, "the listeners of the killed edge are back"
    assert found["replay_equal"], "the replay is the very bytes that were live"
    assert 0 <= found["replay_ready_s"] < 10.0
    assert 2.0 < found["gap_s"] < 10.0, "the speaker's network was away, and the log says so"
    assert found["log_verified"]
    # A machine that is busy with other tests may lose packets or be late; not much, though.
    assert found["marks_found"] >= 0.8 * found["marks_expected"] > 10
    assert found["speech_alike"] > 0.7, "what was said is what the replay says"
    assert found["stalls"] <= LISTENERS
    page = found["chromium"]
    assert page is None or (page["parts_lost"] == page["parts_twice"] == 0 and page["parts"] > 50)
