"""Any bytes at all: what is read of them is bounded, unambiguous, and what others read as well."""

import itertools

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.edge import request as module
from stentor.edge.ranges import parse_range
from stentor.edge.request import ChunkedBody, Request, find_head, parse_head
from stentor.errors import Refused
from stentor.limits import (
    BODY_BYTES_MAX,
    CHUNKS_MAX,
    HEADER_BYTES_MAX,
    HEADS_KEPT,
    LINE_KEPT_BYTES_MAX,
    LINES_KEPT,
)

TARGETS = st.sampled_from([b"/", b"/s/x?a=b", b"*", b"http://a/x", b"a:1", b"/#", b"//x", b"/%00"])
NAMES = st.sampled_from(
    b"Host|Content-Length|Transfer-Encoding|Connection|Cookie|Stentor-Ticket|A|A ||\tA".split(b"|")
)
VALUES = st.one_of(
    st.sampled_from(
        [
            b"a",
            b" a",
            b" b \t",
            b"0",
            b"5",
            b"+5",
            b"5, 5",
            b"chunked",
            b"Chunked ",
            b"gzip, chunked",
            b"close",
        ]
    ),
    st.text("a \t\x00\x01\x7f\r\n:,;\x85\xa0\xff", max_size=12).map(
        lambda text: text.encode("latin-1")
    ),
)
ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\r\n", b"\r\n "])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A head that is nearly right, an attacker's favourite kind."""
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"get", b"CONNECT", b"G T", b""]))
    version = draw(st.sampled_from([b"1.1"] * 6 + [b"1.0", b"1.2", b"0.9", b"2.0", b"1.1 "]))
    head = method + b" " + draw(TARGETS) + b" HTTP/" + version + draw(ENDS)
    fields = draw(st.lists(st.tuples(NAMES, VALUES, ENDS), max_size=5))
    if draw(st.booleans()):
        head += b"Host: a\r\n"
    for name, value, end in fields:
        head += name + b":" + value + end
    return head + b"\r\n"


def taken(head: bytes) -> Request | None:
    """What is read of a head; None: refused."""
    try:
        return parse_head(head)
    except Refused:
        return None


@given(heads())
def test_a_head_that_is_taken_is_understood_alike_by_another_parser(head: bytes) -> None:
    end = find_head(head)
    request = taken(head[:end]) if end else None
    if request is None:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(head[:end])
    event = other.next_event()
    assert isinstance(event, h11.Request)
    assert event.method == request.method.encode()
    assert event.http_version == b"1.%d" % request.version
    assert [(name, alike(name, value)) for name, value in event.headers] == [
        (name.encode(), alike(name.encode(), value.encode("latin-1")))
        for name, value in request.headers
    ]
    length = dict(event.headers).get(b"content-length", b"0")
    chunked = any(name == b"transfer-encoding" for name, _ in event.headers)
    assert request.body_bytes == (-1 if chunked else int(length))


def alike(name: bytes, value: bytes) -> bytes:
    """A coding's name has no case, and h11 tells it in lower case."""
    return value.lower() if name == b"transfer-encoding" else value


def found(head: bytes) -> tuple[object, ...]:
    """All that is to be known of a head."""
    try:
        request = parse_head(head)
    except Refused as refused:
        return (refused.code, refused.sentence)
    names = sorted({name for name, _ in request.headers} | {"x", "cookie", "stentor-ticket"})
    return (
        (request.method, request.target, request.version, request.body_bytes),
        request.headers,
        [(name, request.header(name)) for name in names],
        request.keeps_alive,
    )


@given(heads(), heads())
def test_what_is_read_of_a_head_depends_on_no_other(head: bytes, other: bytes) -> None:
    for kept in (module._starts, module._fields, module._heads):
        kept.clear()
    alone = found(head)
    found(other)
    assert found(head) == alone
    assert found(head) == alone, "nor on its having been read"


def test_what_is_kept_of_heads_is_bounded_and_nobodys_secret() -> None:
    for number in range(LINES_KEPT + 10):
        parse_head(b"GET /%d HTTP/1.1\r\nHost: a%d\r\nCookie: c%d\r\n\r\n" % ((number,) * 3))
        parse_head(b"GET /%d HTTP/1.1\r\nHost: a\r\nStentor-Ticket: t%d\r\n\r\n" % ((number,) * 2))
    for kept in (module._starts, module._fields):
        assert 0 < len(kept) <= LINES_KEPT
        assert not any(line.startswith((b"Cookie", b"Stentor-Ticket")) for line in kept)
    assert 0 < len(module._heads) <= HEADS_KEPT
    assert not any(b"Ticket: t" in part for parts in module._heads for part in parts)
    parse_head(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 10_000))
    assert max(map(len, module._starts)) <= LINE_KEPT_BYTES_MAX


