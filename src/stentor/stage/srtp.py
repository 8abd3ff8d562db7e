"""SRTP and SRTCP (RFC 3711, RFC 7714): the keys of one speaker, and what they protect."""

from typing import NamedTuple

from pylibsrtp import Error, Policy, Session

from stentor import limits

TRAILER_BYTES = 148
"""What protecting may add at most, as libsrtp counts."""


class Profile(NamedTuple):
    """A protection profile of DTLS-SRTP (RFC 5764 section 4.1.2, RFC 7714 section 14.2)."""

    name: bytes
    number: int
    key_bytes: int
    salt_bytes: int

    @property
    def material_bytes(self) -> int:
        """Keying material to be exported from DTLS, in bytes."""
        return 2 * (self.key_bytes + self.salt_bytes)


PROFILES = (
    Profile(b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    Profile(b"SRTP_AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    Profile(b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
)
"""Best first; the first one that the speaker knows as well is taken."""


class Srtp:
    """Protects what is sent to one speaker and opens what comes from it.

    Args:
        profile: the one agreed on.
        material: keying material exported from DTLS, `profile.material_bytes` long.
    """

    def __init__(self, profile: Profile, material: bytes) -> None:
        key, salt = profile.key_bytes, profile.salt_bytes
        keys, salts = material[: 2 * key], material[2 * key :]
        # The client's come first (RFC 5764 section 4.2), and the speaker is the client.
        incoming = Policy(
            keys[:key] + salts[:salt], Policy.SSRC_ANY_INBOUND, srtp_profile=profile.number
        )
        incoming.window_size = limits.SRTP_WINDOW_PACKETS
        outgoing = Policy(
            keys[key:] + salts[salt:], Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.number
        )
        self._incoming = Session(incoming)
        self._outgoing = Session(outgoing)

    def open(self, data: bytes) -> bytes | None:
        """The RTP packet inside, or None if it is forged, repeated or too old."""
        try:
            return self._incoming.unprotect(data)
        except (Error, ValueError):
            return None

    def open_control(self, data: bytes) -> bytes | None:
        """The RTCP packets inside, or None if they are forged, repeated or too old."""
        try:
            return self._incoming.unprotect_rtcp(data)
        except (Error, ValueError):
            return None

    def protect(self, data: bytes) -> bytes:
        """An RTP packet of at most DATAGRAM_BYTES_MAX - TRAILER_BYTES, ready to be sent."""
        return self._outgoing.protect(data)

    def protect_control(self, data: bytes) -> bytes:
        """RTCP packets, ready to be sent."""
        return self._outgoing.protect_rtcp(data)
