"""MP3: constant frames, every one of which a player can begin with."""

import numpy as np
import pytest

from stentor.radio.mp3 import FRAME_BYTES, FRAME_MP3_SAMPLES, Mp3
from stentor.radio.unpack import frames_of
from stentor.record import Rendition
from tests.radio.melody import heard, marks_in, melody, place_in, sung


def encoded(mp3: Mp3, parts: slice) -> bytes:
    chosen = sung(Rendition.OPUS).parts[parts]
    return b"".join(mp3.part(frames_of(part.payload)) for part in chosen)


def test_parts_decode_to_what_was_said() -> None:
    mp3 = Mp3(0)
    stream = encoded(mp3, slice(0, 50)) + mp3.end()
    assert not len(stream) % FRAME_BYTES
    assert {stream[at] for at in range(0, len(stream), FRAME_BYTES)} == {0xFF}
    sound = heard(stream, "mp3")
    assert marks_in(sound).agrees
    assert place_in(melody()[: 50 * 9_600], sound)[1] > 0.9


def test_a_player_can_begin_anywhere() -> None:
    mp3 = Mp3(0)
    stream = encoded(mp3, slice(0, 50))
    whole = heard(stream, "mp3")
    for frames in (1, 33, 200):
        late = heard(stream[frames * FRAME_BYTES :], "mp3")
        same = whole[-len(late) :]
        # One frame to overlap with what came before; all that follows is the same.
        assert np.allclose(late[FRAME_MP3_SAMPLES:], same[FRAME_MP3_SAMPLES:], atol=1e-3)


@pytest.mark.parametrize("begun", [False, True])
def test_silence_is_silent_and_as_long_as_it_says(begun: bool) -> None:
    mp3 = Mp3(0)
    if begun:
        encoded(mp3, slice(0, 5))
    before = mp3.position
    stream = mp3.silence(100)
    assert len(stream) == 100 * FRAME_BYTES
    assert mp3.position - before == 100 * FRAME_MP3_SAMPLES
    assert np.abs(heard(stream, "mp3")[6 * FRAME_MP3_SAMPLES :]).max() < 1e-3


def test_a_packet_that_is_none_becomes_silence() -> None:
    mp3 = Mp3(0)
    frames = [b"\xff\xff\xff" * 9] * 10
    assert np.abs(heard(mp3.part(frames) + mp3.end(), "mp3")).max() < 1e-3
    assert mp3.position >= 9_600
