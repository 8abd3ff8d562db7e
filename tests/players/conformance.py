"""Whether HLS playlists keep the MUSTs of draft-pantos-hls-rfc8216bis-22. Pure.

`faults` looks at one playlist, `changes` at one and its successor, `merged` applies a delta update,
`together` compares the renditions of a multivariant playlist. Each fault names its section.
"""

import re
from datetime import datetime

from tests.players import m3u8
from tests.players.m3u8 import Malformed, Playlist, Segment

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
_HEADER = {
    "EXT-X-VERSION",
    "EXT-X-TARGETDURATION",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-INDEPENDENT-SEGMENTS",
}
_ROUNDING_S = 0.0001


def faults(playlist: Playlist) -> list[str]:
    """What is wrong with one media playlist by itself."""
    found = [*_head(playlist), *_control(playlist), *_hints(playlist)]
    for segment in playlist.all:
        try:
            found += _segment(playlist, segment)
        except Malformed as malformed:
            found.append(str(malformed))
    if playlist.all and not any(segment.date for segment in playlist.all):
        found.append("B.1: no EXT-X-PROGRAM-DATE-TIME")
    if playlist.first and not playlist.ended:
        listed = sum(segment.duration for segment in playlist.segments)
        if not playlist.skipped and listed < 3 * playlist.target - playlist.target / 2:
            found.append("6.2.2: less than three target durations are left")
    return found


def _head(playlist: Playlist) -> list[str]:
    found = []
    tags = playlist.tags
    version = m3u8.decimal(tags.get("EXT-X-VERSION", "1"))
    needed = 6 if any(segment.map for segment in playlist.all) else 3
    needed = 9 if playlist.skipped else needed
    if version < needed:
        found.append(f"8: version {needed} is needed")
    if "EXT-X-TARGETDURATION" not in tags:
        found.append("4.4.3.1: EXT-X-TARGETDURATION is required")
    elif m3u8.decimal(tags["EXT-X-TARGETDURATION"]) <= 0:
        found.append("4.4.3.1: a target duration is positive")
    kind = tags.get("EXT-X-PLAYLIST-TYPE")
    if kind not in {None, "EVENT", "VOD"}:
        found.append("4.4.3.5: a playlist's type is EVENT or VOD")
    if kind and playlist.first:
        found.append("4.4.3.5: nothing is removed from an EVENT or VOD")
    if kind == "VOD" and not playlist.ended:
        found.append("6.2.1: a VOD has its end")
    begins = next((at for at, tag in enumerate(playlist.order) if tag in {"", "EXTINF"}), None)
    for tag in ("EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-SKIP"):
        if tag in playlist.order and begins is not None and playlist.order.index(tag) > begins:
            found.append(f"4.4: {tag} comes before the first media segment")
    if any(not segment.map for segment in playlist.all):
        found.append("3.1.2: fragmented MP4 needs EXT-X-MAP")
    return found


def _control(playlist: Playlist) -> list[str]:
    control, target, part_target = playlist.control, playlist.target, 0.0
    found = []
    if "EXT-X-PART-INF" in playlist.tags:
        part_target = playlist.part_target
        if "PART-HOLD-BACK" not in control:
            found.append("4.4.3.8: PART-HOLD-BACK is required with EXT-X-PART-INF")
    elif any(segment.parts for segment in playlist.all):
        found.append("4.4.3.7: parts need EXT-X-PART-INF")
    if m3u8.number(control.get("PART-HOLD-BACK", "99")) < 3 * part_target:
        found.append("4.4.3.8: PART-HOLD-BACK is at least twice, better three times PART-TARGET")
    if m3u8.number(control.get("HOLD-BACK", "999")) < 3 * target:
        found.append("4.4.3.8: HOLD-BACK is at least three target durations")
    if m3u8.number(control.get("CAN-SKIP-UNTIL", "999")) < 6 * target:
        found.append("4.4.3.8: CAN-SKIP-UNTIL is at least six target durations")
    if control.get("CAN-BLOCK-RELOAD", "YES") != "YES":
        found.append("4.4.3.8: CAN-BLOCK-RELOAD is YES or missing")
    if part_target and not playlist.ended and control.get("CAN-BLOCK-RELOAD") != "YES":
        found.append("B.1: low latency needs CAN-BLOCK-RELOAD")
    if playlist.skipped and "CAN-SKIP-UNTIL" not in control:
        found.append("4.4.5.2: EXT-X-SKIP needs CAN-SKIP-UNTIL")
    return found


