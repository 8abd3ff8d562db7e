"""Frames come out of a part as they went in."""

import numpy as np
import pytest

from stentor.errors import Corrupt
from stentor.radio.unpack import frames_of
from stentor.record import Rendition
from stentor.stage import muxer
from tests.radio.melody import sung


def test_frames_come_out_as_they_went_in() -> None:
    sizes = np.random.default_rng(1).integers(1, 400, 10)
    frames = [bytes([number]) * int(size) for number, size in enumerate(sizes)]
    assert frames_of(muxer.part(7, 67_200, 960, frames)) == frames


@pytest.mark.parametrize(
    ("rendition", "counts"), [(Rendition.OPUS, {10}), (Rendition.AAC, {9, 10})]
)
def test_real_parts_have_the_frames_they_should(rendition: Rendition, counts: set[int]) -> None:
    assert {len(frames_of(part.payload)) for part in sung(rendition).parts} == counts


@pytest.mark.parametrize("cut", [0, 4, 20, 60, 119, -1])
def test_a_torn_part_is_refused(cut: int) -> None:
    part = sung(Rendition.OPUS).parts[0].payload
    with pytest.raises(Corrupt):
        frames_of(part[:cut])
