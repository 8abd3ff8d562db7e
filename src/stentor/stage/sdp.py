"""SDP (RFC 8866) as WHIP needs it: what a speaker offers, and our answer to it.

Candidates in an offer are never read: an ICE-lite agent needs none, and nobody can make us send
packets to a place of his choosing.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from stentor import limits
from stentor.errors import Refused

_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")
_MEDIA = re.compile(
    r"([a-z]{1,16}) (\d{1,5})(?:/\d{1,5})? ([A-Z/]{1,32}) ([!-~]{1,64}(?: [!-~]{1,64})*)"
)
_ICE = re.compile(r"[A-Za-z0-9+/]{4,256}")
_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{1,16}) ((?:[0-9A-Fa-f]{2}:){15,63}[0-9A-Fa-f]{2})")
_OPUS = re.compile(r"(\d{1,3}) opus/48000/2", re.IGNORECASE)
_SSRC = re.compile(r"(\d{1,10})(?: .*)?")
_PROFILES = {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"}
_DIRECTIONS = {"sendrecv", "sendonly", "recvonly", "inactive"}
_HASH_PREFERENCE = ("sha-512", "sha-384", "sha-256")


class Section(NamedTuple):
    """One media section of the offer, as far as the answer must repeat it."""

    kind: str
    port: int
    profile: str
    formats: str
    attributes: dict[str, list[str]]

    @property
    def mid(self) -> str | None:
        """Its identification (RFC 5888)."""
        return _first(self.attributes, "mid")


@dataclass(frozen=True, slots=True)
class Offer:
    """What one speaker offers."""

    sections: list[Section]
    audio: int
    """Which of the sections is to be used."""
    bundled: bool
    payload_type: int
    """The number the offer gives to Opus."""
    both_ways: bool
    """Whether the speaker wants to hear the others."""
    ufrag: str
    fingerprints: list[tuple[str, str]]
    """(hash function in lower case, `AB:CD:…` in capitals); only functions we can check."""
    ssrcs: frozenset[int] = field(default_factory=frozenset)
    """SSRCs the speaker has announced; empty when it has not."""


class Answer(NamedTuple):
    """What we say for ourselves in the answer."""

    session: int
    """A number for the origin line."""
    addresses: list[str]
    """Where the speaker shall try to reach us."""
    port: int
    ufrag: str
    password: str
    fingerprint: str
    """SHA-256 of our certificate."""
    ssrc: int
    cname: str


def read_offer(text: str) -> Offer:
    """Read an offer.

    Raises:
        Refused: `sdp.too_large`, `sdp.malformed` or `sdp.unusable`, the sentence says why.
    """
    session, sections = _sections(text)
    index = next((i for i, section in enumerate(sections) if _is_usable(section)), None)
    if index is None:
        raise _unusable("no audio section that sends Opus")
    audio = sections[index]
    groups = [group.split()[1:] for group in session.get("group", []) if group[:7] == "BUNDLE "]
    bundle = next((group for group in groups if audio.mid in group), [])
    tagged = [section for section in sections if bundle and section.mid == bundle[0]]
    # A section's own attributes, else the session's, else those of the section that carries the
    # bundle (RFC 9143 section 7.1).
    places = [audio.attributes, session, *(section.attributes for section in tagged)]
    if "ice-lite" in session:
        raise _unusable("it is ICE-lite, and so is this server")
    if "rtcp-mux" not in audio.attributes:
        raise _unusable("rtcp-mux is missing")
    if _find(places, "setup") not in {"actpass", "active", None}:
        raise _unusable("the speaker must be the DTLS client (setup:actpass)")
    ufrag, password = _find(places, "ice-ufrag"), _find(places, "ice-pwd")
    if ufrag is None or password is None:
        raise _unusable("ICE credentials are missing")
    if not _ICE.fullmatch(ufrag) or not _ICE.fullmatch(password):
        raise _malformed("ICE credentials")
    found = next((place["fingerprint"] for place in places if "fingerprint" in place), [])
    return Offer(
        sections=sections,
        audio=index,
        bundled=bool(bundle),
        payload_type=_opus(audio) or 0,
        both_ways=_direction(audio) == "sendrecv",
        ufrag=ufrag,
        fingerprints=_fingerprints(found),
        ssrcs=_ssrcs(audio),
    )


def write_answer(offer: Offer, answer: Answer) -> str:
    """The SDP answer (RFC 8839, RFC 8829): Opus on one section, every other one refused."""
    lines = [
        "v=0",
        f"o=- {answer.session} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
    ]
    if offer.bundled:
        lines.append(f"a=group:BUNDLE {offer.sections[offer.audio].mid}")
    lines.append("a=msid-semantic:WMS *")
    for index, section in enumerate(offer.sections):
        if index == offer.audio:
            lines += _accepted(offer, answer)
        else:
            lines += [f"m={section.kind} 0 {section.profile} {section.formats}", "c=IN IP4 0.0.0.0"]
            lines += [f"a=mid:{section.mid}"] if section.mid else []
            lines.append("a=inactive")
    return "\r\n".join(lines) + "\r\n"


def _accepted(offer: Offer, answer: Answer) -> list[str]:
    section, opus = offer.sections[offer.audio], offer.payload_type
    lines = [
        f"m=audio {answer.port} {section.profile} {opus}",
        f"c=IN {_family(answer.addresses[0])} {answer.addresses[0]}",
    ]
    lines += [f"a=mid:{section.mid}"] if section.mid else []
    if offer.both_ways:
        lines += [
            "a=sendrecv",
            "a=msid:stentor mix",
            f"a=ssrc:{answer.ssrc} cname:{answer.cname}",
            f"a=ssrc:{answer.ssrc} msid:stentor mix",
        ]
    else:
        lines.append("a=recvonly")
    lines += [
        "a=rtcp-mux",
        f"a=rtpmap:{opus} opus/48000/2",
        # What we want to be sent (RFC 7587 section 7): one voice, with the means to conceal loss,
        # and without the silence suppression that looks like a lost speaker.
        f"a=fmtp:{opus} minptime=10;useinbandfec=1;stereo=0;usedtx=0;"
        f"maxaveragebitrate={limits.SPEAKER_BITRATE}",
        "a=ptime:20",
        f"a=ice-ufrag:{answer.ufrag}",
        f"a=ice-pwd:{answer.password}",
        f"a=fingerprint:sha-256 {answer.fingerprint}",
        "a=setup:passive",
    ]
    for number, address in enumerate(answer.addresses):
        priority = (126 << 24) + ((65_535 - number) << 8) + 255  # RFC 8445 section 5.1.2.1
        lines.append(f"a=candidate:{number + 1} 1 udp {priority} {address} {answer.port} typ host")
    lines.append("a=end-of-candidates")
    return lines


def _sections(text: str) -> tuple[dict[str, list[str]], list[Section]]:
    if len(text) > limits.SDP_BYTES_MAX or len(text.encode()) > limits.SDP_BYTES_MAX:
        raise _too_large(f"more than {limits.SDP_BYTES_MAX} bytes")
    lines = re.split("\r\n|\n|\r", text.rstrip("\r\n"))
    if len(lines) > limits.SDP_LINES_MAX:
        raise _too_large(f"more than {limits.SDP_LINES_MAX} lines")
    if lines[0] != "v=0":
        raise _malformed("its first line, which should be v=0")
    session: dict[str, list[str]] = {}
    sections: list[Section] = []
    attributes = session
    for number, line in enumerate(lines[1:], 2):
        if len(line) < 2 or line[1] != "=" or not line[0].islower() or not line.isprintable():
            raise _malformed(f"line {number}")
        if line[0] == "m":
            match = _MEDIA.fullmatch(line[2:])
            if match is None or int(match[2]) > 65_535:
                raise _malformed(f"line {number}")
            if len(sections) == limits.SDP_SECTIONS_MAX:
                raise _too_large(f"more than {limits.SDP_SECTIONS_MAX} media sections")
            attributes = {}
            sections.append(Section(match[1], int(match[2]), match[3], match[4], attributes))
        elif line[0] == "a":
            name, _, value = line[2:].partition(":")
            attributes.setdefault(name, []).append(value)
    for section in sections:
        if section.mid is not None and not _TOKEN.fullmatch(section.mid):
            raise _malformed("a mid")
    return session, sections


def _is_usable(section: Section) -> bool:
    return (
        section.kind == "audio"
        and section.profile in _PROFILES
        and (section.port != 0 or "bundle-only" in section.attributes)
        and _direction(section) in {"sendrecv", "sendonly"}
        and _opus(section) is not None
    )


def _opus(section: Section) -> int | None:
    """The payload type of Opus, when it is among the section's formats."""
    formats = section.formats.split()
    for value in section.attributes.get("rtpmap", []):
        match = _OPUS.fullmatch(value)
        # 64 to 95 would look like RTCP (RFC 5761 section 4).
        if match and match[1] in formats and (int(match[1]) < 64 or 96 <= int(match[1]) < 128):
            return int(match[1])
    return None


