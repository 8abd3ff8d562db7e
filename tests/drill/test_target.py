"""What a drill may be aimed at."""

import pytest

from stentor.drill import plan, target
from stentor.errors import Refused


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "127.0.0.1:8080", "http://localhost:8080/", "127.9.8.7:8080"]
)
def test_this_machine_may_be_tried(url: str) -> None:
    host, port = target.parse(url)
    assert host.startswith("127.")
    assert port == 8080


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:80",
        "http://radio.example",
        "http://127.0.0.1.radio.example:80",
        "https://127.0.0.1:443",
        "http://0.0.0.0:80",
        "http://[::1]:80",
        "http://127.1:80",
        "http://2130706433:80",
        "http://127.0.0.1@192.0.2.1:80",
        "http://127.0.0.1:99999",
        "ftp://127.0.0.1",
        "",
    ],
)
def test_nobody_else_may(url: str) -> None:
    with pytest.raises(Refused) as refused:
        target.parse(url)
    assert refused.value.code == "drill.target"


def test_a_drill_keeps_to_its_bounds() -> None:
    plan.check(1_000, 40.0, 0)
    for listeners, seconds, attackers in ((0, 40, 0), (10**9, 40, 0), (1, 0, 0), (1, 10, 10**6)):
        with pytest.raises(Refused):
            plan.check(listeners, seconds, attackers)
