"""HLS playlists (RFC 8216) of the parts of a rendition. Pure: columns of parts in, text out."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta

from stentor.limits import HLS_LIVE_SEGMENTS, HLS_SEGMENT_S, SAMPLE_RATE
from stentor.log import PartIndex

SEGMENT_SAMPLES = HLS_SEGMENT_S * SAMPLE_RATE
TARGET_DURATION_S = HLS_SEGMENT_S
"""A media segment may exceed 4 s by less than one part; rounded it is 4 (section 4.3.3.1)."""


def media_segment(parts: PartIndex, number: int) -> tuple[int, int]:
    """The parts of media segment `number`: number of the first, number after the last."""
    first = bisect_left(parts.media_time, number * SEGMENT_SAMPLES)
    return first, bisect_left(parts.media_time, (number + 1) * SEGMENT_SAMPLES, first)


def complete_count(parts: PartIndex, *, ended: bool) -> int:
    """How many media segments are complete: nothing will be added to them."""
    if not len(parts):
        return 0
    return parts.media_time[-1] // SEGMENT_SAMPLES + (1 if ended else 0)


def playlist(parts: PartIndex, *, name: str, ended: bool, started_at_ms: int) -> str:
    """The media playlist.

    Args:
        name: folder of the init and the media segments, relative to the playlist.
        ended: list everything, once and for all; otherwise the newest complete ones.
        started_at_ms: UTC of media_time 0.
    """
    count = complete_count(parts, ended=ended)
    first = 0 if ended else max(0, count - HLS_LIVE_SEGMENTS)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{TARGET_DURATION_S}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if ended:
        lines.append("#EXT-X-PLAYLIST-TYPE:VOD")
    lines.append(f'#EXT-X-MAP:URI="{name}/init.mp4"')
    for number in range(first, count):
        begin, end = media_segment(parts, number)
        if number == first and started_at_ms:
            start = parts.media_time[begin] if begin < end else number * SEGMENT_SAMPLES
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date(started_at_ms, start)}")
        if begin == end:
            # Storage refused all of it; players know that there is nothing to fetch.
            lines += ["#EXT-X-GAP", f"#EXTINF:{HLS_SEGMENT_S},"]
        else:
            samples = sum(parts.duration[begin:end])
            lines.append(f"#EXTINF:{samples / SAMPLE_RATE:.5f},")
        lines.append(f"{name}/{number}.m4s")
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""])


def _date(started_at_ms: int, media_time: int) -> str:
    start = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=started_at_ms)
    at = start + timedelta(microseconds=media_time * 1_000_000 // SAMPLE_RATE)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
