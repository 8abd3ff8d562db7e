"""STUN is read as RFC 8489 says, and only that."""

from aioice import stun as other
from hypothesis import given
from hypothesis import strategies as st

from stentor import limits
from stentor.stage import stun

PASSWORD = b"a password of the stage"


def request(**attributes: object) -> bytes:
    """A signed binding request by another implementation."""
    message = other.Message(other.Method.BINDING, other.Class.REQUEST, b"transaction.")
    message.attributes.update({"USERNAME": "stage:speaker", "PRIORITY": 1, **attributes})
    message.add_message_integrity(PASSWORD)
    message.add_fingerprint()
    return bytes(message)


def with_attribute(data: bytes, name: int, value: bytes) -> bytes:
    """The request with an attribute behind everything else; the length is right."""
    data += name.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
    return data[:2] + (len(data) - 20).to_bytes(2, "big") + data[4:]


def test_a_request_is_read() -> None:
    read = stun.read_request(request(**{"USE-CANDIDATE": None, "ICE-CONTROLLING": 5}))
    assert read is not None
    assert read.transaction == b"transaction."
    assert read.username == b"stage:speaker"
    assert read.use_candidate
    assert not read.controlled
    assert read.unknown == ()
    assert stun.is_authentic(read, PASSWORD)
    assert not stun.is_authentic(read, PASSWORD + b".")


def test_the_vector_of_rfc_5769_is_authentic() -> None:
    """RFC 5769 section 2.1, which keeps its numbers in RFC 8489."""
    data = bytes.fromhex(
        "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
        "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
        "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
    )
    read = stun.read_request(data)
    assert read is not None
    assert read.username == b"evtj:h6vY"
    assert read.controlled
    assert stun.is_authentic(read, b"VOkJxbRl1RmTxUk/WvJxBt")


def test_answers_are_understood_by_others() -> None:
    read = stun.read_request(request())
    assert read is not None
    for host in ("192.0.2.33", "2001:db8::5"):
        answer = other.parse_message(stun.success(read, host, 49_152, PASSWORD))
        assert answer.message_class == other.Class.RESPONSE
        assert answer.transaction_id == b"transaction."
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == (host, 49_152)
        assert answer.check_message_integrity(PASSWORD)
        assert "FINGERPRINT" in answer.attributes
    refusal = other.parse_message(stun.failure(read, 487, "Role Conflict", PASSWORD))
    assert refusal.attributes["ERROR-CODE"] == (487, "Role Conflict")


def test_what_must_be_understood_and_is_not_is_named() -> None:
    read = stun.read_request(request(REALM="example.org"))
    assert read is not None
    assert read.unknown == (0x0014,)
    answer = stun.failure(read, 420, "Unknown Attribute", PASSWORD)
    assert b"\x00\x0a\x00\x02\x00\x14" in answer
    assert other.parse_message(answer).attributes["ERROR-CODE"][0] == 420


def test_what_is_no_binding_request_is_nothing() -> None:
    good = request()
    unsigned = bytes(other.Message(other.Method.BINDING, other.Class.REQUEST))
    nothing = [
        b"",
        good[:19],
        good[:-1],
        good + b"\0\0\0\0",
        b"\x00\x11" + good[2:],  # an indication
        b"\x01\x01" + good[2:],  # a response
        good[:4] + b"\0\0\0\0" + good[8:],  # no cookie
        unsigned,
        # 36 bytes: a MESSAGE-INTEGRITY that promises more than there is.
        bytes.fromhex("000100102112a442")
        + bytes(12)
        + bytes.fromhex("0008001400000000")
        + bytes(8),
        bytes.fromhex("000100102112a442")
        + bytes(12)
        + bytes.fromhex("80280001ff000000")
        + bytes(8),
        with_attribute(good, stun.PRIORITY, bytes(4)),  # behind FINGERPRINT
        with_attribute(good, stun.FINGERPRINT, bytes(limits.STUN_BYTES_MAX)),
    ]
    assert [stun.read_request(data) for data in nothing] == [None] * len(nothing)


def test_what_stands_behind_the_signature_is_ignored() -> None:
    message = other.Message(other.Method.BINDING, other.Class.REQUEST)
    message.attributes["USERNAME"] = "stage:speaker"
    message.add_message_integrity(PASSWORD)
    unprinted = bytes(message)[:-8]
    read = stun.read_request(with_attribute(unprinted, stun.USE_CANDIDATE, b""))
    assert read is not None
    assert not read.use_candidate
    assert stun.is_authentic(read, PASSWORD)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    stun.read_request(data)
    stun.read_request(bytes.fromhex("00010000") + data)
    length = (len(data) & ~3).to_bytes(2, "big")
    stun.read_request(
        b"\0\1" + length + bytes.fromhex("2112a442") + bytes(12) + data[: len(data) & ~3]
    )


def test_no_changed_byte_stays_authentic() -> None:
    good = request(**{"USE-CANDIDATE": None})
    for at in range(len(good)):
        for bit in range(8):
            changed = bytearray(good)
            changed[at] ^= 1 << bit
            read = stun.read_request(bytes(changed))
            # FINGERPRINT, the last 8 bytes, may as well be missing: it protects nothing.
            same = at >= len(good) - 8 and read == stun.read_request(good)
            assert read is None or same or not stun.is_authentic(read, PASSWORD)