def _direction(section: Section) -> str:
    return next((name for name in section.attributes if name in _DIRECTIONS), "sendrecv")


def _ssrcs(section: Section) -> frozenset[int]:
    found = (_SSRC.fullmatch(value) for value in section.attributes.get("ssrc", []))
    return frozenset(int(match[1]) & 0xFFFF_FFFF for match in found if match)


def _fingerprints(values: list[str]) -> list[tuple[str, str]]:
    if not values:
        raise _unusable("a fingerprint is missing")
    found = []
    for value in values:
        match = _FINGERPRINT.fullmatch(value)
        if match is None:
            raise _malformed("a fingerprint")
        found.append((match[1].lower(), match[2].upper()))
    usable = [pair for pair in found if pair[0] in _HASH_PREFERENCE]
    if not usable:
        raise _unusable("no fingerprint by sha-256, sha-384 or sha-512")
    return usable


def _find(places: list[dict[str, list[str]]], name: str) -> str | None:
    return next((place[name][0] for place in places if name in place), None)


def _first(attributes: dict[str, list[str]], name: str) -> str | None:
    return attributes[name][0] if name in attributes else None


def _family(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


def _too_large(what: str) -> Refused:
    return Refused("sdp.too_large", f"The offer has {what}; one microphone needs less.")


def _malformed(what: str) -> Refused:
    return Refused("sdp.malformed", f"The offer is not SDP: {what} cannot be read.")


def _unusable(why: str) -> Refused:
    return Refused("sdp.unusable", f"The offer cannot be used: {why}.")
