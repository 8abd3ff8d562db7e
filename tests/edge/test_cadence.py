"""The cadence: when it lengthens, how players are told, and how it comes back."""

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stentor.edge.cadence import Cadence, Load, lead_s
from stentor.edge.quota import processor_share
from stentor.edge.throttle import Pin, parse_cadence
from stentor.limits import CADENCE_CALM_S, CADENCE_LEAD_SPEED, CADENCE_PRESSED_S, CADENCES_MS
from stentor.paths import Paths
from tests.edge.client import Listener, boxes
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme

CALM = Load(busy=0.1, late_s=0.001)
TICK_S = 0.5


def run(cadence: Cadence, load: Load, now: float, until: float) -> tuple[list[tuple], float]:
    """What is announced and taken under a load that does not change."""
    told: list[tuple] = []
    while now < until:
        if step := cadence.decide(load, now):
            told.append(("announced", step.cadence_ms, step.reason))
        if step := cadence.take(now):
            told.append(("taken", step.cadence_ms, step.reason))
        now += TICK_S
    return told, now


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (Load(busy=0.9, late_s=0.0), "busy"),
        (Load(busy=0.1, late_s=0.2), "late"),
        (Load(busy=0.1, late_s=0.0, egress=1.1), "egress"),
        (Load(busy=0.1, late_s=0.0, behind=0.5), "behind"),
    ],
)
def test_under_pressure_it_goes_up_step_by_step_and_comes_back(load: Load, reason: str) -> None:
    cadence = Cadence()
    told, now = run(cadence, load, 0.0, 60.0)
    up = [(word, ms, reason) for ms in CADENCES_MS[1:] for word in ("announced", "taken")]
    assert told == up
    assert cadence.current_ms == CADENCES_MS[-1], "there is no longer one"
    told, _ = run(cadence, CALM, now, now + 5 * CADENCE_CALM_S)
    assert [step for step in told if step[0] == "taken"] == [
        ("taken", ms, "calm") for ms in reversed(CADENCES_MS[:-1])
    ]


def test_a_hiccup_is_no_pressure() -> None:
    cadence = Cadence()
    for second in range(20):
        assert cadence.decide(Load(busy=1.0, late_s=0.5), second) is None
        assert cadence.decide(CALM, second + CADENCE_PRESSED_S / 2) is None


def test_steps_back_that_were_too_early_make_it_patient() -> None:
    cadence = Cadence()
    now, stays = 0.0, []
    for _ in range(6):
        told, now = run(cadence, Load(busy=0.7, late_s=0.0), now, now + 8.0)
        assert cadence.current_ms == 500, told
        began = now
        while cadence.current_ms == 500:
            _, now = run(cadence, CALM, now, now + TICK_S)
        stays.append(now - began)
    assert all(longer > 1.5 * shorter for shorter, longer in itertools.pairwise(stays[:4]))


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({}, 1.0),
        ({"cpu/a/b/cpu.cfs_quota_us": "25000", "cpu/a/b/cpu.cfs_period_us": "100000"}, 0.25),
        ({"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu/a/b/cpu.cfs_quota_us": "-1", "cpu/a/b/cpu.cfs_period_us": "100000"}, 1.0),
        ({"c/cpu.max": "20000 100000"}, 0.2),
        ({"unified/c/cpu.max": "max 100000"}, 1.0),
        ({"unified/c/cpu.max": "400000 100000"}, 1.0),
        ({"unified/c/cpu.max": "nonsense"}, 1.0),
    ],
)
def test_a_quota_counts_as_the_processor_there_is(
    tmp_path: Path, files: dict[str, str], share: float
) -> None:
    (tmp_path / "own").write_text("3:cpu,cpuacct:/a/b\n2:memory:/m\n0::/c\n")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert processor_share(tmp_path / "own", tmp_path) == share
    assert processor_share(tmp_path / "missing", tmp_path) == 1.0


