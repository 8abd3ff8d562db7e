"""The stage's HTTP face on a real Unix socket: each route, and each way to be refused."""

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stentor.errors import Refused, Unavailable
from stentor.limits import COMMAND_BYTES_MAX, SDP_BYTES_MAX, SPACES_OPEN_MAX
from stentor.log import Reader
from stentor.record import Kind
from stentor.stage.asgi import listening
from tests.fakes.stage_house import StageHouse, Studio, speaking, tone

JSON = "application/json"
SDP = "application/sdp"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[StageHouse]:
    async with StageHouse(tmp_path) as house:
        yield house


async def ask(
    house: StageHouse, method: str, path: str, token: str = "", body: Any = b"", kind: str = JSON
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body:
        headers["Content-Type"] = kind
    answer = await house.client.request(method, path, headers=headers, content=body)
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["title"].endswith(".")
    return answer.status_code, answer.json()


async def test_a_space_is_created_by_the_service_only(house: StageHouse) -> None:
    wanted = {"title": "T", "host_name": "Ada", "host_id": "acc000000001"}
    body = json.dumps(wanted).encode()
    service = house.token("service", "", "service", "")
    status, made = await ask(house, "POST", "/stage/spaces", service, body)
    assert status == 201
    assert (len(made["space"]), len(made["host_speaker"])) == (12, 8)
    assert house.card(made["space"])["phase"] == "scheduled"
    assert house.events(made["space"])[0]["title"] == "T"
    assert stat.S_IMODE(house.paths.space(made["space"]).stat().st_mode) == 0o700
    seat = house.token("seat", made["space"], "host", made["host_speaker"])
    status, problem = await ask(house, "POST", "/stage/spaces", seat, body)
    assert (status, problem["code"]) == (403, "token.wrong_role")
    kept = {**wanted, "host_speaker": "abcdefgh"}
    status, made = await ask(house, "POST", "/stage/spaces", service, json.dumps(kept).encode())
    assert made["host_speaker"] == "abcdefgh"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"title": ""}, 422, "space.invalid"),
        ({"title": "x" * 121}, 422, "space.invalid"),
        ({"description": "x" * 2_001}, 422, "space.invalid"),
        ({"host_name": "\n"}, 422, "space.invalid"),
        ({"starts_at_ms": 1}, 422, "space.invalid"),
        ({"starts_at_ms": "soon"}, 400, "request.malformed"),
        ({"title": 7}, 400, "request.malformed"),
    ],
)
async def test_what_cannot_be_announced(
    house: StageHouse, fields: dict[str, object], status: int, code: str
) -> None:
    body = json.dumps({"title": "T", "host_name": "Ada", **fields}).encode()
    service = house.token("service", "", "service", "")
    found, problem = await ask(house, "POST", "/stage/spaces", service, body)
    assert (found, problem["code"]) == (status, code)
    assert list(house.paths.spaces.iterdir()) == []


async def test_every_wrong_request_is_a_problem_document(house: StageHouse) -> None:
    ada = await house.create()
    at = f"/stage/{ada.space}"
    other = house.token("seat", "000000000000", "host", ada.speaker)
    guest = house.token("seat", ada.space, "speaker", "stranger")
    invite = house.token("invite", ada.space, "speaker", "stranger")
    old = house.token("seat", ada.space, "host", ada.speaker, valid_s=-5)
    end = b'{"command":"space.end"}'
    big, bigger = b" " * (COMMAND_BYTES_MAX + 1), b" " * (SDP_BYTES_MAX + 1)
    table: list[tuple[int, str, tuple[Any, ...]]] = [
        (404, "page.unknown", ("GET", "/nowhere")),
        (404, "page.unknown", ("GET", "/stage/x/y/z/w", ada.token)),
        (405, "request.method", ("GET", f"{at}/commands", ada.token)),
        (405, "request.method", ("PATCH", f"{at}/whip/abc", ada.token)),
        (401, "token.missing", ("POST", f"{at}/commands", "", end)),
        (401, "token.invalid", ("POST", f"{at}/commands", ada.token + "x", end)),
        (401, "token.expired", ("POST", f"{at}/commands", old, end)),
        (403, "token.wrong_space", ("POST", f"{at}/commands", other, end)),
        (403, "token.wrong_role", ("POST", f"{at}/commands", invite, end)),
        (404, "speaker.unknown", ("POST", f"{at}/commands", guest, end)),
        (415, "request.media_type", ("POST", f"{at}/commands", ada.token, end, "text/plain")),
        (413, "request.too_large", ("POST", f"{at}/commands", ada.token, big)),
        (400, "request.malformed", ("POST", f"{at}/commands", ada.token, b"{")),
        (400, "request.malformed", ("POST", f"{at}/join", ada.token, b"[]")),
        (422, "space.invalid", ("POST", f"{at}/join", ada.token, b'{"name":"A"}')),
        (404, "space.unknown", ("POST", "/stage/000000000000/commands", other, end)),
        (404, "page.unknown", ("POST", "/stage/..%2f..%2fx/commands", other, end)),
        (404, "space.unknown", ("GET", "/stage/000000000000/events", other)),
        (415, "request.media_type", ("POST", f"{at}/whip", ada.token, b"v=0", JSON)),
        (413, "request.too_large", ("POST", f"{at}/whip", ada.token, bigger, SDP)),
        (400, "sdp.malformed", ("POST", f"{at}/whip", ada.token, b"\xff\0", SDP)),
        (404, "speaker.unknown", ("POST", f"{at}/whip", guest, b"v=0", SDP)),
        (404, "session.unknown", ("DELETE", f"{at}/whip/abc", ada.token)),
    ]
    for status, code, request in table:
        found, problem = await ask(house, *request)
        assert (found, problem["code"]) == (status, code), request