def _hints(playlist: Playlist) -> list[str]:
    found = []
    if playlist.hints and playlist.ended:
        found.append("4.4.5.3: nothing is hinted at after the end")
    kinds = [hint.get("TYPE") for hint in playlist.hints]
    if any(kind not in {"PART", "MAP"} for kind in kinds) or len(set(kinds)) < len(kinds):
        found.append("4.4.5.3: one hint of a type, PART or MAP")
    if "EXT-X-PART-INF" in playlist.tags and not playlist.ended and "PART" not in kinds:
        found.append("B.1: low latency needs EXT-X-PRELOAD-HINT")
    listed = {part.uri for segment in playlist.all for part in segment.parts}
    if any(m3u8.quoted(hint.get("URI", '""')) in listed | {""} for hint in playlist.hints):
        found.append("4.4.5.3: a hint is for what is not listed yet")
    for report in playlist.reports:
        if not {"URI", "LAST-MSN", "LAST-PART"} <= report.keys():
            found.append("4.4.5.4: a rendition report has URI, LAST-MSN and LAST-PART")
        elif "://" in report["URI"]:
            found.append("4.4.5.4: a rendition report's URI is relative")
        else:
            m3u8.decimal(report["LAST-MSN"]), m3u8.decimal(report["LAST-PART"])
    return found


def _segment(playlist: Playlist, segment: Segment) -> list[str]:
    found = []
    where = f"in media segment {segment.number}"
    if segment.uri and not segment.duration:
        found.append(f"4.4.4.1: no EXTINF {where}")
    if round(segment.duration) > playlist.target:
        found.append(f"4.4.3.1: longer than the target duration {where}")
    if segment.date and not _DATE.match(segment.date):
        found.append(f"4.4.4.6: no date {where}")
    for index, part in enumerate(segment.parts):
        last = bool(segment.uri) and index == len(segment.parts) - 1
        if not part.uri:
            found.append(f"4.4.4.9: a part without URI {where}")
        if part.duration > playlist.part_target + _ROUNDING_S:
            found.append(f"4.4.4.9: a part longer than PART-TARGET {where}")
        if part.duration < 0.85 * playlist.part_target and not (last or part.gap):
            found.append(f"4.4.4.9: a part shorter than 85 % of PART-TARGET {where}")
        if segment.gap and not part.gap:
            found.append(f"6.2.1: a part of a gap that is none {where}")
    if segment.uri and segment.parts:
        whole = sum(part.duration for part in segment.parts)
        if abs(whole - segment.duration) > _ROUNDING_S * len(segment.parts):
            found.append(f"3.2: the parts do not make up the whole {where}")
    return found


def changes(old: Playlist, new: Playlist) -> list[str]:
    """What may not have become of a playlist (sections 6.2.1 and 6.2.2); both without skips."""
    found = []
    if old.ended:
        return [] if new.text == old.text else ["6.2.1: a playlist changed after its end"]
    for tag in sorted(_HEADER):
        if old.tags.get(tag) != new.tags.get(tag):
            found.append(f"6.2.1: {tag} changed")
    if new.first < old.first:
        found.append("6.2.2: EXT-X-MEDIA-SEQUENCE decreased")
    if old.tags.get("EXT-X-PLAYLIST-TYPE") and new.first != old.first:
        found.append("4.4.3.5: something was removed from an EVENT")
    if new.next < old.next or (new.tail < old.tail and not new.ended):
        found.append("6.2.1: something was removed from the end")
    known = {segment.number: segment for segment in new.all}
    for before in old.all:
        after = known.get(before.number)
        if after is None:
            if before.number >= new.first:
                found.append(f"6.2.1: media segment {before.number} is gone")
            continue
        if before.uri and before.lasting != after.lasting:
            found.append(f"6.2.1: media segment {before.number} changed")
        if before.date and before.date != after.date:
            found.append(f"6.2.1: the date of media segment {before.number} changed")
        # Parts go from the front, all of a media segment at once; what stays stays the same.
        common = after.parts[: len(before.parts)]
        if after.parts and [part.attributes for part in common] != [
            part.attributes for part in before.parts
        ]:
            found.append(f"6.2.2: the parts of media segment {before.number} changed")
        if before.uri and len(after.parts) > len(before.parts):
            found.append(f"6.2.1: media segment {before.number} got parts")
        if not before.uri and after.uri and not after.parts and after.number >= new.next - 3:
            found.append(f"6.2.2: media segment {before.number} lost its parts early")
    return found + _come_true(old, new)


