"""What is said of a player rests on this: a melody is found, and every fault of it is found out."""

import io

import av
import numpy as np
import pytest

from stentor.record import RENDITION_NAMES, Rendition
from tests.players.melody import find, melody, sound


@pytest.mark.parametrize("rendition", RENDITION_NAMES.values(), ids=RENDITION_NAMES)
def test_what_was_encoded_is_found(rendition: Rendition) -> None:
    encoded = sound(rendition)
    data = encoded.init + b"".join(part.payload for part in encoded.parts[:50])
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    found = find(np.concatenate(frames).astype(np.float64))
    assert found.seconds == pytest.approx(10, abs=0.1)
    assert found.at_s == pytest.approx(0, abs=0.02)
    assert found.is_whole, found


def test_a_piece_is_found_at_its_place() -> None:
    found = find(np.tile(melody(), 2)[30 * 48_000 : 36 * 48_000])
    assert found.at_s == pytest.approx(30, abs=0.05)
    assert found.is_whole


@pytest.mark.parametrize("fault", ["silence", "a hole", "a jump", "twice", "nothing", "noise"])
def test_a_fault_is_found_out(fault: str) -> None:
    heard = melody()[: 6 * 48_000].copy()
    match fault:
        case "silence":
            heard[96_000:106_000] = 0
        case "a hole":
            heard = np.delete(heard, slice(96_000, 98_000))
        case "a jump":
            heard = np.delete(heard, slice(96_000, 140_000))
        case "twice":
            heard = np.insert(heard, 96_000, heard[86_400:96_000])
        case "nothing":
            heard[:] = 0
        case _:
            heard = np.random.default_rng(1).normal(0, 0.3, len(heard))
    assert not find(heard).is_whole
