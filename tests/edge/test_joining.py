"""Joining at a gate, with a real usher: tickets, places, challenges, and a door that is shut."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest

from stentor import tokens
from stentor.gate import challenge, sessions
from stentor.gate.notice import EdgeSpace
from stentor.paths import Paths
from tests.edge.client import Heard, Visitor
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme
from tests.usher.hall import Hall

JOIN = f"/s/{SPACE}/join"


@pytest.fixture
async def hall(paths: Paths, programme: Programme) -> AsyncIterator[Hall]:
    programme.begin()
    # The edge under test reports as well, and could hold many thousands.
    hall = Hall(paths, listeners_max=40)
    await hall.open()
    yield hall
    await hall.close()


async def post(running: Running, target: str, body: object, *headers: str) -> Heard:
    visitor = await running.visit()
    data = json.dumps(body)
    more = ["Content-Type: application/json", f"Content-Length: {len(data)}", *headers]
    lines = [f"POST {target} HTTP/1.1", "Host: localhost", *more, "", data]
    visitor.write("\r\n".join(lines))
    return await visitor.answer()


async def join(running: Running, body: object = None, *headers: str) -> Heard:
    return await post(running, JOIN, body or {}, *headers)


def carried(heard: Heard) -> str:
    """The cookie that is set, as a header that shows it."""
    return "Cookie: " + heard.headers["set-cookie"].partition(";")[0]


async def told(running: Running, wanted: Callable[[dict], bool]) -> dict:
    """Wait until the gate has heard what is wanted."""
    visitor = await running.visit()
    async with asyncio.timeout(8):
        while True:
            admitting = (await visitor.get(f"/s/{SPACE}/admitting")).json()
            if wanted(admitting):
                return admitting
            await asyncio.sleep(0.05)


async def test_who_joins_is_given_a_ticket_and_listens_with_it(
    hall: Hall, start: Callable[..., Running]
) -> None:
    running = start()
    await told(running, lambda one: one.get("capacity", 0) > 0)
    heard = await join(running)
    assert heard.status == 200, heard
    assert heard.json().keys() == {"ticket_until_ms", "lease_s", "renew_after_s"}
    cookie = heard.headers["set-cookie"]
    for part in ("stentor-ticket=", f"Path=/s/{SPACE};", "HttpOnly", "SameSite=Lax"):
        assert part in cookie
    assert "Secure" not in cookie, "this door speaks plain HTTP"
    listener = await Visitor.to(running.port)
    running.guests.append(listener)
    listener.write(f"GET /s/{SPACE}/live/opus HTTP/1.1\r\nHost: a\r\n{carried(heard)}\r\n\r\n")
    assert (await listener.head()).status == 200
    assert "connection" not in heard.headers, "whoever is let in asks for the sound next"
    visitor = await running.visit()
    visitor.write(f"POST {JOIN} HTTP/1.1\r\nHost: a\r\n{carried(heard)}\r\n\r\n")
    renewed = await visitor.answer()
    assert (renewed.status, renewed.headers["connection"]) == (200, "close")
    assert await visitor.at_end(), "nothing more is asked within a minute"
    assert renewed.json()["ticket_until_ms"] >= heard.json()["ticket_until_ms"]
    assert renewed.json().keys() == heard.json().keys()
    assert renewed.headers.keys() - {"connection"} == heard.headers.keys()
    parts, more = (one.split("; ") for one in (cookie, renewed.headers["set-cookie"]))
    assert more[1:2] + more[3:] == parts[1:2] + parts[3:]
    assert more[2].startswith("Max-Age=")
    visitor = await running.visit()
    shown = f"{carried(renewed)}\r\nContent-Length: 2"
    visitor.write(f"POST {JOIN} HTTP/1.1\r\nHost: a\r\n{shown}\r\n\r\n")
    await asyncio.sleep(0.1)
    visitor.write("{}GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    late = await visitor.answer()
    assert (late.status, late.headers["connection"]) == (200, "close"), "a task says the same"
    assert await visitor.at_end()
    again = await join(running, {}, carried(renewed))
    assert again.status == 200, "the next ticket is as good"
    malformed = await join(running, {"patience": 3}, carried(renewed))
    assert (malformed.status, malformed.json()["code"]) == (400, "request.malformed")


async def test_a_client_may_carry_its_ticket_itself(
    hall: Hall, start: Callable[..., Running]
) -> None:
    running = start()
    await told(running, lambda one: one.get("capacity", 0) > 0)
    heard = await join(running, {}, "Stentor-Client: headers")
    assert "set-cookie" not in heard.headers
    shown = f"Stentor-Ticket: {heard.json()['ticket']}"
    renewed = await join(running, {}, shown, "Stentor-Client: headers")
    assert renewed.json().keys() == heard.json().keys()
    shown = f"Stentor-Ticket: {renewed.json()['ticket']}"
    assert (await join(running, {}, shown)).status == 200
    wrong = await join(running, {}, shown[:-1] + ("A" if shown[-1] != "A" else "B"))
    assert (wrong.status, wrong.json()["code"]) == (403, "ticket.invalid")
    stale = await join(running, {}, "Cookie: stentor-ticket=" + "A" * 60)
    assert stale.status == 403
    assert "stentor-ticket=;" in stale.headers["set-cookie"], "a browser would show it for ever"
    assert "Max-Age=0" in stale.headers["set-cookie"]


async def test_when_all_is_taken_the_next_hold_places(
    hall: Hall, start: Callable[..., Running]
) -> None:
    running = start()
    hall.edge.spaces[SPACE] = EdgeSpace([40, 0, 0], began=40)
    await told(running, lambda one: one.get("mode") == "places")
    first = await join(running)
    assert first.status == 202, first
    place = first.json()
    assert place.keys() == {"turn_us", "ahead", "wait_s", "poll_after_s", "why"}
    assert place["wait_s"]["low"] <= place["wait_s"]["likely"] <= place["wait_s"]["high"]
    again = await join(running, {}, carried(first))
    assert again.status == 202
    assert again.json()["turn_us"] == place["turn_us"], "a place is kept"
    assert "set-cookie" not in again.headers
    refused = await (await running.visit()).get(f"/s/{SPACE}/live/opus")
    assert (refused.status, refused.json()["code"]) == (503, "door.places")
    hall.edge.spaces[SPACE] = EdgeSpace([10, 0, 0], ended=30)
    await told(running, lambda one: one.get("admitting_us", 0) >= place["turn_us"])
    inside = await join(running, {}, carried(first))
    assert inside.status == 200, inside


async def test_who_waits_hears_the_radio_while_there_is_room_to_spare(
    paths: Paths, programme: Programme, start: Callable[..., Running]
) -> None:
    programme.begin()
    hall = Hall(paths, waiting_room="always", listeners_max=40)
    await hall.open()
    running = start()
    hall.edge.spaces[SPACE] = EdgeSpace([10, 0, 0], began=10)
    await told(running, lambda one: one.get("mode") == "places" and one.get("listeners") == 10)
    place = await join(running)
    assert place.json()["meanwhile"] == f"/s/{SPACE}/radio.mp3"
    visitor = await running.visit()
    visitor.write(f"HEAD /s/{SPACE}/radio.mp3 HTTP/1.1\r\nHost: a\r\n{carried(place)}\r\n\r\n")
    assert (await visitor.head()).status == 200
    for stream, shown in (("radio.mp3", "Cookie: stentor-place=x"), ("live/opus", carried(place))):
        visitor = await running.visit()
        visitor.write(f"HEAD /s/{SPACE}/{stream} HTTP/1.1\r\nHost: a\r\n{shown}\r\n\r\n")
        assert (await visitor.head()).status == 503, stream
    hall.edge.spaces[SPACE] = EdgeSpace([39, 0, 0], began=29)
    await told(running, lambda one: one.get("listeners") == 39)
    assert "meanwhile" not in (await join(running)).json()
    await hall.close()


async def test_the_last_step_shuts_the_door_and_hosts_may_force_it(
    hall: Hall, start: Callable[..., Running]
) -> None:
    running = start()
    await told(running, lambda one: one.get("capacity", 0) > 0)
    inside = await join(running)
    ladder = f"/s/{SPACE}/ladder"
    for token, status in (("", 401), (running.seat(), 403)):
        assert (await post(running, ladder, {"step": 5}, token or "X: y")).status == status
    host = tokens.Claims("seat", SPACE, "host", "abcdefgh", "Ada", 1 << 40)
    bearer = f"Authorization: Bearer {tokens.issue(host, running.paths.keyring())}"
    assert (await post(running, ladder, {"step": 9}, bearer)).status == 400
    assert (await post(running, ladder, {"step": 5}, bearer)).status == 202
    admitting = await told(running, lambda one: one.get("mode") == "closed")
    assert (admitting["step"], admitting["why"]) == (5, "host")
    shut = await join(running)
    assert (shut.status, shut.json()["code"]) == (503, "door.closed")
    assert shut.json()["recording_at_ms"] > admitting["at_ms"]
    assert int(shut.headers["retry-after"]) > 0
    assert (await join(running, {}, carried(inside))).status == 200, "who is in stays in"
    assert (await join(running, {}, bearer)).status == 200, "and who is on stage comes in"
    await post(running, ladder, {"step": None}, bearer)
    await post(running, ladder, {"step": 0}, bearer)
    await told(running, lambda one: one["mode"] == "open")
    assert (await join(running)).status == 200


async def test_accounts_have_chairs_of_their_own(hall: Hall, start: Callable[..., Running]) -> None:
    running = start()
    hall.edge.spaces[SPACE] = EdgeSpace([38, 0, 0], began=38)
    await told(running, lambda one: one.get("listeners") == 38)
    assert (await join(running)).status == 202, "the last two chairs are kept"
    keyring = running.paths.keyring()
    session = sessions.issue(bytes(24), keyring, time.time())
    for cookie, status in ((f"{session[:-1]}A", 202), (session, 200)):
        heard = await join(running, {}, f"Cookie: stentor={cookie}")
        assert heard.status == status, heard
    old = sessions.issue(bytes(24), keyring, time.time() - 40 * 86_400)
    assert sessions.number_of(old, keyring, time.time()) == 0


async def test_a_place_has_a_price_in_hashes_or_in_patience(
    paths: Paths, programme: Programme, start: Callable[..., Running]
) -> None:
    programme.begin()
    hall = Hall(paths, challenge="10")
    await hall.open()
    running = start()
    try:
        await told(running, lambda one: one.get("challenge_bits") == 10)
        asked = await join(running)
        assert (asked.status, asked.json()["code"]) == (428, "challenge.required")
        given = challenge.Challenge(**asked.json()["challenge"])
        wrong = await join(running, {"challenge": given.salt, "solution": -2})
        assert wrong.status == 428
        paid = {"challenge": given.salt, "solution": challenge.solve(given)}
        assert (await join(running, paid)).status == 200
        patient = await join(running, {"patience": True})
        assert (patient.status, patient.json()["why"]) == (202, "patience")
    finally:
        await hall.close()


async def test_without_an_usher_people_come_in_while_edges_have_room(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    assert (await join(running)).status == 200
    heard = await (await running.visit()).get(f"/s/{SPACE}/admitting")
    assert heard.headers["cache-control"] == "public, max-age=1"


@pytest.mark.parametrize("body", [[], {"solution": "x"}, {"challenge": "c" * 600}])
async def test_what_is_no_join_is_refused(
    running: Running, programme: Programme, body: object
) -> None:
    programme.begin()
    visitor = await post(running, JOIN, body or [1])
    assert visitor.status in {400, 413}
    assert (await post(running, f"/s/{SPACE}/nothing", {})).status == 405
    programme.end()
    over = await join(running)
    assert (over.status, over.json()["replay"]) == (409, f"/s/{SPACE}/replay/opus.mp4")


async def test_beyond_its_rate_a_host_pays_for_joins_and_who_has_a_pass_does_not(
    hall: Hall, start: Callable[..., Running]
) -> None:
    few = [(1e6, 1e6), (1e6, 1e6), (0.001, 2.0), (1e6, 1e6), (1e6, 1e6)]
    running = start(uncounted="", rates=few)
    await told(running, lambda one: one.get("capacity", 0) > 0)
    first = await join(running)
    assert first.status == (await join(running)).status == 200
    strained = await join(running)
    assert strained.status == 428, "there is no pressure but what this host makes"
    given = challenge.Challenge(**strained.json()["challenge"])
    paid = {"challenge": given.salt, "solution": challenge.solve(given)}
    assert (await join(running, paid)).status == 200
    assert (await join(running, {"patience": True})).json()["why"] == "patience"
    assert (await join(running, {}, carried(first))).status == 200
    assert (await running.health())["shield"]["joins"] == 3


async def test_who_shows_forged_tickets_again_and_again_hears_no_more_of_them(
    hall: Hall, start: Callable[..., Running]
) -> None:
    few = [(1e6, 1e6), (1e6, 1e6), (1e6, 1e6), (0.001, 2.0), (1e6, 1e6)]
    running = start(uncounted="", rates=few)
    forged = "Stentor-Ticket: AQAAAAAAAAAAAAAAAAAAAAAAAA"
    assert (await join(running, {}, forged)).status == 403
    visitor = await running.visit()
    live = f"/s/{SPACE}/live/opus"
    assert (await visitor.get(live, forged)).status == 403
    assert await visitor.at_end(), "refusing costs as little as it can"
    refused = await (await running.visit()).get(live, forged)
    assert (refused.status, refused.json()["code"]) == (429, "shield.tickets")
    assert (await join(running, {}, forged)).status == 429
    assert (await join(running)).status == 200, "without one they are anybody"
