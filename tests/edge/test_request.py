"""Heads and bodies of requests: what is read, and what is refused for being ambiguous."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.edge.request import ChunkedBody, Request, find_head, parse_head
from stentor.errors import Refused
from stentor.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX

HOST = b"Host: a.example\r\n"


def read(text: bytes) -> Request:
    return parse_head(text + b"\r\n")


def test_a_plain_request() -> None:
    request = read(
        b"GET /s/x?cursor=1.2&v=&n=%20 HTTP/1.1\r\n" + HOST + b"Accept: a\r\naccept:b \r\n"
    )
    assert (request.method, request.path, request.version) == ("GET", "/s/x", 1)
    assert request.argument("cursor") == "1.2"
    assert (request.argument("v"), request.argument("w")) == ("", None)
    assert request.header("accept") == "a, b"
    assert request.keeps_alive
    assert request.body_bytes == 0


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: x, CLOSE\r\n", False),
    ],
)
def test_whether_the_connection_goes_on(line: bytes, *, keeps: bool) -> None:
    assert read(line).keeps_alive is keeps


def test_the_absolute_form_is_understood() -> None:
    assert read(b"GET http://a.example/s/x HTTP/1.1\r\n" + HOST).target == "/s/x"
    assert read(b"GET http://a.example?q HTTP/1.1\r\n" + HOST).target == "/?q"


@pytest.mark.parametrize(
    "head",
    [
        b"GET  / HTTP/1.1\r\n" + HOST,
        b"GET / HTTP/1.10\r\n" + HOST,
        b"GET / HTTPS/2\r\n" + HOST,
        b"GET / HTTP/1.1 \r\n" + HOST,
        b"GET /\x00 HTTP/1.1\r\n" + HOST,
        b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST,
        b"GET * HTTP/1.1\r\n" + HOST,
        b"GET x HTTP/1.1\r\n" + HOST,
        b"GET /#a HTTP/1.1\r\n" + HOST,
        b"CONNECT a:1 HTTP/1.1\r\n" + HOST,
        b"G\tT / HTTP/1.1\r\n" + HOST,
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + HOST,
        b"GET / HTTP/1.1\r\nHost: a b\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A : b\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\x00\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\nC: d\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\rC: d\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b": b\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x1\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: \xb2\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n" * 2,
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_what_could_be_understood_differently_is_refused(head: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read(head)
    assert refused.value.code == "request.malformed"


@pytest.mark.parametrize("line", [b"PRI * HTTP/2.0", b"GET / HTTP/3", b"GET / HTTP/1.2"])
def test_other_versions_of_http_are_told_so(line: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read(line + b"\r\n" + HOST)
    assert refused.value.code == "request.version"


def test_bounds() -> None:
    many = b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 64
    with pytest.raises(Refused) as refused:
        read(many)
    assert refused.value.code == "request.head_too_large"
    assert len(read(many[: -len(b"A: b\r\n")]).headers) == 64
    with pytest.raises(Refused) as refused:
        read(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n" % (BODY_BYTES_MAX + 1))
    assert refused.value.code == "request.too_large"
    assert find_head(b"x" * (HEADER_BYTES_MAX - 1)) == 0
    with pytest.raises(Refused):
        find_head(b"x" * HEADER_BYTES_MAX)
    with pytest.raises(Refused):
        find_head(b"x" * HEADER_BYTES_MAX + b"\r\n\r\n")


@given(st.binary(max_size=300))
def test_junk_is_refused_and_never_breaks_anything(junk: bytes) -> None:
    try:
        request = parse_head(junk + b"\r\n\r\n")
    except Refused:
        return
    assert request.target.startswith("/")


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=12), st.integers(1, 7))
def test_a_chunked_body_comes_out_whole_however_it_is_cut(
    body: bytes, sizes: list[int], step: int
) -> None:
    sent, rest = b"", body
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        if piece:
            sent += b"%x;ext=1\r\n%b\r\n" % (len(piece), piece)
    if rest:
        sent += b"%X\r\n%b\r\n" % (len(rest), rest)
    sent += b"0\r\nTrailer: x\r\n\r\nNEXT"
    chunked, data = ChunkedBody(), bytearray()
    for at in range(0, len(sent), step):
        data += sent[at : at + step]
        chunked.feed(data)
    assert chunked.done
    assert bytes(chunked.body) == body
    assert bytes(data) == b"NEXT"


@pytest.mark.parametrize(
    "junk",
    [b"\r\n", b"-1\r\n", b"g\r\n", b"0x5\r\n", b"5\r\nhello!!", b"1" * 300, b"fffffffff\r\n"],
)
def test_a_malformed_chunk_is_refused(junk: bytes) -> None:
    with pytest.raises(Refused) as refused:
        ChunkedBody().feed(bytearray(junk))
    assert refused.value.code == "request.malformed"


def test_a_chunked_body_is_bounded() -> None:
    chunked = ChunkedBody()
    chunked.feed(bytearray(b"%x\r\n" % BODY_BYTES_MAX + bytes(BODY_BYTES_MAX) + b"\r\n"))
    with pytest.raises(Refused) as refused:
        chunked.feed(bytearray(b"1\r\n"))
    assert refused.value.code == "request.too_large"


def test_heads_that_differ_in_their_cookie_are_read_alike() -> None:
    before = b"GET /s/x HTTP/1.1\r\n" + HOST + b"X-One: 1\r\n"
    after = b"X-Two: 2\r\nX-Two: 3\r\n"
    for cookie in (b"a=1", b" a=2 \t", b"b=\xe9", b""):
        for _ in range(2):  # the second time it is known
            request = read(before + b"Cookie: " + cookie + b"\r\n" + after)
            said = cookie.strip(b" \t").decode("latin-1")
            assert request.headers == [
                ("host", "a.example"),
                ("x-one", "1"),
                ("cookie", said),
                ("x-two", "2"),
                ("x-two", "3"),
            ]
            assert request.header("cookie") == said
            assert request.header("x-two") == "2, 3"
    assert read(before + after).header("cookie") == "", "the one without stays without"
    assert read(before + b"Cookie: c=1\r\n").cookie("c") == "1"
    assert read(before + b"Cookie: c=2\r\n").cookie("c") == "2"
    assert read(before + b"cookie: c=3\r\n").cookie("c") == "3"
    assert read(before + b"Cookie: c=4\r\nCookie: d=5\r\n").header("cookie") == "c=4, d=5"


@pytest.mark.parametrize("cookie", [b"a\x00", b"a\x7f", b"a\rb", b"a\nb", b"a\r\n b"])
def test_a_cookie_is_read_as_strictly_in_a_head_that_is_known(cookie: bytes) -> None:
    before, after = b"GET /strict HTTP/1.1\r\n" + HOST + b"Cookie: ", b"\r\nX-One: 1\r\n"
    for known in (b"a", b"b"):
        assert read(before + known + after).header("cookie") == known.decode()
    with pytest.raises(Refused) as caught:
        read(before + cookie + after)
    assert caught.value.code == "request.malformed"


def test_what_one_person_carries_is_not_taken_for_anothers() -> None:
    for name in (b"Authorization", b"Stentor-Ticket", b"Stentor-Place"):
        for said in (b"one", b"two"):
            head = b"GET / HTTP/1.1\r\n" + HOST + name + b": " + said + b"\r\nCookie: a=b\r\n"
            assert read(head).header(name.decode().lower()) == said.decode()
