"""A whole node by radio: listeners stay, whatever is killed, from before the start to the end."""

import asyncio
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.demo import owner
from stentor.demo.evening import together
from stentor.demo.house import House
from stentor.limits import SAMPLE_RATE
from stentor.relay import RADIO_FORMATS
from tests.edge.client import Visitor
from tests.edge.test_icy import unwoven
from tests.edge.test_radio import ICY, Radio
from tests.radio.melody import heard

BYTES_PER_S = 8_000
SPARE_S = 4.0
"""A stream may be so much longer or shorter than the time it took, with two processes killed."""


@pytest.mark.timeout(120)
async def test_radio_outlives_the_stage_and_its_own_process(tmp_path: Path) -> None:
    house = House(tmp_path / "data", SystemClock(), edges=2)
    await asyncio.to_thread(house.start)
    loop = asyncio.get_running_loop()
    try:
        caller = await owner.sign_up(house)
        space = await owner.create_space(caller, "By radio")
        host = await owner.take_host_seat(house, caller, space, house.clock, None)
        _, port = house.settings.address
        async with together(host.run()):
            radio, ogg = await Radio.to(port), await Radio.to(port)
            began = loop.time()
            assert (await radio.tune("mp3", ICY, space=space)).status == 200
            assert (await ogg.tune("ogg", space=space)).status == 200
            saving = asyncio.create_task(ogg.to_end())
            await radio.until(10 * BYTES_PER_S)
            await host.commanded("space.start")
            await radio.until(13 * BYTES_PER_S)
            house.kill("stage")
            await radio.until(18 * BYTES_PER_S)
            house.kill("radio")
            await radio.until(23 * BYTES_PER_S)
            await host.commanded("space.end")
            stream = await radio.to_end()
            took_s = loop.time() - began
        audio, titles = unwoven(stream)
        assert set(titles) == {"By radio"}
        for name, sound in (("mp3", heard(audio, "mp3")), ("ogg", heard(await saving, "ogg"))):
            lasts_s = len(sound) / SAMPLE_RATE - RADIO_FORMATS[name].burst_parts / 5
            assert abs(lasts_s - took_s) < SPARE_S, name
        visitor = await Visitor.to(port)
        pls = await visitor.get(f"/s/{space}/radio.pls")
        assert f"/s/{space}/replay/aac.mp4".encode() in pls.body
        for one in (visitor, radio, ogg):
            await one.close()
    finally:
        await asyncio.to_thread(house.stop)
