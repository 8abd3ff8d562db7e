"""HLS playlists (RFC 8216, draft-pantos-hls-rfc8216bis-22) of a rendition's parts. Pure.

A media segment holds the parts that begin within one cell of 4 s of media_time, a partial segment
those within one of 800 ms. What a media segment is listed with depends on its number and its parts
alone: all edges, and all updates of a playlist, say the same of it.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stentor.limits import (
    HLS_LIVE_SEGMENTS,
    HLS_PARTIAL_PARTS,
    HLS_PARTIAL_SEGMENTS,
    HLS_SEGMENT_S,
    HLS_SKIP_SEGMENTS,
    PART_SAMPLES,
    SAMPLE_RATE,
)
from stentor.log import PartIndex

PARTIAL_SAMPLES = HLS_PARTIAL_PARTS * PART_SAMPLES
PARTIALS = HLS_SEGMENT_S * SAMPLE_RATE // PARTIAL_SAMPLES
"""Partial segments in a media segment."""
TARGET_DURATION_S = HLS_SEGMENT_S
"""A media segment exceeds 4 s by less than half a second: rounded it is 4 (section 4.4.3.1)."""
PART_TARGET_S = 0.811
"""38 frames of AAC, the longest partial segment; those of 37 frames and of Opus are 97 % of it."""
ADVANCE_PARTIALS = 4
"""How far ahead a partial segment may be asked for: 3 s / PART-TARGET (section 6.2.5.2)."""

PART_HOLD_BACK_S = 2.434
"""Three times that, rounded up: players with low latency stay so far behind the newest sound."""

_CONTROL = (
    f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={6 * TARGET_DURATION_S}.0,"
    f"HOLD-BACK={3 * TARGET_DURATION_S}.0,PART-HOLD-BACK={PART_HOLD_BACK_S}\n"
    f"#EXT-X-PART-INF:PART-TARGET={PART_TARGET_S}\n"
)
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Variant:
    """What a multivariant playlist says of a rendition.

    Attributes:
        bandwidth: most bits a second of any media segment, boxes included.
        average: bits a second in the long run.
    """

    name: str
    codecs: str
    bandwidth: int
    average: int


@dataclass(frozen=True, slots=True)
class Form:
    """Which of a rendition's playlists.

    Attributes:
        started_at_ms: UTC of media_time 0.
        whole: from the beginning, and not the newest media segments alone.
        skip: as a delta update (section 6.2.5.1).
        recorded: of a Space that ended some time ago: complete, once and for all.
    """

    started_at_ms: int
    whole: bool = False
    skip: bool = False
    recorded: bool = False


VARIANTS = (
    Variant("opus", "opus", 48_000, 38_000),
    Variant("aac", "mp4a.40.2", 88_000, 72_000),
    Variant("opus-low", "opus", 28_000, 21_000),
)


def multivariant(*, whole: bool) -> str:
    """The multivariant playlist; the rendition to begin with comes first.

    Args:
        whole: of the playlists that begin with the Space, not of the live ones.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for each in VARIANTS:
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={each.bandwidth},AVERAGE-BANDWIDTH={each.average},"
            f'CODECS="{each.codecs}"',
            playlist_name(each.name, whole=whole),
        ]
    return "\n".join([*lines, ""])


def playlist_name(name: str, *, whole: bool) -> str:
    """The address of a rendition's playlist, beside the multivariant one."""
    return f"{name}-all.m3u8" if whole else f"{name}.m3u8"


