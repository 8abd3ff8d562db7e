"""Live responses: joining, resuming, waiting and ending, byte for byte."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import pytest

from stentor.errors import Unavailable
from stentor.gate import tickets
from stentor.gate.signing import day_keys
from stentor.limits import RING_PARTS
from stentor.record import Cursor, Rendition
from stentor.space import card, events
from tests.edge.client import Listener, boxes
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme, sound
from tests.fakes.failing_disk import FailingDisk

LIVE = f"/s/{SPACE}/live/opus"


async def test_a_new_listener_gets_card_init_and_the_newest_parts(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(7)
    listener = await running.listen()
    live = await listener.until(2)
    assert live.cards[0]["phase"] == "live"
    assert live.init == sound(Rendition.OPUS).init
    programme.play(3)
    await listener.until(5)
    assert live.parts == programme.payloads(Rendition.OPUS)[5:]
    assert live.cursor == programme.headers[-3].next, "the last opus part"


@pytest.mark.parametrize("name", ["opus", "opus-low", "aac"])
async def test_every_rendition_is_heard(running: Running, programme: Programme, name: str) -> None:
    programme.begin()
    programme.play(3)
    live = await (await running.listen(rendition=name)).until(2)
    rendition = {"opus": Rendition.OPUS, "opus-low": Rendition.OPUS_LOW, "aac": Rendition.AAC}[name]
    assert live.init == sound(rendition).init
    assert live.parts == programme.payloads(rendition)[1:]


async def test_a_new_edge_reads_what_is_live_before_it_opens(
    start: Callable[..., Running], programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    running = start()
    await running.told("spaces", 1)
    live = await (await running.listen()).until(2)
    assert live.parts == programme.payloads(Rendition.OPUS)[1:]


async def test_before_the_start_the_response_waits(running: Running, programme: Programme) -> None:
    listener = await running.listen()
    listener.live.take(await listener.chunk())
    assert listener.live.cards[0]["phase"] == "scheduled"
    assert listener.live.cursor == Cursor(1, 1)
    programme.begin()
    programme.play(4)
    live = await listener.until(4)
    assert live.init == sound(Rendition.OPUS).init
    assert live.parts == programme.payloads(Rendition.OPUS)
    assert [event["type"] for event in live.events] == ["space.started"]


async def test_a_space_without_a_log_yet_is_waited_for(
    running: Running, programme: Programme
) -> None:
    other = "ba9876543210"
    programme.paths.space(other).mkdir(parents=True)
    announced = msgspec.structs.replace(programme.card, space=other)
    programme.paths.card(other).write_bytes(card.encode(announced))
    listener = await Listener.to(running.port)
    assert (await listener.begin(f"/s/{other}/live/opus")).status == 200
    listener.live.take(await listener.chunk())
    assert listener.live.cursor == Cursor(0, 0)
    born = Programme(running.paths, other)
    born.begin()
    born.play(1)
    assert (await listener.until(1)).parts == born.payloads(Rendition.OPUS)
    born.close()
    await listener.close()


async def test_events_reach_the_listeners_of_every_rendition(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(2)
    heard = [await running.listen(rendition=name) for name in ("opus", "opus-low", "aac")]
    header = programme.event(events.SpeakingChanged(speakers=["abcdefgh"]))
    for listener in heard:
        while not listener.live.events:
            listener.live.take(await listener.chunk())
        assert listener.live.events == [{"type": "speaking", "speakers": ["abcdefgh"]}]
        assert listener.live.cursor == header.next


async def test_a_changed_card_is_told(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(2)
    listener = await running.listen()
    await listener.until(2)
    programme.show(title="Another title")
    while len(listener.live.cards) < 2:
        listener.live.take(await listener.chunk())
    assert listener.live.cards[1]["title"] == "Another title"


async def test_a_resumed_listener_gets_nothing_twice_and_misses_nothing(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    listener = await running.listen()
    before = await listener.until(2)
    await listener.close()
    programme.show(title="Changed while away")
    programme.event(events.SpeakingChanged(speakers=[]))
    programme.play(5)
    listener = await running.listen(f"?cursor={before.cursor}")
    after = await listener.until(5)
    programme.play(1)
    await listener.until(6)
    assert before.parts + after.parts == programme.payloads(Rendition.OPUS)[1:]
    assert [event["type"] for event in after.events] == ["speaking"]
    assert [card["title"] for card in after.cards] == ["Changed while away"]
    assert after.init == before.init


async def test_a_cursor_older_than_the_ring_is_served_from_the_log(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(2)
    first = await (await running.listen("?cursor=1.0")).until(2)
    assert first.parts == programme.payloads(Rendition.OPUS)
    programme.play(RING_PARTS + 40)
    listener = await running.listen(f"?cursor={first.cursor}")
    live = await listener.until(RING_PARTS + 40)
    assert first.parts + live.parts == programme.payloads(Rendition.OPUS)


async def test_a_cursor_on_a_checkpoint_or_another_rendition_goes_on_after_it(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(1)
    programme.writer.checkpoint()
    tail = programme.writer.tail
    programme.play(2)
    live = await (await running.listen(f"?cursor={tail.epoch}.{tail.offset - 1}")).until(2)
    assert live.parts == programme.payloads(Rendition.OPUS)[1:]


@pytest.mark.parametrize("cursor", ["1.18446744073709551615", "4294967295.0", "9.9"])
async def test_an_unknown_later_cursor_begins_at_the_tail(
    running: Running, programme: Programme, cursor: str
) -> None:
    programme.begin()
    programme.play(5)
    listener = await running.listen(f"?cursor={cursor}")
    listener.live.take(await listener.chunk())
    assert listener.live.parts == []
    programme.play(1)
    live = await listener.until(1)
    assert live.parts == programme.payloads(Rendition.OPUS)[5:]


@pytest.mark.parametrize(
    ("since", "first"),
    [(0, 0), (9_599, 0), (9_600, 1), (9_600 * 5 - 1, 4), (9_600 * 7, None), (10**14, None)],
)
async def test_a_listener_begins_where_it_wants(
    running: Running, programme: Programme, since: int, first: int | None
) -> None:
    programme.begin()
    programme.play(7)
    listener = await running.listen(f"?from={since}")
    if first is not None:
        live = await listener.until(7 - first)
        assert live.parts == programme.payloads(Rendition.OPUS)[first:]
    else:
        listener.live.take(await listener.chunk())
        assert listener.live.parts == [], "nothing is there yet"
    programme.play(1)
    live = await listener.until(8 - (7 if first is None else first))
    assert live.parts == programme.payloads(Rendition.OPUS)[7 if first is None else first :]


@pytest.mark.parametrize("since", ["", "-1", "1.5", "x", "9" * 16, "%31"])
async def test_a_malformed_place_is_refused(
    running: Running, programme: Programme, since: str
) -> None:
    heard = await (await running.visit()).get(f"{LIVE}?from={since}")
    assert (heard.status, heard.json()["code"]) == (400, "cursor.malformed")


async def test_a_ticket_that_is_shown_must_be_genuine(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(2)
    keys = day_keys(running.paths.keyring(), time.time())
    good = tickets.issue(tickets.Ticket(SPACE, 1, round(time.time()) + 60), keys)
    other = tickets.issue(tickets.Ticket("ba9876543210", 1, round(time.time()) + 60), keys)
    for header in ("Stentor-Ticket: ", "Cookie: a=b; stentor-ticket="):
        visitor = await running.visit()
        visitor.write(f"GET {LIVE} HTTP/1.1\r\nHost: a\r\n{header}{good}\r\n\r\n")
        assert (await visitor.head()).status == 200
        for bad, code in (("x" + good[1:], "ticket.invalid"), (other, "ticket.wrong_space")):
            heard = await (await running.visit()).get(LIVE, header + bad)
            assert (heard.status, heard.json()["code"]) == (403, code)


@pytest.mark.parametrize(
    "cursor", ["", "-1.0", "1.-1", "1", "a.b", "1.1.1", "1." + "9" * 40, "١.٠"]
)
async def test_a_malformed_cursor_is_refused(
    running: Running, programme: Programme, cursor: str
) -> None:
    query = "".join(f"%{byte:02X}" if byte > 127 else chr(byte) for byte in cursor.encode())
    heard = await (await running.visit()).get(f"{LIVE}?cursor={query}")
    assert (heard.status, heard.json()["code"]) == (400, "cursor.malformed")


async def test_after_the_seal_the_response_ends_and_the_address_offers_the_replay(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(4)
    heard = [await running.listen(rendition=name) for name in ("opus", "opus-low", "aac")]
    await heard[0].until(2)
    programme.end()
    for listener in heard:
        live = await listener.to_end()
        assert live.events[-1]["type"] == "space.ended"
        assert live.cursor == programme.writer.tail, "everything, the seal included"
    answer = await (await running.visit()).get(LIVE)
    assert (answer.status, answer.json()["code"]) == (409, "space.ended")
    assert answer.json()["replay"] == f"/s/{SPACE}/replay/opus.mp4"


async def test_a_seal_the_card_does_not_tell_of_yet_is_answered_alike(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(1)
    programme.writer.seal(9_600)
    visitor = await running.visit()
    answer = await visitor.get(LIVE)
    assert (answer.status, answer.json()["code"]) == (409, "space.ended")
    assert await visitor.at_end()


async def test_a_silent_space_is_heard_to_be_alive(
    start: Callable[..., Running], programme: Programme
) -> None:
    running = start(heartbeat_s=0.5)
    listener = await running.listen()
    await listener.chunk()
    beat = await listener.chunk()
    assert [kind for kind, _ in boxes(beat)] == ["skip"]


async def test_http_1_0_gets_the_bare_boxes(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(2)
    visitor = await running.visit()
    visitor.write(f"GET {LIVE} HTTP/1.0\r\n\r\n")
    head = await visitor.head()
    assert "transfer-encoding" not in head.headers
    assert head.headers["connection"] == "close"
    programme.play(1)
    programme.end()
    kinds = [kind for kind, _ in boxes(await visitor.reader.read())]
    assert kinds[:3] == ["emsg", "ftyp", "moov"]
    assert kinds.count("moof") == 3
    assert kinds[-1] == "skip"


async def test_a_stage_that_was_restarted_is_followed(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    listener = await running.listen()
    await listener.until(2)
    programme.reopen()
    programme.play(3)
    live = await listener.until(5)
    assert live.parts == programme.payloads(Rendition.OPUS)[1:]
    assert live.cursor is not None
    assert live.cursor.epoch == 2


async def test_the_old_epochs_cursor_goes_on_in_the_new_one(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(2)
    listener = await running.listen()
    before = await listener.until(2)
    await listener.close()
    programme.reopen()
    programme.play(2)
    after = await (await running.listen(f"?cursor={before.cursor}")).until(2)
    assert before.parts + after.parts == programme.payloads(Rendition.OPUS)


async def test_what_a_writer_saves_from_a_distrusted_disk_is_not_heard_twice(
    running: Running, programme: Programme
) -> None:
    disk = FailingDisk()
    programme.reopen(disk)
    programme.begin()
    programme.play(3)
    listener = await running.listen()
    await listener.until(2)
    programme.event(events.SpeakingChanged(speakers=["abcdefgh"]))
    programme.play(2)
    await listener.until(4)
    disk.fail_next("sync")
    with pytest.raises(Unavailable):
        programme.writer.sync()
    programme.writer.recover()
    programme.play(3)
    programme.end()
    live = await listener.to_end()
    assert live.parts == programme.payloads(Rendition.OPUS)[1:]
    assert [event["type"] for event in live.events] == ["speaking", "space.ended"]


async def test_a_listener_who_leaves_is_noticed(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(2)
    listener = await running.listen()
    await listener.until(2)
    await running.told("listeners", 1)
    await listener.close()
    while (await running.health())["listeners"]:
        await asyncio.sleep(0.01)
    await running.told("left", 1, within="dropped")


async def test_told_to_stop_an_edge_breaks_off_so_that_listeners_come_back(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(2)
    listener = await running.listen()
    await listener.until(2)
    running.stop.set()
    with pytest.raises(asyncio.IncompleteReadError) as early:
        await listener.chunk()
    assert early.value.partial == b"", "not within a frame, and without the last chunk"
    await running.task


async def test_head_says_what_a_listener_would_get(running: Running, programme: Programme) -> None:
    visitor = await running.visit()
    heard = await visitor.get(LIVE, method="HEAD")
    assert heard.headers["content-type"] == "audio/mp4"
    assert (await visitor.get("/healthz")).status == 200, "the connection goes on"


async def test_a_damaged_record_costs_those_who_need_it_and_nobody_else(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(RING_PARTS // 3 + 20)
    good = await running.listen()
    await good.until(2)
    segment = next(programme.folder.glob("*.seg"))
    at = segment.read_bytes().index(programme.payloads(Rendition.OPUS)[4]) + 30
    with segment.open("r+b") as file:
        file.seek(at)
        file.write(bytes(8))
    bad = await running.visit()
    bad.write(f"GET {LIVE}?cursor=1.0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert not (await bad.reader.read()).endswith(b"0\r\n\r\n")
    programme.play(1)
    await good.until(3)
    await running.told("fault", 1, within="dropped")
