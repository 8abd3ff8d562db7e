"""A strict reader of HLS playlists (draft-pantos-hls-rfc8216bis-22, sections 4.1 to 4.4). Pure."""

import re
from dataclasses import dataclass, field

_NAME = r"[A-Z0-9-]+"
_VALUE = r'"[^"\r\n]*"|[0-9]+x[0-9]+|0[xX][0-9A-F]+|-?[0-9]+\.?[0-9]*|[^",\s]+'
_ATTRIBUTE = re.compile(rf"({_NAME})=({_VALUE})")
_LIST = re.compile(rf"{_NAME}=(?:{_VALUE})(?:,{_NAME}=(?:{_VALUE}))*\Z")
_DECIMAL = re.compile(r"[0-9]{1,20}\Z")
_FLOAT = re.compile(r"[0-9]+(\.[0-9]+)?\Z")
_ONCE = {
    "EXT-X-VERSION",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-ENDLIST",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-SKIP",
}


class Malformed(Exception):  # noqa: N818 - the word of the house
    """This is no playlist."""


@dataclass
class Part:
    """One EXT-X-PART."""

    attributes: dict[str, str]

    @property
    def duration(self) -> float:
        return number(self.attributes.get("DURATION", ""))

    @property
    def uri(self) -> str:
        return quoted(self.attributes.get("URI", ""))

    @property
    def gap(self) -> bool:
        return self.attributes.get("GAP") == "YES"


@dataclass
class Segment:
    """One media segment; without a URI it is the one whose parts still come."""

    number: int
    uri: str = ""
    duration: float = 0.0
    date: str = ""
    gap: bool = False
    discontinuity: bool = False
    map: str = ""
    parts: list[Part] = field(default_factory=list)

    @property
    def lasting(self) -> tuple[object, ...]:
        """What must never change."""
        return (self.uri, self.duration, self.date, self.gap, self.discontinuity, self.map)


@dataclass
class Playlist:
    """A media playlist."""

    text: str
    tags: dict[str, str] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    open: Segment | None = None
    hints: list[dict[str, str]] = field(default_factory=list)
    reports: list[dict[str, str]] = field(default_factory=list)
    skipped: int = 0
    order: list[str] = field(default_factory=list)

    @property
    def first(self) -> int:
        return int(self.tags.get("EXT-X-MEDIA-SEQUENCE", "0"))

    @property
    def next(self) -> int:
        """The media sequence number after the last complete media segment."""
        return self.first + self.skipped + len(self.segments)

    @property
    def ended(self) -> bool:
        return "EXT-X-ENDLIST" in self.tags

    @property
    def target(self) -> int:
        return int(self.tags.get("EXT-X-TARGETDURATION", "0"))

    @property
    def part_target(self) -> float:
        return number(attributes(self.tags.get("EXT-X-PART-INF", "")).get("PART-TARGET", ""))

    @property
    def control(self) -> dict[str, str]:
        return attributes(self.tags.get("EXT-X-SERVER-CONTROL", ""))

    @property
    def tail(self) -> tuple[int, int]:
        """Media sequence number and part index that come next."""
        return self.next, len(self.open.parts) if self.open else 0

    @property
    def all(self) -> list[Segment]:
        return self.segments + ([self.open] if self.open else [])


def read(text: str) -> Playlist:
    """Read a media playlist.

    Raises:
        Malformed: it is none.
    """
    if text.startswith("\ufeff") or re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", text):
        raise Malformed("4.1: a byte order mark or control characters")
    lines = text.split("\n")
    if lines[0].rstrip("\r") != "#EXTM3U":
        raise Malformed("4.4.1.1: the first line is EXTM3U")
    if lines[-1]:
        raise Malformed("4.1: a line is terminated")
    playlist = Playlist(text)
    current: Segment | None = None
    media_map = ""
    for line in lines[1:-1]:
        line = line.rstrip("\r")
        if not line or (line.startswith("#") and not line.startswith("#EXT")):
            continue
        if line != line.strip():
            raise Malformed(f"4.1: space around {line!r}")
        tag, _, value = line[1:].partition(":") if line.startswith("#") else ("", "", line)
        playlist.order.append(tag)
        if tag in _ONCE:
            if tag in playlist.tags:
                raise Malformed(f"4.4: {tag} comes twice")
            playlist.tags[tag] = value
            if tag == "EXT-X-SKIP":
                playlist.skipped = int(attributes(value).get("SKIPPED-SEGMENTS", "0"))
            continue
        if tag == "EXT-X-MAP":
            media_map = value
            continue
        if tag == "EXT-X-PRELOAD-HINT":
            playlist.hints.append(attributes(value))
            continue
        if tag == "EXT-X-RENDITION-REPORT":
            playlist.reports.append(attributes(value))
            continue
        current = current or Segment(playlist.next, map=media_map)
        if _take(current, tag, value):
            playlist.segments.append(current)
            current = None
    playlist.open = current
    return playlist


def _take(segment: Segment, tag: str, value: str) -> bool:
    """One line of a media segment; True when it was its last."""
    match tag:
        case "":
            segment.uri = value
            return True
        case "EXTINF":
            duration, comma, _ = value.partition(",")
            if not comma:
                raise Malformed("4.4.4.1: EXTINF has a comma")
            segment.duration = number(duration)
        case "EXT-X-PROGRAM-DATE-TIME":
            segment.date = value
        case "EXT-X-GAP":
            segment.gap = True
        case "EXT-X-DISCONTINUITY":
            segment.discontinuity = True
        case "EXT-X-PART":
            segment.parts.append(Part(attributes(value)))
        case _:
            raise Malformed(f"4.4: {tag} is not known")
    return False


def attributes(text: str) -> dict[str, str]:
    """An attribute list (section 4.2).

    Raises:
        Malformed: it is none.
    """
    if not text:
        return {}
    if not _LIST.match(text):
        raise Malformed(f"4.2: no attribute list: {text!r}")
    pairs = _ATTRIBUTE.findall(text)
    if len(dict(pairs)) != len(pairs):
        raise Malformed(f"4.2: an attribute comes twice: {text!r}")
    return dict(pairs)


def quoted(value: str) -> str:
    """A quoted string's content."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        raise Malformed(f"4.2: not quoted: {value!r}")
    return value[1:-1]


def number(value: str) -> float:
    """A decimal-floating-point."""
    if not _FLOAT.match(value):
        raise Malformed(f"4.2: no number: {value!r}")
    return float(value)


def decimal(value: str) -> int:
    """A decimal-integer."""
    if not _DECIMAL.match(value):
        raise Malformed(f"4.2: no decimal integer: {value!r}")
    return int(value)
