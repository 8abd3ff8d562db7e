"""The process: its socket, its headers, its health, and how it stops."""

import asyncio
import stat
import time

import pytest

from tests.web.conftest import Web


async def test_the_socket_is_ours_alone_and_goes_at_the_end(house: Web) -> None:
    path = house.paths.socket("web")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await house.stop()
    assert not path.exists()


async def test_a_dead_process_s_socket_is_replaced(house: Web) -> None:
    await house.stop()
    house.paths.socket("web").touch()
    again = Web(house.paths.data)
    again.paths.socket("web").unlink()
    await again.start()
    browser = await again.browser()
    assert (await browser.get("/web/health")).status_code == 200
    await again.stop()


async def test_it_stops_within_three_seconds_while_requests_hang(house: Web) -> None:
    hanging = []
    for _ in range(3):
        _, writer = await asyncio.open_unix_connection(str(house.paths.socket("web")))
        writer.write(
            b"POST /api/login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        await writer.drain()
        hanging.append(writer)
    browser = await house.browser()
    await browser.get("/web/health")
    start = time.monotonic()
    await house.stop()
    assert time.monotonic() - start < 3
    for writer in hanging:
        writer.close()


@pytest.mark.parametrize("address", ["/", "/login", "/nowhere", "/api/nowhere", "/web/health"])
async def test_every_answer_carries_the_security_headers(house: Web, address: str) -> None:
    browser = await house.browser()
    headers = (await browser.get(address)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


async def test_head_is_answered_like_get_without_a_body(house: Web) -> None:
    browser = await house.browser()
    got, head = await browser.get("/"), await browser.head("/")
    assert head.status_code == got.status_code == 200
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.content == b""


async def test_health_says_how_the_database_is(house: Web) -> None:
    browser = await house.browser()
    assert (await browser.get("/web/health")).json() == {"ok": True, "database": True}
