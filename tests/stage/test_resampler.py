"""The resampler: pure tones stay pure at any ratio, and a change of ratio is not heard."""

import numpy as np
import pytest

from stentor.stage.resampler import Resampler


def resampled(hz: float, ratios: list[float], piece: int = 960) -> np.ndarray:
    resampler, fed, frames = Resampler(), 0, []
    for ratio in ratios:
        while resampler.wants(ratio):
            at = fed + np.arange(piece)
            resampler.append((0.5 * np.sin(2 * np.pi * hz * at / 48_000)).astype(np.float32))
            fed += piece
        frames.append(resampler.take(ratio))
    return np.concatenate(frames)


@pytest.mark.parametrize(("hz", "least_db"), [(440, 70), (1_000, 70), (6_000, 70), (12_000, 45)])
@pytest.mark.parametrize("ratio", [1.0, 1.0002, 0.9998, 1.005])
def test_a_tone_stays_a_tone(hz: float, least_db: float, ratio: float) -> None:
    heard = resampled(hz, [ratio] * 60)[4_800:].astype(np.float64)
    turn = 2 * np.pi * hz * ratio / 48_000 * np.arange(len(heard))
    basis = np.stack((np.cos(turn), np.sin(turn)), axis=1)
    tone = basis @ np.linalg.lstsq(basis, heard, rcond=None)[0]
    snr = 10 * np.log10(tone.var() / (heard - tone).var())
    assert snr >= least_db
    assert np.hypot(*np.linalg.lstsq(basis, heard, rcond=None)[0]) == pytest.approx(0.5, rel=0.005)


def test_a_changing_ratio_makes_no_step() -> None:
    ratios = [1.0 + 0.005 * np.sin(k / 5) for k in range(100)]
    heard = resampled(440, ratios)[960:]
    assert float(np.abs(np.diff(heard)).max()) < 0.5 * 2 * np.pi * 440 / 48_000 * 1.01


@pytest.mark.parametrize("piece", [120, 960, 5_760])
def test_it_reads_as_much_as_the_ratio_says(piece: int) -> None:
    resampler, fed = Resampler(), 0
    for _ in range(1_000):
        while resampler.wants(1.0002):
            resampler.append(np.zeros(piece, np.float32))
            fed += piece
        assert resampler.take(1.0002).shape == (960,)
    assert fed - resampler.buffered == pytest.approx(1_000 * 960 * 1.0002, abs=0.01)


def test_it_forgets() -> None:
    resampler = Resampler()
    resampler.append(np.ones(5_000, np.float32))
    resampler.take(1.0)
    resampler.clear()
    assert resampler.buffered == 0
    resampler.append(np.zeros(2_000, np.float32))
    assert not resampler.take(1.0).any()
