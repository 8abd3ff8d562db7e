"""The shield at a door: who is closed without a word, who is told, and who notices nothing."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from stentor.edge.conversation import Deadlines
from stentor.limits import HALF_OPEN_PREFIX_MAX, SHIELD_HOST_RATES
from stentor.shield import Verb
from tests.edge.conftest import Running

PLENTY = (1e6, 1e6)
SETTINGS = {"trusted_proxy": "127.0.0.200"}


def rates(**some: tuple[float, float]) -> list[tuple[float, float]]:
    """Plenty of all but some."""
    return [some.get(verb.name.lower(), PLENTY) for verb in Verb]


def knock(port: int, source: str, said: bytes = b"") -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), 5.0, source_address=(source, 0))
    one.sendall(said)
    return one


def answer(port: int, source: str, said: bytes) -> bytes:
    """What is heard until the connection ends."""
    heard = b""
    with contextlib.suppress(ConnectionResetError), knock(port, source, said) as one:
        while data := one.recv(65_536):
            heard += data
    return heard


GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def test_beyond_its_rate_a_host_is_closed_without_a_byte(
    start: Callable[..., Running],
) -> None:
    running = start(uncounted="", rates=rates(connection=(0.001, 3.0)))
    heard = [await asyncio.to_thread(answer, running.port, "127.9.9.9", GET) for _ in range(5)]
    assert [bool(one) for one in heard] == [True] * 3 + [False] * 2
    other = await asyncio.to_thread(answer, running.port, "127.9.9.8", GET)
    assert other.startswith(b"HTTP/1.1 200 "), "its neighbour has a share left"
    assert b'"connections":2' in other
    assert b'"kernel":0' in other


async def test_who_asks_too_much_is_told_so_and_let_go(start: Callable[..., Running]) -> None:
    running = start(uncounted="", rates=rates(request=(0.001, 4.0)))
    visitor = await running.visit()
    for _ in range(3):  # the first is looked at twice: it is passed on to a task
        assert (await visitor.get("/healthz")).status == 200
    refused = await visitor.get("/healthz")
    assert (refused.status, refused.headers["connection"]) == (429, "close")
    assert refused.json()["code"] == "shield.requests"
    assert await visitor.at_end()


async def test_what_is_no_request_is_answered_so_often_and_then_not_at_all(
    start: Callable[..., Running],
) -> None:
    running = start(uncounted="", rates=rates(malformed=(0.001, 2.0)))
    heard = [
        await asyncio.to_thread(answer, running.port, "127.9.9.9", b"nonsense\r\n\r\n")
        for _ in range(4)
    ]
    assert [one[:12] for one in heard] == [b"HTTP/1.1 400"] * 2 + [b""] * 2


async def test_unfinished_heads_are_told_so_often_that_they_were_too_slow(
    start: Callable[..., Running],
) -> None:
    deadlines = Deadlines(header_s=0.4, keep_alive_s=0.5, body_s=0.5, stuck_s=2.0)
    running = start(uncounted="", rates=rates(malformed=(0.001, 2.0)), deadlines=deadlines)
    asked = [
        asyncio.to_thread(answer, running.port, "127.9.9.9", b"GET / HTTP/1.1\r\n")
        for _ in range(4)
    ]
    heard = sorted(one[:12] for one in await asyncio.gather(*asked))
    assert heard == [b"", b"", b"HTTP/1.1 408", b"HTTP/1.1 408"]


async def test_by_default_this_machine_is_not_counted(start: Callable[..., Running]) -> None:
    running = start(rates=rates(connection=(0.001, 1.0), request=(0.001, 1.0)))
    for _ in range(3):
        assert await asyncio.to_thread(answer, running.port, "127.0.0.1", GET)


async def test_behind_a_proxy_clients_are_counted_and_not_the_proxy(
    start: Callable[..., Running],
) -> None:
    limited = rates(connection=(0.001, 1.0), request=(0.001, 4.0))
    running = start(settings=SETTINGS, uncounted="", rates=limited)

    def ask(client: bytes) -> bytes:
        said = GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: %b\r\n\r\n" % client)
        return answer(running.port, "127.0.0.200", said)[:12]

    heard = [await asyncio.to_thread(ask, b"203.0.113.7") for _ in range(4)]
    assert heard == [b"HTTP/1.1 200"] * 2 + [b"HTTP/1.1 429"] * 2
    assert await asyncio.to_thread(ask, b"198.51.100.1") == b"HTTP/1.1 200"


async def test_a_prefix_that_says_nothing_loses_its_oldest_and_nobody_elses(
    start: Callable[..., Running],
) -> None:
    running = start(uncounted="127.0.0.1")
    other = await asyncio.to_thread(knock, running.port, "127.8.8.8", b"GET ")
    first = await asyncio.to_thread(knock, running.port, "127.9.9.9", b"GET ")
    rest = [
        await asyncio.to_thread(knock, running.port, f"127.9.9.{number % 200}", b"GET ")
        for number in range(HALF_OPEN_PREFIX_MAX)
    ]
    try:
        assert await asyncio.to_thread(first.recv, 10) == b""
        health = await running.health()
        assert health["shield"]["half_open"] == 1
        for one in (other, rest[-1]):
            one.sendall(GET[4:])
            assert (await asyncio.to_thread(one.recv, 12)) == b"HTTP/1.1 200"
    finally:
        for one in (other, first, *rest):
            one.close()


async def test_nonsense_without_a_pause_is_bounded_at_the_shields_own_rates(
    start: Callable[..., Running],
) -> None:
    running = start(uncounted="127.0.0.1")
    per_s, burst = SHIELD_HOST_RATES[Verb.MALFORMED]

    def flood() -> int:
        count = round(burst) + 200
        return sum(
            bool(answer(running.port, "127.9.9.9", b"\x16\x03\r\n\r\n")) for _ in range(count)
        )

    heard = await asyncio.to_thread(flood)
    assert burst <= heard < burst + 10 * per_s
    assert (await running.health())["shield"]["malformed"] > 0
    assert await asyncio.to_thread(answer, running.port, "127.9.9.9", GET), "sense is heard"