def test_it_does_not_come_back_to_what_it_could_not_bear() -> None:
    cadence = Cadence(500)
    told, _ = run(cadence, Load(busy=0.4, late_s=0.0), 0.0, 120.0)
    assert told == [], "0.4 at 500 ms would be all there is at 200 ms"


def test_players_have_the_time_they_need() -> None:
    for shorter, longer in itertools.pairwise(CADENCES_MS):
        extra_s = (longer - shorter) / 1_000
        assert lead_s(shorter, longer) * CADENCE_LEAD_SPEED > extra_s
        assert lead_s(longer, shorter) == 0.0


def test_newcomers_are_ready_for_what_is_announced() -> None:
    cadence = Cadence()
    assert cadence.join_parts == 2
    assert cadence.notice(0) == b"", "nothing unusual is to be told"
    run(cadence, Load(busy=0.9, late_s=0.0), 0.0, 2.5)
    assert (cadence.current_ms, cadence.announced_ms) == (200, 500)
    assert cadence.join_parts == 4, "500 ms, and the part that is being made"
    (kind, box) = boxes(cadence.notice(0))[0]
    assert kind == "emsg"
    assert b"urn:stentor:cadence:1" in box
    assert json.loads(box.rpartition(b"\0")[2]) == {"cadence_ms": 500, "in_ms": 0}


def test_what_is_pinned_holds_whatever_the_load(paths: Paths) -> None:
    cadence = Cadence()
    assert cadence.decide(CALM, 0.0, 1_000) is not None
    assert cadence.take(60.0) is not None
    assert cadence.decide(Load(busy=1.0, late_s=1.0), 61.0, 1_000) is None
    file = paths.run / "cadence"
    pin = Pin(file, "500")
    assert pin.read() == 500
    for text, pinned in (("2000\n", 2_000), ("nonsense", 2_000), ("auto", 0)):
        file.write_text(text)
        assert pin.read() == pinned, text
        file.unlink()
        file.touch()  # another file by the same name
    file.unlink()
    assert pin.read() == 500


@pytest.mark.parametrize("text", ["", "300", "-200", "200ms", "²00", "AUTO"])
def test_what_is_no_cadence_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cadence"):
        parse_cadence(text)


async def messages_of(listener: Listener, wanted: int) -> list[dict]:
    """The cadences a listener is told."""
    told: list[dict] = []
    while len(told) < wanted:
        for kind, box in boxes(await listener.chunk()):
            if kind == "emsg" and b"urn:stentor:cadence:1" in box:
                told.append(json.loads(box.rpartition(b"\0")[2]))
    return told


async def test_an_operator_pins_it_and_listeners_are_told_before(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    listener = await running.listen()
    await listener.until(2)
    (running.paths.run / "cadence").write_text("500")
    told = await messages_of(listener, 1)
    assert told[0]["cadence_ms"] == 500
    assert told[0]["in_ms"] > 300 / CADENCE_LEAD_SPEED
    while (await running.health())["cadence_ms"] != 500:
        programme.play(1)
        await asyncio.sleep(0.2)
    (running.paths.run / "cadence").write_text("auto")
    while (await running.health())["cadence_ms"] != 200:
        programme.play(1)
        await asyncio.sleep(0.2)


async def test_with_a_long_cadence_several_parts_come_at_once_and_none_is_lost(
    start: Callable[..., Running], programme: Programme
) -> None:
    running = start(settings={"cadence": "1000"})
    programme.begin()
    programme.play(12)
    listener = await Listener.to(running.port)
    running.guests.append(listener)
    assert (await listener.begin(f"/s/{SPACE}/live/opus")).status == 200
    first = await listener.chunk()
    assert b'"cadence_ms":1000' in first, "a newcomer is told in the first chunk"
    listener.live.take(first)
    live = await listener.until(6)
    for _ in range(20):
        programme.play(1)
        await asyncio.sleep(0.05)
    programme.end()
    live = await listener.to_end()
    everything = programme.payloads(1)
    assert live.parts == everything[-len(live.parts) :]
    assert len(live.parts) == 26