def _come_true(old: Playlist, new: Playlist) -> list[str]:
    """A hint is for the part that comes next (section 6.2.6), unless the Space ends before."""
    number, index = old.tail
    grown = next((each for each in new.all if each.number == number), None)
    if not old.hints or grown is None or len(grown.parts) <= index:
        return []
    hinted = m3u8.quoted(old.hints[0].get("URI", '""'))
    came = grown.parts[index].uri
    return [] if hinted == came else [f"6.2.6: {hinted} was hinted at, {came} came"]


def merged(old: Playlist, delta: Playlist) -> Playlist:
    """The whole playlist that a delta update stands for (section 6.3.7).

    Raises:
        Malformed: what is skipped is not known, or lies within the skip boundary.
    """
    control = delta.control
    known = {segment.number: segment for segment in old.segments}
    wanted = range(delta.first, delta.first + delta.skipped)
    if not all(number in known for number in wanted):
        raise Malformed("6.3.7: a media segment is skipped that was not in the last update")
    left = sum(segment.duration for segment in delta.segments)
    if delta.skipped and left < m3u8.number(control.get("CAN-SKIP-UNTIL", "0")) - 0.1:
        raise Malformed("6.2.5.1: a media segment within the skip boundary is skipped")
    skip = f"#EXT-X-SKIP:{delta.tags.get('EXT-X-SKIP', '')}\n"
    lines = "".join(_lines(known[number]) for number in wanted)
    return m3u8.read(delta.text.replace(skip, lines)) if delta.skipped else delta


def _lines(segment: Segment) -> str:
    """A media segment as it is listed once its parts are old."""
    gap = "#EXT-X-GAP\n" if segment.gap else ""
    date = f"#EXT-X-PROGRAM-DATE-TIME:{segment.date}\n" if segment.date else ""
    return f"{date}{gap}#EXTINF:{segment.duration:.5f},\n{segment.uri}\n"


def variants(text: str) -> dict[str, dict[str, str]]:
    """The media playlists of a multivariant playlist, with their attributes.

    Raises:
        Malformed: it is none.
    """
    lines = text.split("\n")
    if lines[0] != "#EXTM3U" or lines[-1]:
        raise Malformed("4.4.1.1: no playlist")
    found: dict[str, dict[str, str]] = {}
    told: dict[str, str] | None = None
    for line in lines[1:-1]:
        if line.startswith("#EXT-X-STREAM-INF:"):
            told = m3u8.attributes(line.partition(":")[2])
            if "BANDWIDTH" not in told or "CODECS" not in told:
                raise Malformed("4.4.6.2: a variant has BANDWIDTH, and should have CODECS")
            m3u8.decimal(told["BANDWIDTH"]), m3u8.quoted(told["CODECS"])
        elif line.startswith(("#EXTINF", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE")):
            raise Malformed("4.4: a multivariant playlist has no media segments")
        elif not line.startswith("#"):
            if told is None:
                raise Malformed("4.4.6.2: EXT-X-STREAM-INF stands before its URI")
            found[line], told = told, None
    return found


def together(playlists: dict[str, Playlist]) -> list[str]:
    """What may not differ between the renditions of one programme (section 6.2.4), by address."""
    found = []
    names = list(playlists)
    first = playlists[names[0]]
    for name in names[1:]:
        other = playlists[name]
        for tag in ("EXT-X-TARGETDURATION", "EXT-X-PLAYLIST-TYPE", "EXT-X-SERVER-CONTROL"):
            if first.tags.get(tag) != other.tags.get(tag):
                found.append(f"6.2.4: {tag} of {name} differs")
        dates = {segment.number: segment.date for segment in other.all}
        for segment in first.all:
            if segment.date and dates.get(segment.number):
                apart = _instant(segment.date) - _instant(dates[segment.number])
                if abs(apart.total_seconds()) > 0.05:
                    found.append(f"6.2.4: media segment {segment.number} of {name} differs")
    for name, playlist in playlists.items():
        told = {m3u8.quoted(report["URI"]) for report in playlist.reports}
        if not playlist.ended and told != set(names) - {name}:
            found.append(f"B.1: {name} reports {sorted(told)}")
    return found


def _instant(date: str) -> datetime:
    return datetime.fromisoformat(date)
