"""What a ClientHello says that whoever goes on with its connection has to know. Pure.

RFC 8446 section 4.1.2; extension 1 is max_fragment_length (RFC 6066 section 4), for players with
little memory.
"""

from stentor.edge.records import HEADER_BYTES, RECORD_BYTES

_RANDOM = slice(6, 38)
_FRAGMENT_EXTENSION = 1
_FRAGMENT_BYTES = {1: 512, 2: 1024, 3: 2048, 4: 4096}


def read_hello(records: bytes) -> tuple[bytes, int]:
    """The client's random bytes, and how much a record may hold for it.

    Args:
        records: what has arrived, from the first byte on. A hello may be spread over several.
    """
    hello = _content(records)
    return hello[_RANDOM], _fragment_bytes(hello)


def _content(records: bytes) -> bytes:
    """What some records hold."""
    content, at = b"", 0
    while at + HEADER_BYTES <= len(records):
        end = at + HEADER_BYTES + int.from_bytes(records[at + 3 : at + HEADER_BYTES], "big")
        content += records[at + HEADER_BYTES : end]
        at = end
    return content


def _fragment_bytes(hello: bytes) -> int:
    at = _RANDOM.stop
    for length_bytes in (1, 2, 1):  # session, ciphers, compression
        at += length_bytes + int.from_bytes(hello[at : at + length_bytes], "big")
    at += 2
    while at + 4 <= len(hello):
        kind = int.from_bytes(hello[at : at + 2], "big")
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == _FRAGMENT_EXTENSION:
            return _FRAGMENT_BYTES.get(int.from_bytes(hello[at + 4 : at + 4 + size], "big"), 512)
        at += 4 + size
    return RECORD_BYTES
