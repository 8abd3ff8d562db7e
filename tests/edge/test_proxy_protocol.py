"""The PROXY header: what the specification has, bounds, junk, and no byte too many read."""

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.edge.clients import introduction_of
from stentor.edge.proxy_protocol import Source, parse
from stentor.errors import Refused
from stentor.limits import PROXY_HEADER_BYTES_MAX

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
TCP4 = ipaddress.IPv4Address("192.0.2.9").packed + ipaddress.IPv4Address("10.0.0.1").packed
TCP4 += struct.pack(">HH", 51_000, 443)
TCP6 = ipaddress.IPv6Address("2001:db8::9").packed * 2 + struct.pack(">HH", 51_000, 443)


def header(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


GENUINE = [
    (b"PROXY TCP4 192.0.2.9 10.0.0.1 51000 443\r\n", "192.0.2.9"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
    (b"PROXY TCP6 2001:db8::9 ::1 51000 0\r\n", "2001:db8::9"),
    (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 51000 443\r\n", "192.0.2.9"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None),
    (header(PROXY, 0x11, TCP4), "192.0.2.9"),
    (header(PROXY, 0x21, TCP6), "2001:db8::9"),
    (header(PROXY, 0x11, TCP4 + b"\x04\x00\x02ab"), "192.0.2.9"),
    (header(PROXY, 0x21, TCP6 + bytes(PROXY_HEADER_BYTES_MAX - 52)), "2001:db8::9"),
    (header(PROXY, 0x00, b""), None),
    (header(PROXY, 0x31, bytes(216)), None),
    (header(LOCAL, 0x00, b""), None),
    (header(LOCAL, 0x11, TCP4), None),
]
JUNK = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PROXY TCP4 192.0.2.9 10.0.0.1 51000\r\n",
    b"PROXY TCP4 192.0.2.9 10.0.0.1 51000 443 1\r\n",
    b"PROXY  TCP4 192.0.2.9 10.0.0.1 51000 443\r\n",
    b"PROXY TCP4 192.0.2.9 10.0.0.1 51000 65536\r\n",
    b"PROXY TCP4 192.0.2.9 10.0.0.1 051000 443\r\n",
    b"PROXY TCP4 192.0.2.9 10.0.0.1 -1 443\r\n",
    b"PROXY TCP4 192.0.2.256 10.0.0.1 51000 443\r\n",
    b"PROXY TCP4 2001:db8::9 ::1 51000 443\r\n",
    b"PROXY TCP6 192.0.2.9 10.0.0.1 51000 443\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 51000 443\r\n",
    b"PROXY TCP4 192.0.2.9 \xff0.0.0.1 51000 443\r\n",
    b"PROXY UDP4 192.0.2.9 10.0.0.1 51000 443\r\n",
    b"proxy TCP4 192.0.2.9 10.0.0.1 51000 443\r\n",
    b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    header(0x11, 0x11, TCP4),
    header(0x22, 0x11, TCP4),
    header(PROXY, 0x12, TCP4),
    header(PROXY, 0x41, TCP4),
    header(PROXY, 0x11, TCP4[:-1]),
    header(PROXY, 0x21, TCP4),
    header(PROXY, 0x11, TCP4 + bytes(PROXY_HEADER_BYTES_MAX - 27)),
    header(LOCAL, 0x00, bytes(0xFFFF)),
]


@pytest.mark.parametrize(("data", "address"), GENUINE)
def test_headers_are_read(data: bytes, address: str | None) -> None:
    assert parse(data + b"\x16\x03GET /") == Source(address, len(data))
    for cut in range(len(data)):
        assert parse(data[:cut]) is None, "it is not whole"


@pytest.mark.parametrize("data", JUNK)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse(data)
    assert refused.value.code == "proxy.header"


@given(st.binary(max_size=1_200), st.sampled_from([b"", b"PROXY ", SIGNATURE + b"\x21"]))
def test_no_bytes_do_harm(data: bytes, start: bytes) -> None:
    data = start + data
    try:
        source = parse(data)
    except Refused as refused:
        assert refused.code == "proxy.header"
        return
    if source is None:
        assert len(data) < PROXY_HEADER_BYTES_MAX, "nobody is waited for beyond the bound"
    else:
        assert 15 <= source.bytes_used <= min(len(data), PROXY_HEADER_BYTES_MAX)
        assert parse(data[: source.bytes_used]) == source


@given(st.ip_addresses(), st.integers(0, 65_535), st.binary(max_size=64))
def test_both_versions_say_the_same(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, more: bytes
) -> None:
    old = f"PROXY TCP{address.version} {address} {address} {port} 443\r\n".encode()
    packed = address.packed * 2 + struct.pack(">HH", port, 443)
    new = header(PROXY, 0x11 if address.version == 4 else 0x21, packed)
    for data in (old, new):
        source = parse(data + more)
        assert source is not None
        assert source.bytes_used == len(data)
        assert source.address is not None
        said = ipaddress.ip_address(source.address)
        assert said in {address, getattr(address, "ipv4_mapped", None)}


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(("data", "address"), GENUINE)
def test_what_follows_stays_in_the_socket(
    data: bytes, address: str | None, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    said = bytearray()
    for cut in range(len(data) - 1):
        theirs.send(data[cut : cut + 1])
        with pytest.raises(BlockingIOError):
            introduction_of(ours, said)
        with pytest.raises(BlockingIOError):  # and it does not keep the loop awake
            ours.recv(1, socket.MSG_PEEK)
    theirs.send(data[-1:] + b"\x16\x03\x01")
    assert introduction_of(ours, said) == Source(address, len(data))
    assert ours.recv(100) == b"\x16\x03\x01"


def test_who_leaves_before_has_said_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.send(b"PROXY ")
    theirs.close()
    said = bytearray()
    with contextlib.suppress(BlockingIOError), pytest.raises(ConnectionResetError):
        introduction_of(ours, said)
