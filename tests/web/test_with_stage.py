"""Web with the real stage beside it: a Space from its form to its deleted recording."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from stentor.ids import is_space_id, is_speaker_id
from stentor.web.scheduled import scheduled
from tests.web.conftest import Web

PATIENCE_S = 60


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Web]:
    """Web and the stage, as two processes on one data directory."""
    made = Web(tmp_path / "data")
    command = [sys.executable, "-m", "stentor", "stage", "--data", str(made.paths.data)]
    ports = ["--udp-ports", "41800-41809", "--udp-listen", "127.0.0.1"]
    stage = await asyncio.create_subprocess_exec(*command, *ports)
    try:
        await made.start()
        async with asyncio.timeout(PATIENCE_S):
            while not made.paths.socket("stage").exists():
                assert stage.returncode is None
                await asyncio.sleep(0.02)
        yield made
    finally:
        await made.stop()
        stage.terminate()
        await stage.wait()


async def phase_becomes(house: Web, space: str, phase: str) -> None:
    """Wait for what the stage writes into the card."""
    async with asyncio.timeout(PATIENCE_S):
        while phase not in house.paths.card(space).read_text():
            await asyncio.sleep(0.02)


async def command(house: Web, seat: dict[str, str], space: str, name: str) -> None:
    """What the studio does with the seat's token."""
    transport = httpx.AsyncHTTPTransport(uds=str(house.paths.socket("stage")))
    async with httpx.AsyncClient(transport=transport, base_url="http://stage") as studio:
        bearer = {"Authorization": f"Bearer {seat['token']}"}
        address = f"/stage/{space}/commands"
        answer = await studio.post(address, json={"command": name}, headers=bearer)
        assert answer.status_code == 200, answer.text


async def test_a_space_from_its_form_to_its_deleted_recording(house: Web) -> None:
    owner, account = await house.owner("Ann Smith")
    form = {"title": "A café <b>evening</b>", "description": "One.\r\nTwo.", "when": "now"}
    made = await owner.post("/new", data=form)
    assert made.status_code == 303, made.text
    assert made.headers["location"].startswith("/studio/")
    space = made.headers["location"].removeprefix("/studio/")
    assert is_space_id(space)
    first = scheduled(house.paths, space)
    assert first is not None
    assert (first.host_id, first.host_name) == (account.id, "Ann Smith")
    assert (first.title, first.description) == ("A café <b>evening</b>", "One.\nTwo.")

    seat = (await owner.post(f"/api/spaces/{space}/token")).json()
    assert is_speaker_id(seat["speaker"])
    assert seat["speaker"] == first.host_speaker
    house.clock.ahead_s += 1
    assert "A café &lt;b&gt;evening&lt;/b&gt;" in (await owner.get("/")).text
    early = await owner.post(f"/account/spaces/{space}/withdraw")
    assert early.status_code == 409, "there is no recording yet"
    assert 'role="alert"' in early.text

    await command(house, seat, space, "space.start")
    await command(house, seat, space, "space.end")
    await phase_becomes(house, space, '"replay"')
    for verb, phase in [
        ("withdraw", "withdrawn"),
        ("restore", "replay"),
        ("delete", "deleted"),
    ]:
        assert (await owner.get(f"/account/spaces/{space}/{verb}")).status_code == 200
        done = await owner.post(f"/account/spaces/{space}/{verb}")
        assert (done.status_code, done.headers.get("location")) == (303, "/account?done=recording")
        await phase_becomes(house, space, f'"{phase}"')
        house.clock.ahead_s += 1
        assert {
            "withdrawn": "Offer recording again",
            "replay": "Withdraw recording",
            "deleted": "Recording deleted",
        }[phase] in (await owner.get("/account")).text


async def test_the_api_makes_a_space_with_a_start(house: Web) -> None:
    owner, _ = await house.owner()
    starts_at_ms = house.clock.wall_time() // 1_000_000 + 86_400_000
    body = {"title": "Tomorrow", "starts_at_ms": starts_at_ms}
    made = await owner.post("/api/spaces", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["studio"] == f"/studio/{made.json()['space']}"
    first = scheduled(house.paths, made.json()["space"])
    assert first is not None
    assert (first.starts_at_ms, first.description) == (starts_at_ms, "")


async def test_a_lost_database_loses_no_space(house: Web) -> None:
    owner, account = await house.owner()
    space = (await owner.post("/api/spaces", json={"title": "Kept"})).json()["space"]
    await house.stop()
    for file in house.paths.data.glob("stentor.db*"):
        file.unlink()
    again = Web(house.paths.data)
    await again.start()
    try:
        owner, after = await again.owner("Ann again")
        assert after.id == account.id
        assert "Kept" in (await owner.get("/account")).text
        seat = await owner.post(f"/api/spaces/{space}/token")
        assert seat.status_code == 200, seat.text
    finally:
        await again.stop()
