"""The loudness of invented audio has no step and ends in silence."""

import numpy as np

from stentor.stage.conceal import BACK_SAMPLES, Fade


def ones() -> np.ndarray:
    return np.ones(960, np.float32)


def test_a_voice_rises_fades_and_comes_back_without_a_step() -> None:
    fade = Fade()
    pieces = [fade.real(ones()), fade.real(ones())]
    pieces += [fade.invented(ones()) for _ in range(8)]
    pieces += [fade.real(ones()), fade.real(ones())]
    gain = np.concatenate(pieces)
    assert gain[0] == 0.0
    assert float(np.abs(np.diff(gain)).max()) <= 1.0 / BACK_SAMPLES + 1e-6
    assert (gain[BACK_SAMPLES : 2 * 960] == 1.0).all()
    assert (gain[2 * 960 : 5 * 960] == 1.0).all(), "short losses are as loud as the voice"
    assert (gain[8 * 960 : 10 * 960] == 0.0).all(), "after 120 ms there is silence"
    assert gain[-1] == 1.0


def test_it_comes_back_from_half_way() -> None:
    fade = Fade()
    fade.real(ones())
    invented = np.concatenate([fade.invented(ones()) for _ in range(5)])
    assert 0.0 < fade.gain < 1.0
    back = fade.real(ones())
    assert abs(float(back[0]) - float(invented[-1])) < 0.01
