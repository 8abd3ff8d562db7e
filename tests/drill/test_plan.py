"""Who comes when, and from where."""

import ipaddress

import pytest

from stentor.clock import SystemClock
from stentor.demo.telling import Telling
from stentor.drill import plan, scale
from stentor.errors import Refused


@pytest.mark.parametrize("kind", plan.ARRIVALS)
def test_everybody_comes_in_time_and_the_same_way_again(kind: plan.Arrival) -> None:
    times = plan.arrivals(kind, 1_000, 10.0, 7)
    assert times == plan.arrivals(kind, 1_000, 10.0, 7)
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= 10.0


def test_a_ramp_grows() -> None:
    times = plan.arrivals("ramp", 10_000, 10.0, 1)
    early, late = (sum(1 for at in times if low <= at < low + 1) for low in (1.0, 8.0))
    assert late > 4 * early


def test_people_are_spread_over_networks_of_this_machine() -> None:
    found = [plan.source_of(number, 200, plan.PEOPLE_NETWORK) for number in range(5_000)]
    assert len({one.rpartition(".")[0] for one in found}) == 200
    assert all(ipaddress.ip_address(one).is_loopback for one in found)
    assert len(set(found)) == 5_000


def test_people_behind_one_address_share_it() -> None:
    assert len({plan.source_of(n, 1, plan.PEOPLE_NETWORK, hosts=1) for n in range(2_000)}) == 1


def test_an_evening_is_simulated_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    played = scale.scenario(1_000, "step", "none", 2)
    found = scale.run(played, 1, Telling(SystemClock()))
    assert found["arrivals"] == 1_000
    assert found["most"] <= found["capacity"] == 300
    assert "Listeners at once" in capsys.readouterr().out
    for arrivals, attack in ((10, "none"), (10**9, "none"), (1_000, "udp")):
        with pytest.raises(Refused):
            scale.scenario(arrivals, "step", attack, 2)
