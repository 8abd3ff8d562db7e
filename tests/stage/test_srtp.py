"""Only the speaker's packets come out of SRTP, and each of them once."""

import pytest

from stentor.stage import rtp
from stentor.stage.srtp import PROFILES, Profile, Srtp

EVERY = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.decode())


def pair(profile: Profile, key: int = 1) -> tuple[Srtp, Srtp]:
    """The two ends: what one protects, the other one opens."""
    size = profile.material_bytes // 2
    here, there = bytes((key,)) * size, bytes((key + 1,)) * size
    k, s = profile.key_bytes, profile.salt_bytes
    ours = here[:k] + there[:k] + here[:s] + there[:s]
    theirs = there[:k] + here[:k] + there[:s] + here[:s]
    return Srtp(profile, ours), Srtp(profile, theirs)


def packet(sequence: int) -> bytes:
    return rtp.write(rtp.Packet(111, sequence & 0xFFFF, sequence * 960, 7, b"opus"))


@EVERY
def test_a_packet_is_opened_once(profile: Profile) -> None:
    here, there = pair(profile)
    data = there.protect(packet(1))
    assert here.open(data) == packet(1)
    assert here.open(data) is None
    assert here.open(there.protect(packet(3))) == packet(3)
    assert here.open(there.protect(packet(2))) == packet(2)


@EVERY
def test_a_changed_packet_is_not_opened(profile: Profile) -> None:
    here, there = pair(profile)
    data = there.protect(packet(1))
    for at in range(len(data)):
        assert here.open(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]) is None
        assert here.open(data[:at]) is None
    assert here.open(data) == packet(1)


@EVERY
def test_another_key_opens_nothing(profile: Profile) -> None:
    here, _ = pair(profile)
    _, stranger = pair(profile, key=9)
    assert here.open(stranger.protect(packet(1))) is None
    report = rtp.write_control(7, "stranger", None, b"")
    assert here.open_control(stranger.protect_control(report)) is None


@EVERY
def test_control_is_protected_too(profile: Profile) -> None:
    here, there = pair(profile)
    report = rtp.write_control(7, "speaker", None, b"")
    data = there.protect_control(report)
    assert here.open_control(data) == report
    assert here.open_control(data) is None
    assert here.open_control(data[:-1]) is None


def test_sizes_that_do_not_fit_are_dropped() -> None:
    here, _ = pair(PROFILES[0])
    for size in (0, 1, 11, 12, 13, 1_500, 1_501, 9_000):
        assert here.open(b"\x80\x6f" + bytes(size)) is None
        assert here.open_control(b"\x80\xc8" + bytes(size)) is None


def test_the_sequence_may_wrap() -> None:
    here, there = pair(PROFILES[0])
    for sequence in range(65_530, 65_546):
        assert here.open(there.protect(packet(sequence))) is not None
