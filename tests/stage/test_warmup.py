"""What is slow the first time has been done before the beat begins."""

import asyncio
import gc
import sys
from pathlib import Path

from stentor.stage.publisher import own_certificate
from stentor.stage.serve import SWITCH_INTERVAL_S
from stentor.stage.warmup import warm_up
from tests.fakes.clock import JumpingClock
from tests.fakes.stage_house import WAIT_S, StageHouse


def test_the_key_is_there_and_stays() -> None:
    clock = JumpingClock()
    warm_up(clock)
    assert own_certificate(clock) is own_certificate(clock)


async def test_threads_of_the_stage_and_the_collector_spare_the_beat(tmp_path: Path) -> None:
    before, thresholds = sys.getswitchinterval(), gc.get_threshold()
    try:
        sys.setswitchinterval(0.005)
        async with StageHouse(tmp_path) as house:
            async with asyncio.timeout(WAIT_S):
                while not (await house.client.get("/stage/health")).json()["beat"]["count"]:
                    await asyncio.sleep(0.02)
            assert abs(sys.getswitchinterval() - SWITCH_INTERVAL_S) < 1e-6
            assert gc.get_threshold()[0] >= 100_000
    finally:
        sys.setswitchinterval(before)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
