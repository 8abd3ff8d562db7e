"""Who a client is, and that none takes more than its share."""

from collections.abc import Callable

import pytest

from stentor.edge.clients import Addresses, Shares, client_of
from stentor.limits import BODIES_MAX, CLIENT_BODIES_MAX
from tests.edge.client import Listener
from tests.edge.conftest import Running, listening
from tests.edge.programme import SPACE, Programme
from tests.edge.upstream import Upstream, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("2001:db8:1:200::2", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("", "unknown"),
    ],
)
def test_a_client_is_an_address_or_a_household(address: str, client: str) -> None:
    assert client_of(address) == client


def test_addresses_and_prefixes() -> None:
    some = Addresses("192.0.2.7, 10.0.0.0/8,,2001:db8::/32")
    for inside in ("192.0.2.7", "10.1.2.3", "2001:db8::1", "::ffff:10.0.0.1"):
        assert inside in some
    for outside in ("192.0.2.8", "11.0.0.1", "2001:db9::1", "", "x"):
        assert outside not in some
    assert "127.0.0.1" not in Addresses("")
    with pytest.raises(ValueError, match="example"):
        Addresses("proxy.example")


def test_shares_are_bounded_and_given_back() -> None:
    shares = Shares(2)
    assert [shares.take("a") for _ in range(3)] == [True, True, False]
    assert shares.take("b")
    shares.give_back("a")
    assert shares.take("a")


async def test_a_client_has_its_share_of_connections(
    start: Callable[..., Running], programme: Programme
) -> None:
    running = start(client_connections_max=2, uncounted="")
    programme.begin()
    programme.play(2)
    held = [await running.listen() for _ in range(2)]
    one_more = f"/s/{SPACE}/live/opus"
    heard = await (await running.visit()).get(one_more)
    assert (heard.status, heard.json()["code"]) == (503, "door.full")
    visitor = await running.visit()
    assert (await visitor.get("/healthz")).status == 200, "who listens may still read"
    (await running.visit()).write("G")  # the kernel keeps those to itself who say nothing
    heard = await (await running.visit()).get("/healthz")
    assert (heard.status, heard.json()["code"]) == (503, "door.full")
    await visitor.close()
    await held.pop().close()
    while heard.status == 503:  # a listener's place is free once its thread has let it go
        visitor = await Listener.to(running.port)
        heard = await visitor.begin(one_more)
        await visitor.close()
    assert heard.status == 200


async def test_a_client_has_its_share_of_bodies(start: Callable[..., Running]) -> None:
    running = start(settings={"trusted_proxy": "127.0.0.1"})
    slow = "POST /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n"
    slow += "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    async with Upstream(running.paths.socket("web"), saying(OK)):
        for _ in range(CLIENT_BODIES_MAX):
            visitor = await running.visit()
            visitor.write(slow)
            assert (await visitor.answer()).status == 100
        late = await running.visit()
        late.write(slow)
        heard = await late.answer()
        assert (heard.status, heard.json()["code"]) == (503, "door.busy")
        other = await running.visit()
        other.write(slow.replace("192.0.2.1", "192.0.2.2"))
        assert (await other.answer()).status == 100
        other.write("123456789")
        assert (await other.answer()).status == 200


async def test_strangers_keep_no_speaker_from_the_stage(start: Callable[..., Running]) -> None:
    running = start(settings={"trusted_proxy": "127.0.0.1"})
    slow = "POST /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.%d\r\n"
    slow += "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    for number in range(BODIES_MAX):
        visitor = await running.visit()
        visitor.write(slow % (number // CLIENT_BODIES_MAX))
        assert (await visitor.answer()).status == 100
    late = await running.visit()
    late.write(slow % 200)
    assert (await late.answer()).json()["code"] == "door.busy"
    async with Upstream(running.paths.socket("stage"), saying(OK)):
        speaker = await running.visit()
        speaker.write(f"POST /stage/{SPACE}/commands HTTP/1.1\r\nHost: a\r\n{running.seat()}\r\n")
        speaker.write("Content-Length: 2\r\n\r\n{}")
        assert (await speaker.answer()).status == 200


async def test_a_body_nobody_vouches_for_is_not_waited_for(running: Running) -> None:
    visitor = await running.visit()
    visitor.write(f"POST /stage/{SPACE}/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
    heard = await visitor.answer()
    assert (heard.status, heard.json()["code"]) == (401, "token.missing")
    assert await visitor.at_end()


async def test_whoever_asks_for_nothing_makes_room(start: Callable[..., Running]) -> None:
    running = start(connections_max=3)
    idle = [await running.visit() for _ in range(3)]
    for visitor in idle:
        assert (await visitor.get("/healthz")).status == 200
    heard = await (await running.visit()).get("/healthz")
    while heard.status == 503:
        heard = await (await running.visit()).get("/healthz")
    assert heard.status == 200
    assert await idle[0].at_end(), "the one who has been idle for longest"


async def test_a_trusted_proxy_says_who_asks(start: Callable[..., Running]) -> None:
    running = start(settings={"trusted_proxy": "127.0.0.0/8"})
    async with Upstream(running.paths.socket("web"), saying(OK)) as web:
        visitor = await running.visit()
        await visitor.get("/x", "X-Forwarded-For: 6.6.6.6, 192.0.2.9", "X-Forwarded-Proto: https")
        assert "X-Forwarded-For: 192.0.2.9" in web.lines()
        assert "X-Forwarded-Proto: https" in web.lines()
        await visitor.get("/x", "X-Forwarded-For: <script>", "X-Forwarded-Proto: gopher")
        assert "X-Forwarded-For: 127.0.0.1" in web.lines()
        assert "X-Forwarded-Proto: http" in web.lines()


async def test_a_full_gate_leaves_people_to_its_sibling(start: Callable[..., Running]) -> None:
    with listening() as door:
        first = start(door=door.dup(), connections_max=3, settings={"edges": 2})
        for _ in range(3):
            (await first.visit()).write("GET /healthz HTTP/1.1\r\n")  # and the rest some day
        second = start(door=door.dup(), connections_max=100, settings={"edges": 2})
        for _ in range(20):
            visitor = await second.visit()
            heard = await visitor.get("/healthz")
            assert (heard.status, heard.json().get("edge", heard.json())) == (200, 1)
