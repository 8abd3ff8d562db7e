"""Answers made from whole logs: the replay as a file, its events, and HLS."""

from collections import OrderedDict

from stentor.edge.answer import SAFE_HEADERS, Answer, matches, of_error
from stentor.edge.cards import KnownCard
from stentor.edge.playlist import complete_count, media_segment, playlist
from stentor.edge.ranges import parse_range, range_applies
from stentor.edge.replay import Replay, read_replay, replay_of
from stentor.edge.request import Request
from stentor.edge.shelf import OpenLog, Shelf
from stentor.errors import Refused
from stentor.ids import SpaceId
from stentor.limits import HLS_SEGMENTS_KEPT
from stentor.record import RENDITION_NAMES, Rendition

_SOUND = "audio/mp4"
_KEPT_SHORTLY = "public, max-age=60"
"""The host may take a recording back at any time: no cache keeps it for long."""


class Recordings:
    """Serves what is in the logs to everybody who does not listen live."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._segments: OrderedDict[tuple[str, Rendition, int], bytes] = OrderedDict()

    async def file(self, request: Request, known: KnownCard, rendition: Rendition) -> Answer:
        """A rendition's replay: all of it or a range.

        Raises:
            Refused: `space.not_ended`, `recording.withdrawn`, `recording.deleted`.
            Corrupt: the log was damaged.
        """
        log = await self._log(known)
        replay = await replay_of(log, rendition)
        headers = [
            ("Content-Type", _SOUND),
            ("ETag", replay.etag),
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", _KEPT_SHORTLY),
            *SAFE_HEADERS,
        ]
        if matches(request.header("if-none-match"), replay.etag):
            return Answer(304, headers)
        part = None
        if request.method == "GET" and range_applies(request.header("if-range"), replay.etag):
            try:
                part = parse_range(request.header("range"), replay.size)
            except Refused as refused:
                return of_error(refused, ("Content-Range", f"bytes */{replay.size}"))
        return _piece(log, replay, headers, part)

    async def events(self, known: KnownCard) -> Answer:
        """All events of an ended Space.

        Raises:
            Refused: `space.not_ended`, `recording.withdrawn`, `recording.deleted`.
            Corrupt: the log was damaged.
        """
        log = await self._log(known)
        if not log.reader.sealed:
            raise Refused("space.not_ended", "The events will be here when the Space has ended.")
        headers = [("Content-Type", "application/json"), ("Cache-Control", _KEPT_SHORTLY)]
        return Answer(200, [*headers, *SAFE_HEADERS], await log.events())

    async def hls(self, known: KnownCard, name: str, file: str) -> Answer:
        """What HLS asks for: `` (the playlist), `init.mp4` or `K.m4s` of the rendition `name`.

        Raises:
            Refused: `segment.unknown`, `space.not_live`, `recording.withdrawn`,
                `recording.deleted`.
            Corrupt: the log was damaged.
        """
        rendition = RENDITION_NAMES[name]
        log = await self._log(known)
        parts = log.reader.parts(rendition)
        if not file:
            await log.init(rendition)  # before the start there is nothing to list
            text = playlist(
                parts,
                name=name,
                ended=log.reader.sealed,
                started_at_ms=known.card.started_at_ms,
            )
            cache = _KEPT_SHORTLY if log.reader.sealed else "public, max-age=1"
            return _answer(text.encode(), "application/vnd.apple.mpegurl", cache)
        if file == "init.mp4":
            return _answer(await log.init(rendition), _SOUND, _KEPT_SHORTLY)
        number = _number(file)
        if number >= complete_count(parts, ended=log.reader.sealed):
            raise Refused("segment.unknown", "There is no such media segment (yet).")
        segment = await self._segment(log, SpaceId(known.card.space), rendition, number)
        return _answer(segment, _SOUND, _KEPT_SHORTLY)

    async def _segment(
        self, log: OpenLog, space: SpaceId, rendition: Rendition, number: int
    ) -> bytes:
        """A media segment; the newest few are asked for by everybody and kept."""
        key = (space, rendition, number)
        segment = self._segments.get(key)
        if segment is None:
            begin, end = media_segment(log.reader.parts(rendition), number)
            if begin == end:
                raise Refused("segment.unknown", "Nothing was recorded in this media segment.")
            segment = self._segments[key] = await log.payloads(rendition, begin, end)
            if len(self._segments) > HLS_SEGMENTS_KEPT:
                self._segments.popitem(last=False)
        return segment

    async def _log(self, known: KnownCard) -> OpenLog:
        """A Space's log, unless its host took the recording back."""
        match known.card.phase:
            case "withdrawn":
                raise Refused("recording.withdrawn", "The host has withdrawn this recording.")
            case "deleted":
                raise Refused("recording.deleted", "The host has deleted this recording.")
            case "cancelled":
                raise Refused("recording.none", "This Space never began: nothing was recorded.")
            case _:
                return await self._shelf.log(SpaceId(known.card.space))


def _piece(
    log: OpenLog, replay: Replay, headers: list[tuple[str, str]], part: tuple[int, int] | None
) -> Answer:
    start, stop = part or (0, replay.size)
    body = read_replay(log, replay, start, stop)
    if part is None:
        return Answer(200, headers, body, length=replay.size)
    where = ("Content-Range", f"bytes {start}-{stop - 1}/{replay.size}")
    return Answer(206, [*headers, where], body, length=stop - start)


def _answer(content: bytes, kind: str, cache: str) -> Answer:
    return Answer(200, [("Content-Type", kind), ("Cache-Control", cache), *SAFE_HEADERS], content)


def _number(file: str) -> int:
    digits, dot, suffix = file.partition(".")
    canonical = digits.isascii() and digits.isdigit() and str(int(digits[:10])) == digits
    if not dot or suffix != "m4s" or not canonical:
        raise Refused("page.unknown", "There is nothing at this address.")
    return int(digits)