def partials_done(parts: PartIndex, *, ended: bool) -> int:
    """How many partial segments are complete, from media_time 0 on, holes included."""
    end = parts.media_time_end
    return -(-end // PARTIAL_SAMPLES) if ended else end // PARTIAL_SAMPLES


def parts_of(parts: PartIndex, first: int, count: int = 1) -> tuple[int, int]:
    """The parts of some partial segments: number of the first, number after the last.

    Args:
        first: number of the first partial segment, from the Space's beginning.
    """
    begin = bisect_left(parts.media_time, first * PARTIAL_SAMPLES)
    return begin, bisect_left(parts.media_time, (first + count) * PARTIAL_SAMPLES, begin)


class Listing:
    """One rendition's playlists; belongs to one log, and grows with it.

    Attributes:
        done: complete partial segments.
        ended: whether nothing more will come.
    """

    def __init__(self, name: str, parts: PartIndex) -> None:
        self.name = name
        self.done = 0
        self.ended = False
        self._parts = parts
        self._started_at_ms = 0
        self._old = bytearray()
        self._ends = array("q")

    @property
    def segments(self) -> int:
        """How many media segments are complete."""
        return -(-self.done // PARTIALS) if self.ended else self.done // PARTIALS

    @property
    def last(self) -> int:
        """The media sequence number of the newest partial segment."""
        return max(0, self.done - 1) // PARTIALS

    def refresh(self, *, ended: bool) -> None:
        """Look at the parts again."""
        # A writer that gave records up took back what was listed: it stays, as a hole.
        self.done = max(self.done, partials_done(self._parts, ended=ended))
        self.ended = self.ended or ended

    def text(self, form: Form, others: "tuple[Listing, ...]") -> bytes:
        """A playlist as it is now.

        Args:
            others: the other renditions, to be reported.
        """
        self._begin(form.started_at_ms)
        if form.recorded:
            head = self._head(0, "VOD")
            return head.encode() + self._from(0, self.segments) + b"#EXT-X-ENDLIST\n"
        count = self.segments
        first = 0 if form.whole else max(0, count - HLS_LIVE_SEGMENTS)
        skipped = count - HLS_SKIP_SEGMENTS - first if form.skip else 0
        head = self._head(first, "EVENT" if form.whole else "", _CONTROL)
        if skipped > 0:
            head += f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n"
            first += skipped
        newest = max(first, count - HLS_PARTIAL_SEGMENTS)
        tail = "".join(self._segment(number, partials=True) for number in range(newest, count))
        tail += self._tail(others, whole=form.whole)
        return head.encode() + self._from(first, newest) + tail.encode()

    def _tail(self, others: "tuple[Listing, ...]", *, whole: bool) -> str:
        """What follows the last complete media segment."""
        if self.ended:
            return "#EXT-X-ENDLIST\n"
        number, partials = divmod(self.done, PARTIALS)
        text = self._date(number) if partials else ""
        text += "".join(self._partial(number, index) for index in range(partials))
        text += f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{self.name}/{number}.{partials}.m4s"\n'
        for other in others:
            if other.done:
                index = (other.done - 1) % PARTIALS
                uri = playlist_name(other.name, whole=whole)
                text += (
                    f'#EXT-X-RENDITION-REPORT:URI="{uri}",LAST-MSN={other.last},LAST-PART={index}\n'
                )
        return text

    def _head(self, first: int, kind: str, control: str = "") -> str:
        return (
            "#EXTM3U\n"
            "#EXT-X-VERSION:9\n"
            f"#EXT-X-TARGETDURATION:{TARGET_DURATION_S}\n"
            f"#EXT-X-MEDIA-SEQUENCE:{first}\n"
            + (f"#EXT-X-PLAYLIST-TYPE:{kind}\n" if kind else "")
            + "#EXT-X-INDEPENDENT-SEGMENTS\n"
            + control
            + f'#EXT-X-MAP:URI="{self.name}/init.mp4"\n'
        )

    def _begin(self, started_at_ms: int) -> None:
        """Dates count from here; what was written with others is forgotten."""
        if started_at_ms != self._started_at_ms:
            self._started_at_ms = started_at_ms
            self._old.clear()
            del self._ends[:]

    def _from(self, first: int, end: int) -> bytes:
        """Media segments without their partial ones; they are written once and kept."""
        for number in range(len(self._ends), end):
            self._old += self._segment(number, partials=False).encode()
            self._ends.append(len(self._old))
        if first >= end:
            return b""
        return bytes(self._old[self._ends[first - 1] if first else 0 : self._ends[end - 1]])

    def _segment(self, number: int, *, partials: bool) -> str:
        text = self._date(number)
        if partials:
            last = min(self.done - number * PARTIALS, PARTIALS)
            text += "".join(self._partial(number, index) for index in range(last))
        samples, empty = self._extent(number * PARTIALS, PARTIALS)
        gap = "#EXT-X-GAP\n" if empty else ""
        return f"{text}{gap}#EXTINF:{_seconds(samples)},\n{self.name}/{number}.m4s\n"

    def _partial(self, number: int, index: int) -> str:
        samples, empty = self._extent(number * PARTIALS + index, 1)
        gap = ",GAP=YES" if empty else ""
        uri = f'URI="{self.name}/{number}.{index}.m4s"'
        return f"#EXT-X-PART:DURATION={_seconds(samples)},{uri},INDEPENDENT=YES{gap}\n"

    def _extent(self, first: int, count: int) -> tuple[int, bool]:
        """How long some partial segments are together, in samples; whether there is no sound.

        They begin and end with their parts. Where storage refused a part, they do where their
        cells do: what is missing is time all the same.
        """
        begin, end = parts_of(self._parts, first, count)
        start, stop = first * PARTIAL_SAMPLES, (first + count) * PARTIAL_SAMPLES
        if begin == end:
            return stop - start, True
        if self._parts.media_time[begin] < start + PART_SAMPLES:
            start = self._parts.media_time[begin]
        until = self._parts.media_time[end - 1] + self._parts.duration[end - 1]
        if until > stop or (self.ended and end == len(self._parts)):
            stop = until
        return stop - start, False

    def _date(self, number: int) -> str:
        begin, end = parts_of(self._parts, number * PARTIALS, PARTIALS)
        at = number * PARTIALS * PARTIAL_SAMPLES
        if begin < end and self._parts.media_time[begin] < at + PART_SAMPLES:
            at = self._parts.media_time[begin]
        date = _EPOCH + timedelta(
            milliseconds=self._started_at_ms, microseconds=at * 1_000_000 // SAMPLE_RATE
        )
        text = date.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"#EXT-X-PROGRAM-DATE-TIME:{text}\n"


def _seconds(samples: int) -> str:
    return f"{samples / SAMPLE_RATE:.5f}"