@given(heads())
def test_nothing_in_a_request_can_end_a_line(head: bytes) -> None:
    request = taken(head[: find_head(head)]) if find_head(head) else None
    if request is None:
        return
    said = [request.method, request.target, *(text for pair in request.headers for text in pair)]
    assert not set("\r\n\x00") & set("".join(said))
    assert request.target.startswith("/")
    assert -1 <= request.body_bytes <= BODY_BYTES_MAX
    assert request.argument("a") is None or "a=" in request.query
    assert all(token == token.strip().lower() for token in request.tokens("connection"))


@pytest.mark.parametrize("end", [b"", b"\x01", b"\x7f", b"x"])
@pytest.mark.parametrize("fill", [b" ", b"\t", b" \t", b"a ", b":", b";", b","])
def test_a_head_of_one_byte_takes_no_longer_than_another(fill: bytes, end: bytes) -> None:
    start = b"GET / HTTP/1.1\r\nHost: a\r\nX:"
    fill = fill * ((HEADER_BYTES_MAX - 100) // len(fill))
    taken(b"GET / HTTP/1.1\r\nHost:" + fill + end + b"\r\n\r\n")
    taken(b"GET /" + fill + end + b"\r\n\r\n")
    request = taken(start + fill + end + b"\r\n\r\n")
    assert (request is None) == (end in {b"\x01", b"\x7f"})
    if request is not None:
        assert request.header("x") == (fill + end).decode().strip(" \t")


def fed(data: bytes, cuts: list[int]) -> tuple[str, bytes, bytes]:
    """A body fed in pieces: how that ended, what is in it, what is left for the next request."""
    chunked, waiting = ChunkedBody(), bytearray()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(edges):
        waiting += data[begin:end]
        try:
            chunked.feed(waiting)
        except Refused as refused:
            return refused.code, b"", b""
    return ("done" if chunked.done else "more"), bytes(chunked.body), bytes(waiting)


PIECES = st.sampled_from(
    b"0\r\n|1\r\n|5\r\nhello\r\n|A;x=y\r\n|\r\n|hello|-1|ffffffff\r\n|\n| |0x5\r\n"
    b"|00000000000\r\n|X: y\r\n|3 \r\nabc\r\n|0\r\n\r\n".split(b"|")
)


@given(st.lists(PIECES | st.binary(max_size=9), max_size=9), st.lists(st.integers(0, 99)))
def test_where_a_body_was_cut_on_the_way_changes_nothing(
    pieces: list[bytes], cuts: list[int]
) -> None:
    whole = fed(b"".join(pieces), [])
    assert fed(b"".join(pieces), cuts) == whole


@given(st.lists(PIECES, max_size=9))
def test_a_body_that_is_taken_is_understood_alike_by_another_parser(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    how, body, rest = fed(data, [])
    if how != "done":
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert isinstance(other.next_event(), h11.Request)
    heard = b""
    while isinstance(event := other.next_event(), h11.Data):
        heard += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert heard == body
    assert other.trailing_data[0] == rest


def test_a_body_of_single_bytes_is_refused_before_it_costs_much() -> None:
    chunked = ChunkedBody()
    chunked.feed(bytearray(b"1\r\nx\r\n" * CHUNKS_MAX))
    with pytest.raises(Refused) as refused:
        chunked.feed(bytearray(b"1\r\nx\r\n"))
    assert refused.value.code == "request.malformed"


NUMBERS = st.integers(-2, 130).map(str) | st.sampled_from(
    ["", "9" * 18, "9" * 40, "0x1", "٣", " 1"]
)


@given(
    NUMBERS, NUMBERS, st.sampled_from(["bytes=", "bytes =", "byte=", "BYTES="]), st.integers(0, 120)
)
def test_a_range_lies_within_what_there_is(first: str, last: str, unit: str, size: int) -> None:
    try:
        found = parse_range(f"{unit}{first}-{last}", size)
    except Refused as refused:
        assert refused.code == "request.range"
        return
    if found is not None:
        start, stop = found
        assert 0 <= start < stop <= size


@given(st.text(max_size=80))
def test_a_range_of_anything(header: str) -> None:
    found = parse_range(header, 100)
    assert found is None or 0 <= found[0] < found[1] <= 100
