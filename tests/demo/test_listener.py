"""One listener, fed bytes: what it counts when parts are lost, repeated, or cut in pieces."""

import struct

from stentor.boxes import EVENT_SCHEME, box, cursor_box, emsg, full_box
from stentor.demo.listener import Ledger, Listener, Phase
from stentor.record import Cursor

PART = 9_600
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def part(number: int) -> bytes:
    run = full_box(b"trun", 0, 0x000200, struct.pack(">I", 10), bytes(40))
    track = box(
        b"traf",
        full_box(b"tfhd", 0, 0x020008, struct.pack(">II", 1, 960)),
        full_box(b"tfdt", 1, 0, struct.pack(">Q", (number - 1) * PART)),
        run,
    )
    moof = box(b"moof", full_box(b"mfhd", 0, 0, struct.pack(">I", number)), track)
    return moof + box(b"mdat", bytes([number]) * 20) + cursor_box(Cursor(1, 10 + number))


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def listener() -> Listener:
    made = Listener("4f7q2k9x1mzd", "opus", Ledger())
    made.request("127.0.0.1:80")
    return made


def test_it_counts_parts_and_events_however_the_bytes_are_cut() -> None:
    happened = emsg(EVENT_SCHEME, b'{"type":"speaking","speakers":[]}', 0, 1)
    stream = HEAD + b"".join(chunk(one) for one in (happened, part(1), part(2), part(3)))
    for step in (1, 7, 100, len(stream)):
        one = listener()
        for at in range(0, len(stream), step):
            one.receive(0.1, stream[at : at + step])
        assert (one.parts, one.lost, one.twice, one.torn) == (3, 0, 0, 0)
        assert one.events == {"speaking": 1}
        assert one.phase is Phase.LISTENING


def test_it_asks_for_the_last_cursor_it_saw() -> None:
    one = listener()
    one.receive(1.0, HEAD + chunk(part(1)) + chunk(part(2))[:-40])  # the second one is torn
    one.lose(1.0)
    assert b"?cursor=1.11 " in one.request("127.0.0.1:80")
    one.receive(1.5, HEAD + chunk(part(2)))
    assert (one.parts, one.lost, one.twice) == (2, 0, 0)
    assert one.resumes[0].sound_at == 1.5


def test_lost_and_repeated_parts_are_counted() -> None:
    one = listener()
    one.receive(0.1, HEAD + b"".join(chunk(part(n)) for n in (1, 2, 2, 5)))
    assert (one.parts, one.lost, one.twice) == (3, 2, 1)


def test_two_contents_of_one_part_are_noticed() -> None:
    ledger = Ledger()
    for filling in (b"a", b"b"):
        one = Listener("4f7q2k9x1mzd", "opus", ledger)
        one.request("127.0.0.1:80")
        moof = part(1)[: part(1).index(b"mdat") - 4]
        one.receive(0.1, HEAD + chunk(moof + box(b"mdat", filling * 20)))
    assert ledger.differing == 1


def test_the_end_and_refusals() -> None:
    one = listener()
    one.receive(0.1, HEAD + chunk(part(1)) + b"0\r\n\r\n")
    assert one.phase is Phase.ENDED
    away, over = listener(), listener()
    away.receive(0.1, b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n")
    over.receive(0.1, b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")
    assert (away.phase, over.phase) == (Phase.BROKEN, Phase.ENDED)
