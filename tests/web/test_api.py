"""The JSON API: every error is a problem document of ours, and bodies are bounded."""

from typing import Any

import httpx
import pytest

from stentor import tokens
from stentor.limits import HOST_TOKEN_S, WEB_BODY_BYTES_MAX
from stentor.space import events
from stentor.space.events import SpaceScheduled
from tests.web.conftest import Web
from tests.web.test_scheduled import write_log

JSON = {"Content-Type": "application/json"}


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "code"}
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["title"].endswith(".")


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", JSON, 400, "request.malformed"),
        (b"{", JSON, 400, "request.malformed"),
        (b"\xff\xfe", JSON, 400, "request.malformed"),
        (b"[" * 5_000, JSON, 400, "request.malformed"),
        (b'{"name": "Ann"}', JSON, 400, "request.malformed"),
        (b'{"name": "Ann", "password": 7}', JSON, 400, "request.malformed"),
        (b'{"name": "\\ud800", "password": "\\ud800"}', JSON, 400, "request.malformed"),
        (b"name=Ann", {"Content-Type": "text/plain"}, 415, "request.media_type"),
        (b"{}", {}, 415, "request.media_type"),
        (b" " * (WEB_BODY_BYTES_MAX + 1), JSON, 413, "request.too_large"),
    ],
)
async def test_a_body_that_makes_no_sense(
    house: Web, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    browser = await house.browser()
    answer = await browser.post("/api/login", content=content, headers=headers)
    check_problem(answer, status, code)


async def test_a_long_body_without_a_length_is_cut_off(house: Web) -> None:
    async def endless() -> Any:
        for _ in range(WEB_BODY_BYTES_MAX // 1024 + 1):
            yield b" " * 1024

    browser = await house.browser()
    answer = await browser.post("/api/login", content=endless(), headers=JSON)
    check_problem(answer, 413, "request.too_large")


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "page.unknown"),
        ("GET", "/api/login", 405, "request.method"),
        ("PUT", "/api/spaces", 405, "request.method"),
        ("POST", "/api/spaces", 401, "login.required"),
        ("POST", "/api/password", 401, "login.required"),
        ("POST", "/api/spaces/0123456789ab/token", 401, "login.required"),
        ("GET", "/api/../../etc/passwd", 404, "page.unknown"),
        ("GET", "/api/%00%ff", 404, "page.unknown"),
    ],
)
async def test_an_address_that_does_not_answer(
    house: Web, method: str, address: str, status: int, code: str
) -> None:
    browser = await house.browser(Accept="application/json")
    answer = await browser.request(method, address)
    check_problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"]


async def test_unknown_fields_are_ignored(house: Web) -> None:
    browser = await house.browser()
    body = {"name": "Ann", "password": "not the password", "remember": True}
    check_problem(await browser.post("/api/login", json=body), 401, "login.wrong")


async def test_a_space_is_not_made_without_a_stage(house: Web) -> None:
    owner, _ = await house.owner()
    answer = await owner.post("/api/spaces", json={"title": "A title"})
    check_problem(answer, 503, "stage.away")
    assert answer.headers["retry-after"] == "2"
    check_problem(await owner.post("/api/spaces", json={"title": " "}), 422, "space.invalid")


async def test_the_seat_is_found_in_the_log_when_the_database_lacks_it(house: Web) -> None:
    owner, account = await house.owner()
    mine, foreign, without_card = "0000000000aa", "0000000000bb", "0000000000cc"
    for space, host_id in [(mine, account.id), (foreign, "z" * 12), (without_card, account.id)]:
        event = SpaceScheduled(space, "A title", host_id, "Ann", "bbbbbbbb")
        write_log(house.paths, space, events.encode(event))
        if space != without_card:
            house.make_card(space=space, phase="live", host_id=host_id)
    for space in [mine, without_card]:
        answer = await owner.post(f"/api/spaces/{space}/token")
        assert answer.status_code == 200, answer.text
        seat = answer.json()
        assert (seat["speaker"], seat["role"], seat["name"]) == ("bbbbbbbb", "host", "Ann")
        now_s = house.clock.wall_time() / 1e9
        claims = tokens.check(seat["token"], house.paths.keyring(), now_s)
        assert (claims.kind, claims.role) == ("seat", "host")
        assert (claims.space, claims.seat, claims.name) == (space, "bbbbbbbb", "Ann")
        assert abs(claims.expires_at_s - now_s - HOST_TOKEN_S) < 60
    refused = await owner.post(f"/api/spaces/{foreign}/token")
    check_problem(refused, 403, "space.not_yours")
    for space in ["0000000000dd", "not-an-id"]:
        check_problem(await owner.post(f"/api/spaces/{space}/token"), 404, "space.unknown")
