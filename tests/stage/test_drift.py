"""Drift found under jitter, and a pace that follows it without hurry."""

import random

import pytest

from stentor.stage.drift import Drift, Pace


def observed(ppm: float, seconds: int, jitter_s: float, drift: Drift | None = None) -> Drift:
    """Transits of a speaker whose clock runs `ppm` fast."""
    drift = drift or Drift()
    chance = random.Random(2)
    for number in range(seconds * 50):
        now = number * 0.02
        drift.observe(0.08 - now * ppm * 1e-6 + chance.uniform(0, jitter_s), now)
    return drift


@pytest.mark.parametrize("ppm", [200.0, -200.0, 0.0])
@pytest.mark.parametrize(("jitter_s", "within_ppm"), [(0.001, 2.0), (0.040, 15.0)])
def test_the_slope_is_found(ppm: float, jitter_s: float, within_ppm: float) -> None:
    drift = observed(ppm, 180, jitter_s)
    assert drift.slope * 1e6 == pytest.approx(-ppm, abs=within_ppm)
    floor = drift.floor(180.0)
    assert floor is not None
    assert floor == pytest.approx(0.08 - 180 * ppm * 1e-6, abs=0.003)


def test_another_way_through_the_network_is_not_drift() -> None:
    drift = observed(100.0, 120, 0.001)
    for number in range(6_000, 12_000):
        now = number * 0.02
        drift.observe(0.130 - now * 100e-6, now)
        assert drift.slope * 1e6 == pytest.approx(-100.0, abs=5.0)
    floor = drift.floor(240.0)
    assert floor is not None
    assert floor == pytest.approx(0.130 - 240 * 100e-6, abs=0.001)


def test_nothing_is_known_before_the_first_packet() -> None:
    drift = Drift()
    assert drift.floor(1.0) is None
    drift.observe(0.5, 1.0)
    assert drift.floor(2.0) == 0.5
    drift.forget_floor()
    assert drift.floor(2.0) is None


def test_the_pace_leads_a_long_delay_to_its_target_unheard() -> None:
    pace, excess, steps = Pace(), Pace.FAR_S, []
    for _ in range(50 * 600):
        before = pace.ratio
        pace.steer(0.0, excess, 0.02)
        steps.append(abs(pace.ratio - before))
        excess -= (pace.ratio - 1.0) * 0.02
        assert abs(pace.ratio - 1.0) <= 400e-6
        assert excess > -0.002, "it does not shoot over"
    assert max(steps) <= 10e-6 * 0.02 + 1e-12
    assert abs(excess) < 0.002


def test_a_delay_that_is_too_long_is_gone_in_half_a_minute_and_a_tone_stays_clean() -> None:
    pace, excess = Pace(), 0.120
    for _ in range(50 * 30):
        before = pace.ratio
        pace.steer(0.0, excess, 0.02)
        assert abs(pace.ratio - before) <= 1.5e-3 * 0.02 + 1e-12, "40 dB for any steady tone"
        assert pace.ratio - 1.0 <= 5e-3
        excess -= (pace.ratio - 1.0) * 0.02
        assert excess > 0.0, "it does not shoot over"
    assert excess <= 0.015


@pytest.mark.parametrize("excess", [-0.060, 0.200])
def test_a_need_is_met_faster(excess: float) -> None:
    pace, far = Pace(), abs(excess)
    for _ in range(50 * 60):
        pace.steer(-200e-6, excess, 0.02)
        excess -= (pace.ratio - 1.0002) * 0.02
        assert abs(pace.ratio - 1.0) <= 5.3e-3
    assert abs(excess) < far / 2
