"""Opus: whole, lost, repeated and hostile packets."""

import random

import numpy as np
import pytest

from stentor.errors import Corrupt
from stentor.stage.opus import Decoder, Encoder, packet_has_fec, packet_samples


def speech_like(frames: int, seed: int = 1) -> np.ndarray:
    """A gliding tone with a voice's slow changes of loudness, shape (frames, 960)."""
    at = np.arange(frames * 960) / 48_000
    glide = 2 * np.pi * (180 * at + 10 * np.sin(2 * np.pi * 0.7 * at + seed))
    tone = sum(np.sin(k * glide) / k for k in range(1, 8))
    return (
        (0.2 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * at))).astype(np.float32).reshape(-1, 960)
    )


def test_what_goes_in_comes_out() -> None:
    encoder, decoder = Encoder(64_000, application="audio"), Decoder()
    frames = speech_like(100)
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames])
    late = encoder.lookahead_samples
    assert late == 312
    sent = frames.reshape(-1)[4_800 : 4_800 + 48_000]
    got = heard[4_800 + late : 4_800 + late + 48_000]
    assert np.corrcoef(sent, got)[0, 1] > 0.98
    assert heard.dtype == np.float32


@pytest.mark.parametrize("frame_samples", [120, 480, 960, 1_920, 2_880])
def test_a_packet_says_how_long_it_is(frame_samples: int) -> None:
    encoder = Encoder(32_000, frame_samples)
    packet = encoder.encode(np.zeros(frame_samples, np.float32))
    assert packet_samples(packet) == frame_samples
    assert len(Decoder().decode(packet)) == frame_samples


def test_a_lost_packet_is_invented_without_a_hole() -> None:
    encoder, decoder = Encoder(32_000), Decoder()
    packets = [encoder.encode(frame) for frame in speech_like(40)]
    for packet in packets[:-1]:
        decoder.decode(packet)
    invented = decoder.decode(None)
    assert invented.shape == (960,)
    assert float(np.sqrt(np.mean(invented**2))) > 0.01


def test_fec_gives_the_lost_packet_back() -> None:
    frames = speech_like(60)
    encoder = Encoder(32_000, fec=True, packet_loss_percent=20)
    packets = [encoder.encode(frame) for frame in frames]
    assert packet_has_fec(packets[41])
    whole, with_fec, without = Decoder(), Decoder(), Decoder()
    for packet in packets[:40]:
        for decoder in (whole, with_fec, without):
            decoder.decode(packet)
    true = whole.decode(packets[40])
    repaired = with_fec.decode(packets[41], 960, fec=True)
    invented = without.decode(None)
    assert np.corrcoef(true, repaired)[0, 1] > 0.8
    assert np.linalg.norm(true - repaired) < np.linalg.norm(true - invented)


def test_hostile_packets_are_refused_and_nothing_else() -> None:
    chance = random.Random(7)
    decoder = Decoder()
    good = Encoder(32_000).encode(speech_like(1)[0])
    refused = 0
    for _ in range(3_000):
        packet = bytearray(chance.choice((good, chance.randbytes(chance.randrange(0, 1_600)))))
        for _ in range(chance.randrange(4)):
            if packet:
                packet[chance.randrange(len(packet))] = chance.randrange(256)
        try:
            pcm = decoder.decode(bytes(packet), fec=chance.random() < 0.2)
        except Corrupt as error:
            assert error.code == "opus.packet"
            refused += 1
        else:
            assert np.isfinite(pcm).all()
            assert float(np.abs(pcm).max()) <= 1.0
    assert 0 < refused < 3_000


@pytest.mark.parametrize("packet", [b"", b"\xff", b"\xff\x3f" + bytes(20), bytes(2_000)])
def test_what_is_no_packet_is_corrupt(packet: bytes) -> None:
    with pytest.raises(Corrupt):
        packet_samples(packet)


def test_a_frame_of_the_wrong_length_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="960"):
        Encoder(32_000).encode(np.zeros(100, np.float32))
    with pytest.raises(ValueError, match="100 samples"):
        Decoder().decode(None, 100)
