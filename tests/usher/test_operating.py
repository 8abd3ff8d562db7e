"""What an operator asks and orders on the command line, before a real usher."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from stentor import cli
from stentor.config import load
from stentor.errors import Refused
from stentor.gate.notice import EdgeSpace
from stentor.paths import Paths
from stentor.space.card import Card
from stentor.usher import orders, plans
from tests.edge.programme import SPACE
from tests.usher.hall import Hall


def stentor(capsys: pytest.CaptureFixture[str], paths: Paths, *words: str) -> tuple[int, str]:
    code = cli.main([*words, "--data", str(paths.data)])
    said = capsys.readouterr()
    return code, said.out + said.err


async def test_status_says_how_many_listen_and_wait(
    usher: Callable[..., Awaitable[Hall]], paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    hall = await usher()
    hall.edge.spaces[SPACE] = EdgeSpace([12, 0, 0])
    await hall.edge.until(SPACE, lambda one: one.listeners == 12)
    code, said = stentor(capsys, paths, "status")
    assert code == 0
    assert f"{SPACE}  open    12 of 100 listen, 0 wait, step 0" in said
    assert "away" in said, "no process holds the usher's lock in this test"
    _, said = stentor(capsys, paths, "status", "--json")
    assert json.loads(said)["listeners"] == 12


def test_orders_for_the_ladder(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    paths.log(SPACE).mkdir(parents=True)
    assert stentor(capsys, paths, "ladder")[1].startswith("Nothing is forced")
    code, said = stentor(capsys, paths, "ladder", "4")
    assert (code, "every Space to step 4" in said) == (0, True)
    assert stentor(capsys, paths, "ladder", SPACE, "5")[0] == 0
    assert orders.Orders(paths.run / "ladder").read() == {"*": 4, SPACE: 5}
    stentor(capsys, paths, "ladder", SPACE, "auto")
    assert orders.load(paths.run / "ladder") == {"*": 4}
    for words in (("6",), ("now",), ("nosuchspace0", "3"), (SPACE,)):
        code, said = stentor(capsys, paths, "ladder", *words)
        assert code == 2, words
        assert "Traceback" not in said
    stentor(capsys, paths, "ladder", "auto")
    assert orders.load(paths.run / "ladder") == {}
    (paths.run / "ladder").write_text('{"*": 9}')
    assert orders.Orders(paths.run / "ladder").read() == {}, "nonsense orders nothing"


def test_help_teaches() -> None:
    command = [sys.executable, "-m", "stentor", "ladder", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for word in ("waiting room", "stentor ladder auto", "never cut off"):
        assert word in said


@pytest.mark.parametrize(
    "knob",
    [
        {"lease_s": 1.0},
        {"listeners_max": -1},
        {"ticketless_share": 1.5},
        {"challenge": "99"},
        {"challenge": "hard"},
        {"waiting_room": "sometimes"},
        {"kernel_shield": "on"},
    ],
)
def test_a_knob_that_makes_no_sense(paths: Paths, knob: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        load({"data_dir": str(paths.data), **knob})
    assert refused.value.code == "config.invalid"


def test_when_doors_open_and_when_the_recording_will_be_here() -> None:
    minute = 60_000
    card = Card(space=SPACE, phase="scheduled", title="T", host_name="Ada")
    assert plans.opens_us(card, 900) == 0, "whose start nobody knows has its doors open"
    assert plans.recording_at_ms(card, 5 * minute) == 0
    card = Card(
        space=SPACE, phase="scheduled", title="T", host_name="Ada", starts_at_ms=100 * minute
    )
    assert plans.opens_us(card, 900) == 85 * minute * 1_000
    assert plans.recording_at_ms(card, 0) == 160 * minute
    assert plans.recording_at_ms(card, 155 * minute) == 170 * minute, "it is later already"
