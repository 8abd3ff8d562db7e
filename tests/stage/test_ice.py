"""Nothing of a stranger gets past ICE, and no stranger is answered."""

import pytest
from aioice import stun as other
from hypothesis import given
from hypothesis import strategies as st

from stentor import limits
from stentor.stage.ice import IceLite, Layer

SPEAKER, STRANGER, SECOND = ("192.0.2.1", 5000), ("198.51.100.9", 53), ("192.0.2.1", 5001)
PASSWORD = "0123456789abcdef0123456789abcdef"
DTLS, MEDIA = b"\x16\xfe\xff", b"\x80\x6f\x00\x01"


def agent() -> IceLite:
    return IceLite("stage", PASSWORD, "speaker")


def check(username: str = "stage:speaker", password: str = PASSWORD, **more: object) -> bytes:
    message = other.Message(other.Method.BINDING, other.Class.REQUEST)
    message.attributes.update({"USERNAME": username, "PRIORITY": 1, **more})
    message.add_message_integrity(password.encode())
    message.add_fingerprint()
    return bytes(message)


NOMINATE: dict[str, object] = {"USE-CANDIDATE": None}


def test_a_check_is_answered_and_opens_the_door() -> None:
    ice = agent()
    assert ice.peer is None
    answer = ice.receive(check(), SPEAKER, 1.0)
    assert isinstance(answer, bytes)
    message = other.parse_message(answer)
    assert message.attributes["XOR-MAPPED-ADDRESS"] == SPEAKER
    assert message.check_message_integrity(PASSWORD.encode())
    assert ice.peer == SPEAKER
    assert ice.selected is None
    assert ice.receive(DTLS, SPEAKER, 1.0) is Layer.DTLS
    assert ice.receive(MEDIA, SPEAKER, 1.0) is Layer.MEDIA
    assert ice.receive(b"\x40\x00", SPEAKER, 1.0) is None


def test_an_address_of_ipv4_in_ipv6_is_told_as_ipv4() -> None:
    answer = agent().receive(check(), ("::ffff:192.0.2.7", 9, 0, 0), 1.0)
    assert isinstance(answer, bytes)
    assert other.parse_message(answer).attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.7", 9)


def test_strangers_are_dropped_in_silence() -> None:
    ice = agent()
    assert ice.receive(DTLS, STRANGER, 1.0) is None
    assert ice.receive(check("other:speaker"), STRANGER, 1.0) is None
    assert ice.receive(check("stage:other"), STRANGER, 1.0) is None
    assert ice.receive(check(password="a" * 32), STRANGER, 1.0) is None
    assert ice.receive(b"", STRANGER, 1.0) is None
    assert ice.receive(b"\x16", STRANGER, 1.0) is None
    assert ice.receive(b"\x00" * 36, STRANGER, 1.0) is None
    dropped = ice.dropped
    assert (dropped.strangers, dropped.unknown_ufrag, dropped.bad_mac) == (1, 2, 1)
    assert dropped.malformed == 3
    assert ice.peer is None
    ice.receive(check(), SPEAKER, 1.0)
    assert ice.receive(DTLS, STRANGER, 1.0) is None


def test_after_nomination_only_the_selected_address_passes() -> None:
    ice = agent()
    ice.receive(check(), SECOND, 1.0)
    ice.receive(check(**NOMINATE), SPEAKER, 2.0)
    assert (ice.selected, ice.selected_at) == (SPEAKER, 2.0)
    assert ice.receive(MEDIA, SECOND, 2.0) is None
    assert ice.receive(MEDIA, SPEAKER, 2.0) is Layer.MEDIA
    assert not ice.settled
    # The browser may change its mind, with a right MAC.
    ice.receive(check(**NOMINATE), SECOND, 3.0)
    assert (ice.selected, ice.selected_at) == (SECOND, 3.0)
    assert ice.receive(MEDIA, SPEAKER, 3.0) is None
    ice.forget_others()
    assert ice.settled


def test_a_silent_address_gives_way_to_the_next_one_that_proves_itself() -> None:
    ice = agent()
    ice.receive(check(**NOMINATE), SPEAKER, 1.0)
    ice.receive(check(), SECOND, 2.0)
    assert ice.selected == SPEAKER
    ice.silent = True
    assert ice.receive(MEDIA, SPEAKER, 3.0) is Layer.MEDIA
    assert ice.receive(check(password="a" * 32), STRANGER, 3.0) is None
    assert ice.selected == SPEAKER
    ice.receive(check(), SECOND, 3.0)
    assert (ice.selected, ice.silent) == (SECOND, False)


def test_the_role_of_the_speaker_and_what_is_unknown() -> None:
    ice = agent()
    answer = ice.receive(check(**{"ICE-CONTROLLED": 5}), SPEAKER, 1.0)
    assert isinstance(answer, bytes)
    assert other.parse_message(answer).attributes["ERROR-CODE"][0] == 487
    answer = ice.receive(check(REALM="example.org"), SPEAKER, 1.0)
    assert isinstance(answer, bytes)
    assert other.parse_message(answer).attributes["ERROR-CODE"][0] == 420
    assert ice.peer is None


def test_addresses_and_answers_are_bounded() -> None:
    ice = agent()
    data = check()
    answers = [ice.receive(data, ("192.0.2.1", 1_000 + n), 1.0) for n in range(500)]
    assert sum(answer is not None for answer in answers) == 2 * limits.STUN_ANSWERS_PER_S
    assert ice.dropped.too_often == 500 - 2 * limits.STUN_ANSWERS_PER_S
    last = 1_000 + int(2 * limits.STUN_ANSWERS_PER_S) - 1
    passing = [n for n in range(1_000, 1_500) if ice.receive(MEDIA, ("192.0.2.1", n), 1.0)]
    assert passing == list(range(last - limits.ICE_ADDRESSES_MAX + 1, last + 1))


@given(st.binary(max_size=120))
def test_no_bytes_of_a_stranger_pass(data: bytes) -> None:
    ice = agent()
    assert ice.receive(data, STRANGER, 1.0) is None
    ice.receive(check(**NOMINATE), SPEAKER, 1.0)
    assert ice.receive(data, STRANGER, 1.0) is None


@pytest.mark.parametrize("size", range(20))
def test_short_datagrams_do_nothing(size: int) -> None:
    ice = agent()
    ice.receive(check(**NOMINATE), SPEAKER, 1.0)
    for first in (0, 1, 22, 128, 255):
        assert ice.receive((bytes((first,)) * size)[:size], STRANGER, 1.0) is None
    assert ice.peer == SPEAKER
