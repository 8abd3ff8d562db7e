"""The mixer by numbers: three in, a programme and three mixes out."""

import numpy as np
import pytest

from stentor.stage.limiter import CEILING, LOOK_AHEAD_SAMPLES
from stentor.stage.mixer import Mixer


def level(number: float) -> np.ndarray:
    return np.full(960, number, np.float32)


def settled(mixer: Mixer, frames: dict[str, np.ndarray], heard: set[str]) -> dict[str, float]:
    """The last sample of every output, after two frames: what the numbers add up to."""
    mixer.mix(frames, heard)
    programme, minus = mixer.mix(frames, heard)
    assert minus.keys() == frames.keys()
    return {"": float(programme[-1]), **{who: float(mix[-1]) for who, mix in minus.items()}}


def test_three_numbers_in_three_numbers_out() -> None:
    frames = {"ann": level(0.1), "ben": level(0.2), "cyd": level(0.3)}
    assert settled(Mixer(), frames, set(frames)) == pytest.approx(
        {"": 0.6, "ann": 0.5, "ben": 0.4, "cyd": 0.3}
    )


def test_who_is_muted_is_in_no_mix_and_hears_all() -> None:
    frames = {"ann": level(0.1), "ben": level(0.2), "cyd": level(0.3)}
    assert settled(Mixer(), frames, {"ann", "ben", "somebody else"}) == pytest.approx(
        {"": 0.3, "ann": 0.2, "ben": 0.1, "cyd": 0.3}
    )


def test_alone_you_hear_nothing_at_all() -> None:
    noise = np.random.default_rng(1).standard_normal(960).astype(np.float32) * 0.1
    _, minus = Mixer().mix({"ann": noise}, {"ann"})
    assert not minus["ann"].any()


def test_nobody_is_silence() -> None:
    programme, minus = Mixer().mix({}, set())
    assert programme.shape == (960,)
    assert not programme.any()
    assert minus == {}


def test_thirteen_shouting_stay_below_the_ceiling() -> None:
    mixer, chance = Mixer(), np.random.default_rng(2)
    for _ in range(50):
        frames = {str(k): chance.uniform(-1, 1, 960).astype(np.float32) for k in range(13)}
        programme, minus = mixer.mix(frames, frames.keys())
        for heard in (programme, *minus.values()):
            assert float(np.abs(heard).max()) <= CEILING + 1e-6


@pytest.mark.parametrize("change", ["mute", "unmute", "leave"])
def test_coming_and_going_makes_no_click(change: str) -> None:
    mixer, heard = Mixer(), []
    tone = 0.5 * np.cos(2 * np.pi * 440 * np.arange(960 * 12) / 48_000).astype(np.float32)
    still = level(0.0)
    for beat, frame in enumerate(tone.reshape(-1, 960)):
        late = beat >= 6
        frames = {"ann": frame, "ben": still}
        who = {"ann", "ben"}
        if (change == "mute" and late) or (change == "unmute" and not late):
            who = {"ben"}
        if change == "leave" and late:
            frames, who = {"ben": still}, {"ben"}
        programme, minus = mixer.mix(frames, who)
        assert np.allclose(programme, minus["ben"], atol=1e-6)
        heard.append(programme)
    whole = np.concatenate(heard)[LOOK_AHEAD_SAMPLES + 1 :]
    own = 0.5 * 2 * np.pi * 440 / 48_000
    assert float(np.abs(np.diff(whole)).max()) <= own + 0.5 / 240 + 1e-4
    assert (np.abs(whole[-960:]).max() < 1e-6) == (change != "unmute")


def test_a_newcomer_gets_a_fresh_limiter() -> None:
    mixer = Mixer()
    for _ in range(10):
        mixer.mix({"ann": level(1.0), "ben": level(1.0), "cyd": level(1.0)}, {"ann", "ben", "cyd"})
    mixer.mix({"ann": level(0.0)}, {"ann"})
    frames = {"ann": level(0.0), "dan": level(0.0)}
    first = mixer.mix(frames, set(frames))[1]["dan"]
    assert not first.any()
    for _ in range(3):
        minus = mixer.mix({"ann": level(0.2), "dan": level(0.0)}, {"ann", "dan"})[1]
    assert float(minus["dan"][-1]) == pytest.approx(0.2), "not turned down by those who left"
