"""ADTS: what decoders understand, and as the rendition is."""

import numpy as np

from stentor.radio.adts import Adts
from stentor.radio.unpack import frames_of
from stentor.record import Rendition
from tests.radio.melody import heard, melody, place_in, sung


def test_frames_decode_to_what_was_said() -> None:
    adts = Adts(0)
    parts = sung(Rendition.AAC).parts[:50]
    stream = b"".join(adts.part(frames_of(part.payload)) for part in parts)
    assert adts.position == sum(part.duration for part in parts)
    _, alike = place_in(melody()[: adts.position], heard(stream, "aac"))
    assert alike > 0.95


def test_the_header_says_what_the_rendition_is() -> None:
    """The AudioSpecificConfig of the init: object type, rate and channels of our headers."""
    init = sung(Rendition.AAC).init
    config = int.from_bytes(init[init.index(b"\x05\x05", init.index(b"esds")) + 2 :][:2], "big")
    header = int.from_bytes(Adts(0).silence(1)[:7], "big")
    assert config >> 11 == (header >> 38 & 3) + 1
    assert config >> 7 & 15 == header >> 34 & 15
    assert config >> 3 & 15 == header >> 30 & 7


def test_silence_is_silent_and_can_stand_between_sounds() -> None:
    adts = Adts(0)
    sound = heard(adts.silence(47), "aac")
    assert np.abs(sound).max() < 1e-4
    frames = frames_of(sung(Rendition.AAC).parts[0].payload)
    assert len(heard(adts.part(frames) + adts.silence(3) + adts.part(frames), "aac")) >= 20 * 1_024
