"""What edges and the usher tell the stage, and what stands in the log then."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.gate import signing
from stentor.space.events import DoorSeeded, LadderChanged, LedgerAnchored
from stentor.teller import Teller, Topic
from tests.fakes.stage_house import StageHouse


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[StageHouse]:
    async with StageHouse(tmp_path) as house:
        yield house


async def told(house: StageHouse, space: str, *kinds: str) -> list[dict]:
    async with asyncio.timeout(10):
        while True:
            found = [one for one in house.events(space) if one["type"] in kinds]
            if {one["type"] for one in found} == set(kinds):
                return found
            await asyncio.sleep(0.02)


async def test_steps_seeds_and_anchors_stand_in_the_log(house: StageHouse) -> None:
    ada = await house.create()
    teller = Teller(house.paths.socket("stage"), house.paths.keyring(), SystemClock(), "usher")
    seed = signing.seed_of(house.keyring, ada.space)
    happened = [
        DoorSeeded(hashlib.sha256(seed).hexdigest()),
        LadderChanged(2, "arrivals", {"arrivals_per_expected": 3.1}, "usher", 1),
        LedgerAnchored(7, "ab" * 32, 2),
    ]
    for number, event in enumerate(happened):
        teller.tell(Topic(ada.space, "door", str(number)), {"event": event})
    teller.tell(Topic(ada.space, "cadence"), {"edge": 1, "cadence_ms": 500, "reason": "busy"})
    kinds = ("door.seeded", "ladder.changed", "ledger.anchored")
    found = await told(house, ada.space, *kinds, "cadence.changed")
    assert [one["type"] for one in found] == [*kinds, "cadence.changed"], "in the order told"
    assert found[1] == {
        "type": "ladder.changed",
        "step": 2,
        "why": "arrivals",
        "figures": {"arrivals_per_expected": 3.1},
        "by": "usher",
        "at_ms": 1,
    }
    await ada.command("space.end")
    revealed = await told(house, ada.space, "door.seed_revealed")
    assert revealed == [{"type": "door.seed_revealed", "seed": seed.hex()}]


async def test_a_stage_that_comes_back_is_told_the_newest(tmp_path: Path) -> None:
    async with StageHouse(tmp_path) as house:
        ada = await house.create()
    teller = Teller(house.paths.socket("stage"), house.paths.keyring(), SystemClock(), "edge")
    for cadence_ms in (500, 1_000, 2_000):
        document = {"edge": 0, "cadence_ms": cadence_ms, "reason": "busy"}
        teller.tell(Topic(ada.space, "cadence"), document)
    async with StageHouse(tmp_path) as house:
        found = await told(house, ada.space, "cadence.changed")
        async with asyncio.timeout(10):
            while found[-1]["cadence_ms"] != 2_000:
                found = await told(house, ada.space, "cadence.changed")
                await asyncio.sleep(0.02)
        assert len(found) <= 2, "one may have been under way; of the others only the newest is told"


async def test_only_a_service_may_tell(house: StageHouse) -> None:
    ada = await house.create()
    event = {"type": "ladder.changed", "step": 5, "why": "", "figures": {}, "by": "", "at_ms": 1}
    at, service = f"/stage/{ada.space}/door", house.token("service", "", "service", "")
    for token, body, status in [
        (ada.token, {"event": event}, 403),
        (service, {"event": {"type": "space.ended", "at_ms": 1, "reason": "host"}}, 400),
        (service, {"event": {**event, "figures": {str(n): n for n in range(17)}}}, 400),
        (service, {"event": event}, 201),
    ]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await house.client.post(at, headers=headers, content=json.dumps(body))
        assert answer.status_code == status
