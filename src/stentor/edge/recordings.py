"""Answers made from whole logs: the replay as a file, its events, and HLS."""

from stentor.edge.answer import SAFE_HEADERS, Answer, matches, of_error
from stentor.edge.cards import KnownCard
from stentor.edge.hls import Hls
from stentor.edge.ranges import parse_range, range_applies
from stentor.edge.replay import Replay, read_replay, replay_of
from stentor.edge.request import Request
from stentor.edge.shelf import OpenLog, Shelf
from stentor.errors import Refused
from stentor.ids import SpaceId
from stentor.record import Rendition

_SOUND = "audio/mp4"
_KEPT_SHORTLY = "public, max-age=60"
"""The host may take a recording back at any time: no cache keeps it for long."""


class Recordings:
    """Serves what is in the logs to everybody who does not listen live."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._hls = Hls(shelf)

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

    async def hls(
        self, request: Request, known: KnownCard, path: list[str], wall_time_s: float
    ) -> Answer:
        """What HLS players ask for, while the Space is live and afterwards.

        Raises:
            Refused: `recording.withdrawn`, `recording.deleted`, `recording.none`.
            Corrupt: the log was damaged.
        """
        _check_offered(known)
        return await self._hls.answer(request, known, path, wall_time_s)

    async def _log(self, known: KnownCard) -> OpenLog:
        """A Space's log, unless its host took the recording back."""
        _check_offered(known)
        return await self._shelf.log(SpaceId(known.card.space))


def _check_offered(known: KnownCard) -> None:
    match known.card.phase:
        case "withdrawn":
            raise Refused("recording.withdrawn", "The host has withdrawn this recording.")
        case "deleted":
            raise Refused("recording.deleted", "The host has deleted this recording.")
        case "cancelled":
            raise Refused("recording.none", "This Space never began: nothing was recorded.")
        case _:
            return


def _piece(
    log: OpenLog, replay: Replay, headers: list[tuple[str, str]], part: tuple[int, int] | None
) -> Answer:
    start, stop = part or (0, replay.size)
    body = read_replay(log, replay, start, stop)
    if part is None:
        return Answer(200, headers, body, length=replay.size)
    where = ("Content-Range", f"bytes {start}-{stop - 1}/{replay.size}")
    return Answer(206, [*headers, where], body, length=stop - start)