async def test_a_body_without_an_end_is_cut_at_the_bound(house: StageHouse) -> None:
    ada = await house.create()
    reader, writer = await asyncio.open_unix_connection(str(house.paths.socket("stage")))
    head = (
        f"POST /stage/{ada.space}/commands HTTP/1.1\r\nHost: stage\r\n"
        f"Authorization: Bearer {ada.token}\r\nContent-Type: {JSON}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())
    writer.write(b"1000\r\n" + b" " * 4_096 + b"\r\n")
    await writer.drain()
    writer.write((b"1000\r\n" + b" " * 4_096 + b"\r\n") * 4)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    writer.close()


async def test_the_stream_tells_state_events_and_levels(house: StageHouse) -> None:
    ada = await (await house.create()).follow()
    assert ada.lines[0]["you"] == {"speaker": ada.speaker, "role": "host"}
    assert ada.lines[0]["card"]["space"] == ada.space
    microphone = ada.speak(tone())
    async with speaking(microphone):
        await ada.event("speaker.connected", speaker=ada.speaker)
        await ada.card(lambda card: card["speakers"][0].get("connected", False))
        levels = await ada.line(
            lambda line: line["type"] == "levels" and line["levels"].get(ada.speaker, -100) > -30
        )
        assert levels["delay_ms"][ada.speaker] > 0
        assert levels["loss"][ada.speaker] == 0
        await ada.command("space.update", title="Changed")
        await ada.card(lambda card: card["title"] == "Changed")


async def test_a_studio_that_hangs_up_is_forgotten(house: StageHouse) -> None:
    ada = await (await house.create()).follow()
    assert (await house.wait_ready())["studios"] == 1
    await ada.hang_up()
    async with asyncio.timeout(10):
        while (await house.wait_ready())["studios"]:
            await asyncio.sleep(0.02)


async def test_a_second_publisher_must_name_the_first(house: StageHouse) -> None:
    ada = await (await house.create()).follow()
    first, second = ada.speak(tone()), ada.speak(tone())
    async with speaking(first):
        await ada.event("speaker.connected")
        with pytest.raises(Refused) as refused:
            await second.publish()
        assert refused.value.code == "speaker.already"
        await second.publish(replaces=first.session)
        await asyncio.wait_for(first.gone.wait(), 5)
        health = await house.wait_ready()
        assert health["sessions"] == 1
        await second.leave()
        left = await ada.event("speaker.left")
        assert left["reason"] == "left"
    assert (await house.wait_ready())["sessions"] == 0


async def test_mute_remove_and_the_removed_stay_out(house: StageHouse) -> None:
    ada = await (await house.create()).follow()
    bob = await (await house.invite(ada, "Bob")).follow()
    microphone = bob.speak(tone())
    async with speaking(microphone):
        await ada.event("speaker.connected", speaker=bob.speaker)
        muted = await ada.command("speaker.mute", speaker=bob.speaker)
        assert muted.json()["events"] == [
            {"type": "speaker.muted", "speaker": bob.speaker, "by": ada.speaker}
        ]
        assert (await ada.command("speaker.unmute", speaker=bob.speaker)).status_code == 403
        assert (await bob.command("speaker.unmute")).json()["events"]
        began = time.monotonic()
        await ada.command("speaker.remove", speaker=bob.speaker)
        assert (await house.wait_ready())["sessions"] == 0
        assert time.monotonic() - began < 2
        await asyncio.wait_for(microphone.gone.wait(), 5)
        await asyncio.wait_for(bob.ended.wait(), 5)
        assert bob.lines[-2]["type"] == "speaker.removed"
        for refused in (
            await bob.command("speaker.unmute"),
            await house.post(f"/stage/{bob.space}/join", bob.token, {"consent": True}),
            await house.client.get(
                f"/stage/{bob.space}/events", headers={"Authorization": f"Bearer {bob.token}"}
            ),
        ):
            assert (refused.status_code, refused.json()["code"]) == (403, "speaker.removed")
        with pytest.raises(Refused) as shut_out:
            await bob.speak(tone()).publish()
        assert shut_out.value.code == "speaker.removed"


async def live_and_over(house: StageHouse) -> Studio:
    ada = await (await house.create()).follow()
    await ada.command("space.start")
    async with asyncio.timeout(10):
        while house.card(ada.space)["phase"] != "live" or len(house.records(ada.space)) < 12:
            await asyncio.sleep(0.02)
    assert (await ada.command("space.end")).status_code == 200
    await asyncio.wait_for(ada.ended.wait(), 10)
    assert ada.lines[-1]["card"]["phase"] == "replay"
    return ada


async def card_in_phase(house: StageHouse, space: str, phase: str) -> None:
    async with asyncio.timeout(5):
        while house.card(space)["phase"] != phase:
            await asyncio.sleep(0.01)


async def test_a_space_that_is_over_refuses_all_but_the_host_and_the_recording(
    house: StageHouse,
) -> None:
    ada = await live_and_over(house)
    await card_in_phase(house, ada.space, "replay")
    for path, body in (("commands", {"command": "space.start"}), ("join", {"consent": True})):
        answer = await house.post(f"/stage/{ada.space}/{path}", ada.token, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "space.ended")
    with pytest.raises(Refused) as refused:
        await ada.speak(tone()).publish()
    assert refused.value.code == "space.ended"
    for command, phase in (
        ("recording.withdraw", "withdrawn"),
        ("recording.restore", "replay"),
        ("recording.delete", "deleted"),
    ):
        answer = await ada.command(command)
        assert answer.status_code == 200
        await card_in_phase(house, ada.space, phase)
    types = [event["type"] for event in house_events_after_erasure(house, ada.space)]
    assert types[-3:] == ["recording.withdrawn", "recording.restored", "recording.deleted"]
    again = await ada.command("recording.restore")
    assert (again.status_code, again.json()["code"]) == (410, "recording.deleted")


@pytest.mark.parametrize("doors", [False, True])
async def test_what_has_not_begun_can_be_cancelled(house: StageHouse, doors: bool) -> None:
    ada = await (await house.create(starts_at_ms=round((time.time() + 7_200) * 1000))).follow()
    if doors:
        await ada.command("doors.open")
    answer = await ada.command("space.end")
    assert answer.json()["events"][0]["reason"] == "cancelled"
    await asyncio.wait_for(ada.ended.wait(), 10)
    assert ada.lines[-1]["card"]["phase"] == "cancelled"
    await card_in_phase(house, ada.space, "cancelled")
    assert house.records(ada.space)[-1].header.kind is Kind.SEAL
    for command, status, code in (
        ("space.start", 409, "space.ended"),
        ("recording.withdraw", 404, "recording.none"),
    ):
        answer = await ada.command(command)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    await house.stop()
    await house.start()
    assert (await house.wait_ready())["spaces"] == 0


def house_events_after_erasure(house: StageHouse, space: str) -> list[dict[str, Any]]:
    """The events of a log whose sound is gone: its parts cannot be read, its events can."""
    with Reader(house.paths.log(space), space) as reader:
        reader.refresh()
        headers = list(reader.headers(kind=Kind.EVENT))
        return [json.loads(reader.record(each.offset).payload) for each in headers]


async def test_spaces_are_bounded(house: StageHouse) -> None:
    service = house.token("service", "", "service", "")
    body = {"title": "T", "host_name": "Ada"}
    for _ in range(SPACES_OPEN_MAX):
        answer = await house.post("/stage/spaces", service, body)
        assert answer.status_code == 201
    answer = await house.post("/stage/spaces", service, body)
    assert (answer.status_code, answer.json()["code"]) == (429, "space.too_many")


async def test_a_fault_of_the_stage_is_not_called_one_of_its_socket(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="another"), listening(tmp_path / "sock"):
        raise OSError("another")
    with pytest.raises(Unavailable, match="No socket"), listening(tmp_path / "no" / "sock"):
        pass


async def test_the_socket_is_ours_alone(house: StageHouse) -> None:
    path = house.paths.socket("stage")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    health = await house.wait_ready()
    assert health["spaces"] == 0
    assert health["beat"]["count"] >= 0
