"""The limiter: never above the ceiling, never a step, quiet sound untouched but for the delay."""

import numpy as np
import pytest

from stentor.stage.limiter import CEILING, LOOK_AHEAD_SAMPLES, Limiter


def limited(signal: np.ndarray) -> np.ndarray:
    limiter = Limiter(1)
    frames = signal.astype(np.float32).reshape(-1, 1, 960)
    return np.concatenate([limiter.limit(frame)[0] for frame in frames])


def test_quiet_sound_is_only_later() -> None:
    signal = 0.5 * np.sin(np.arange(9_600) / 20).astype(np.float32)
    heard = limited(signal)
    assert (heard[LOOK_AHEAD_SAMPLES:] == signal[:-LOOK_AHEAD_SAMPLES]).all()
    assert LOOK_AHEAD_SAMPLES <= 240


@pytest.mark.parametrize("seed", range(5))
def test_nothing_passes_the_ceiling(seed: int) -> None:
    chance = np.random.default_rng(seed)
    signal = chance.standard_normal(96_000) * 0.3
    signal[chance.integers(0, 96_000, 40)] *= 60.0
    signal[30_000:40_000] *= 10.0
    assert float(np.abs(limited(signal)).max()) <= CEILING + 1e-6


def test_the_gain_has_no_step() -> None:
    """A shout of four times the full scale out of nothing, and its end."""
    at = np.arange(96_000)
    signal = np.where((at > 24_000) & (at < 60_000), 4.0, 0.4).astype(np.float32)
    gain = limited(signal)[LOOK_AHEAD_SAMPLES:] / signal[:-LOOK_AHEAD_SAMPLES]
    assert float(np.abs(np.diff(gain)).max()) <= 1.0 / LOOK_AHEAD_SAMPLES + 1e-6
    assert float(gain[:23_500].min()) == 1.0
    assert float(gain[24_100:59_000].max()) == pytest.approx(CEILING / 4.0)
    assert gain[-1] == pytest.approx(1.0, abs=0.05), "and it is back"


def test_rows_know_nothing_of_each_other() -> None:
    both, alone = Limiter(2), Limiter(1)
    loud = np.full((1, 960), 3.0, np.float32)
    soft = np.full((1, 960), 0.3, np.float32)
    for _ in range(5):
        mixed = both.limit(np.concatenate((loud, soft)))
        single = alone.limit(soft)
    assert np.allclose(mixed[1], single[0])
    both.clear(0)
    assert not both.limit(np.zeros((2, 960), np.float32))[0].any()
    both.grow()
    assert both.rows == 3
    assert both.limit(np.full((3, 960), 0.1, np.float32)).shape == (3, 960)
