"""Parts of all renditions through a real player's demuxer and decoder."""

import io
from itertools import pairwise

import av
import numpy as np
import pytest

from stentor.record import Rendition
from stentor.stage.encoder import EncodedPart, RenditionEncoder

RENDITIONS = [Rendition.OPUS, Rendition.OPUS_LOW, Rendition.AAC]
CODEC_FRAME = {Rendition.OPUS: 960, Rendition.OPUS_LOW: 1_920, Rendition.AAC: 1_024}
# FFmpeg counts the samples it drops at the beginning of Opus (pre-skip) as time.
LATE = {Rendition.OPUS: 312, Rendition.OPUS_LOW: 312, Rendition.AAC: 0}
# How alike decoded and original must be: 32, 16 and 64 kbit/s.
ALIKE = {Rendition.OPUS: 0.99, Rendition.OPUS_LOW: 0.95, Rendition.AAC: 0.99}


def sound(samples: int) -> np.ndarray:
    """A sweep with changing loudness: no two places are alike."""
    at = np.arange(samples) / 48_000
    sweep = np.sin(2 * np.pi * (200 * at + 120 * at * at))
    return (0.3 * sweep * (0.7 + 0.3 * np.sin(2 * np.pi * 2 * at))).astype(np.float32)


def fed(encoder: RenditionEncoder, pcm: np.ndarray, piece: int = 960) -> list[EncodedPart]:
    parts = []
    for at in range(0, len(pcm), piece):
        parts += encoder.feed(pcm[at : at + piece])
    return parts


def packets(data: bytes) -> list[tuple[int, int]]:
    with av.open(io.BytesIO(data)) as file:
        return [(p.pts, p.duration) for p in file.demux(file.streams.audio[0]) if p.size]


def played(data: bytes, samples: int, late: int = 0) -> np.ndarray:
    """What a player gives, every sample at its time, but for a lateness that is known."""
    heard = np.zeros(samples, np.float32)
    with av.open(io.BytesIO(data)) as file:
        for frame in file.decode(audio=0):
            at = frame.pts - late
            pcm = frame.to_ndarray().reshape(-1)[: max(0, samples - at)]
            heard[at : at + len(pcm)] = pcm
    return heard


@pytest.mark.parametrize("rendition", RENDITIONS)
def test_a_player_hears_what_was_said_when_it_was_said(rendition: Rendition) -> None:
    pcm, size = sound(48_000 * 2), CODEC_FRAME[rendition]
    encoder = RenditionEncoder(rendition, 0)
    parts = fed(encoder, pcm) + encoder.flush()
    data = encoder.init() + b"".join(part.payload for part in parts)
    times = packets(data)
    assert times == [(at * size, size) for at in range(len(times))]
    assert times[-1][0] + size == -(-len(pcm) // size) * size
    heard = played(data, len(pcm), LATE[rendition])
    for begin in (4_800, 24_000, 84_000):
        window = slice(begin, begin + 9_600)
        assert np.corrcoef(pcm[window], heard[window])[0, 1] > ALIKE[rendition]
    # Aligned to the sample: shifted by a tenth of a millisecond it is less alike.
    right = np.dot(pcm[24_000:72_000], heard[24_000:72_000])
    for shift in (-5, 5):
        assert np.dot(pcm[24_000:72_000], heard[24_000 + shift : 72_000 + shift]) < right


@pytest.mark.parametrize("rendition", RENDITIONS)
@pytest.mark.parametrize("begins", [0, 9_600 * 5, 9_600 * 5 + 960])
def test_a_part_is_what_begins_in_its_fifth_of_a_second(rendition: Rendition, begins: int) -> None:
    size, time = CODEC_FRAME[rendition], begins
    encoder = RenditionEncoder(rendition, begins)
    parts = fed(encoder, sound(48_000), 1_111)
    for part in parts:
        assert part.media_time == time
        time += part.duration
        assert part.duration % size == 0
        assert (time - size) // 9_600 == part.media_time // 9_600, "its last frame begins in it"
        assert time // 9_600 == part.media_time // 9_600 + 1, "and the next one does not"
    assert time >= begins + 48_000 - 9_600 - 2 * size
    if begins % 9_600 == 0:
        counts = {part.duration // size for part in parts}
        whole = {Rendition.OPUS: {10}, Rendition.OPUS_LOW: {5}, Rendition.AAC: {9, 10}}
        assert counts <= whole[rendition]


@pytest.mark.parametrize("rendition", RENDITIONS)
def test_a_restarted_stage_goes_on_in_the_same_stream(rendition: Rendition) -> None:
    pcm = sound(48_000 * 2)
    first = RenditionEncoder(rendition, 0)
    before = fed(first, pcm[:30_000])
    end = before[-1].media_time + before[-1].duration
    second = RenditionEncoder(rendition, end, parts=len(before))
    after = fed(second, pcm[end:]) + second.flush()
    assert second.init() == first.init()
    data = first.init() + b"".join(part.payload for part in before + after)
    times = [time for time, _ in packets(data)]
    assert {b - a for a, b in pairwise(times)} == {CODEC_FRAME[rendition]}
    numbers = [int.from_bytes(part.payload[20:24], "big") for part in before + after]
    assert numbers == list(range(1, len(numbers) + 1))
    heard = played(data, len(pcm), LATE[rendition])
    window = slice(end + 4_800, end + 24_000)
    assert np.corrcoef(pcm[window], heard[window])[0, 1] > 0.8 * ALIKE[rendition]


@pytest.mark.parametrize("rendition", RENDITIONS)
def test_long_silence_is_quick_and_as_long_as_it_says(rendition: Rendition) -> None:
    encoder = RenditionEncoder(rendition, 0)
    parts = fed(encoder, sound(4_800)) + encoder.silence(48_000 * 20 + 77)
    parts += fed(encoder, sound(48_000)) + encoder.flush()
    samples, size = 4_800 + 48_000 * 21 + 77, CODEC_FRAME[rendition]
    assert sum(part.duration for part in parts) == -(-samples // size) * size
    data = encoder.init() + b"".join(part.payload for part in parts)
    heard = played(data, samples)
    assert float(np.abs(heard[48_000 : 48_000 * 20]).max()) < 1e-3
    assert float(np.abs(heard[-24_000:]).max()) > 0.2


def test_nothing_fed_nothing_made() -> None:
    assert RenditionEncoder(Rendition.OPUS, 0).flush() == []
    with pytest.raises(ValueError, match="rendition"):
        RenditionEncoder(Rendition.NONE, 0)
