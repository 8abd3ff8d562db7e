"""The stage's client against peers that talk nonsense: bounded, and always `stage.away`."""

import asyncio
from pathlib import Path

import pytest

from stentor.errors import Refused, Unavailable
from stentor.limits import STAGE_ANSWER_BYTES_MAX, STAGE_CALLS_MAX
from stentor.web.stage_client import StageClient


async def asked(folder: Path, answer: bytes) -> dict[str, object]:
    """What the client makes of an answer, whatever it is."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /stage/spaces HTTP/1.1\r\n")
        assert b"\r\nAuthorization: Bearer a.b.c\r\n" in head
        writer.write(answer)
        writer.close()

    path = folder / "stage.sock"
    server = await asyncio.start_unix_server(talk, str(path))
    try:
        return await StageClient(path).post("/stage/spaces", "a.b.c", {"title": "é"})
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nnot json",
        b"HTTP/1.1 200 OK\r\n\r\n[1, 2]",
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (STAGE_ANSWER_BYTES_MAX + 1),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        b"HTTP/1.1 502 Bad\r\n\r\n<html>",
    ],
)
async def test_nonsense_is_a_stage_that_is_away(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(Unavailable) as away:
        await asked(tmp_path, answer)
    assert away.value.code == "stage.away"


async def test_a_refusal_comes_through_as_it_is(tmp_path: Path) -> None:
    body = b'{"code": "space.too_many", "title": "Enough.", "status": 429}'
    with pytest.raises(Refused) as refused:
        await asked(tmp_path, b"HTTP/1.1 429 No\r\n\r\n" + body)
    assert (refused.value.code, refused.value.sentence) == ("space.too_many", "Enough.")
    with pytest.raises(Unavailable) as away:
        await asked(tmp_path, b"HTTP/1.1 503 No\r\n\r\n" + body)
    assert away.value.code == "space.too_many"


async def test_an_answer_is_read_with_and_without_a_length(tmp_path: Path) -> None:
    for head in [b"HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"]:
        assert await asked(tmp_path, head + b'{"a": 1}') == {"a": 1}


async def test_calls_are_bounded_and_places_are_given_back(tmp_path: Path) -> None:
    path = tmp_path / "stage.sock"
    all_there, enough = asyncio.Event(), asyncio.Event()
    there = 0

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal there
        there += 1
        if there == STAGE_CALLS_MAX:
            all_there.set()
        await enough.wait()
        writer.close()

    server = await asyncio.start_unix_server(silent, str(path))
    client = StageClient(path)
    calls = [
        asyncio.create_task(client.post("/stage/spaces", "t", {})) for _ in range(STAGE_CALLS_MAX)
    ]
    await all_there.wait()
    with pytest.raises(Unavailable):
        await client.post("/stage/spaces", "t", {})
    assert there == STAGE_CALLS_MAX
    enough.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    with pytest.raises(Unavailable):
        await client.post("/stage/spaces", "t", {})
    assert there == STAGE_CALLS_MAX + 1, "the places are free again"
    server.close()
    await server.wait_closed()
