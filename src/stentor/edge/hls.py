"""HLS and low-latency HLS: which playlist, media segment or partial segment an address names."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from stentor.edge.answer import SAFE_HEADERS, Answer, of_error
from stentor.edge.cards import KnownCard
from stentor.edge.playlist import (
    ADVANCE_PARTIALS,
    PARTIALS,
    TARGET_DURATION_S,
    Form,
    Listing,
    multivariant,
    parts_of,
)
from stentor.edge.ranges import parse_range
from stentor.edge.request import Request
from stentor.edge.shelf import OpenLog, Shelf
from stentor.edge.static import entity
from stentor.edge.watch import Watches
from stentor.errors import Corrupt, Refused, StentorError
from stentor.ids import SpaceId
from stentor.limits import HLS_ERROR_S, HLS_FINAL_S, HLS_PIECES_KEPT
from stentor.record import RENDITION_NAMES, Rendition

_LIST = "application/vnd.apple.mpegurl"
_SOUND = "audio/mp4"
_OPEN = (("Access-Control-Allow-Origin", "*"), *SAFE_HEADERS)
"""Players on other sites may read what everybody may."""
_CHANGING = f"public, max-age={TARGET_DURATION_S // 2}"
"""A playlist that was asked for as it is now: half a target duration old at most."""
_AWAITED = f"public, max-age={6 * TARGET_DURATION_S}"
"""A playlist that was asked for by what it holds: its address never means anything else."""
_KEPT_SHORTLY = "public, max-age=60"
"""The host may take a recording back at any time: no cache keeps it for long."""
_REFUSED = f"public, max-age={HLS_ERROR_S}"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a request for a live playlist asks for beside it (section 6.2.5).

    Attributes:
        partials: so many are to be complete first; 0: as it is.
        by_segment: a media segment is waited for, and not a partial one.
        skip: as a delta update.
    """

    partials: int
    by_segment: bool
    skip: bool


class Hls:
    """Serves all addresses below `/s/SPACE/hls/`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._watches = Watches(shelf)
        self._pieces: OrderedDict[tuple[str, Rendition, int, int], asyncio.Task[bytes]] = (
            OrderedDict()
        )

    async def answer(
        self, request: Request, known: KnownCard, path: list[str], wall_time_s: float
    ) -> Answer:
        """A playlist or a piece of sound.

        Args:
            path: what follows `hls` in the address.

        Raises:
            Corrupt: the log was damaged.
        """
        try:
            match path:
                case ["index.m3u8"]:
                    return self._index(known, whole=known.card.phase == "replay")
                case ["index-all.m3u8"]:
                    return self._index(known, whole=True)
                case [file] if file.endswith(".m3u8"):
                    return await self._playlist(request, known, file[:-5], wall_time_s)
                case [name, file] if name in RENDITION_NAMES:
                    return await self._sound(request, known, RENDITION_NAMES[name], file)
                case _:
                    raise _nothing_here()
        except Corrupt:
            raise
        except StentorError as error:
            # A cache that may not keep a refusal passes on everybody who waits for its end.
            given = of_error(error, *_OPEN[:1])
            given.headers = [
                (name, _REFUSED if name == "Cache-Control" else value)
                for name, value in given.headers
            ]
            return given

    def _index(self, known: KnownCard, *, whole: bool) -> Answer:
        _check_started(known)
        over = known.card.phase == "replay"
        headers = _headers(_LIST, _KEPT_SHORTLY if over else _CHANGING)
        return Answer(200, headers, multivariant(whole=whole).encode())

    async def _playlist(
        self, request: Request, known: KnownCard, name: str, wall_time_s: float
    ) -> Answer:
        whole = name.endswith("-all")
        rendition = RENDITION_NAMES.get(name.removesuffix("-all"))
        if rendition is None:
            raise _nothing_here()
        started_at_ms = _check_started(known)
        final = wall_time_s < known.card.ended_at_ms / 1_000 + HLS_FINAL_S
        if known.card.phase == "replay" and not final:
            log = await self._shelf.log(SpaceId(known.card.space))
            text, gzipped = log.playlist(rendition, Form(started_at_ms, recorded=True))
            return entity(request, text, gzipped, _headers(_LIST, _KEPT_SHORTLY))
        wish = _wish(request)
        watch = await self._watches.of(SpaceId(known.card.space))
        listing = watch.log.listings[rendition]
        if not listing.ended:
            _check_bounds(listing, wish)
            # Players without low latency find nothing in a playlist without media segments.
            await self._watches.until(watch, rendition, max(PARTIALS, wish.partials))
        form = Form(started_at_ms, whole=whole, skip=wish.skip and not listing.ended)
        text, gzipped = watch.log.playlist(rendition, form)
        cache = _AWAITED if wish.partials and not listing.ended else _CHANGING
        return entity(request, text, gzipped, _headers(_LIST, cache))

    async def _sound(
        self, request: Request, known: KnownCard, rendition: Rendition, file: str
    ) -> Answer:
        first, count = (0, 0) if file == "init.mp4" else _numbers(file)
        _check_started(known)
        space = SpaceId(known.card.space)
        if known.card.phase == "replay":
            log = await self._shelf.log(space)
        else:
            watch = await self._watches.of(space)
            log = watch.log
            # What comes next is waited for: it was hinted at, here or by an edge that is ahead.
            if first + count <= log.listings[rendition].done + 2:
                await self._watches.until(watch, rendition, first + count)
        listing = log.listings[rendition]
        if first + count > listing.done and not (listing.ended and first < listing.done):
            raise Refused("segment.unknown", "There is no such media segment (yet).")
        return _piece(request, await self._read(log, space, rendition, first, count))

    async def _read(
        self, log: OpenLog, space: SpaceId, rendition: Rendition, first: int, count: int
    ) -> bytes:
        """Some partial segments, or the init (no count); everybody asks for the newest.

        Raises:
            Refused: `segment.unknown`.
            Corrupt: it was erased or damaged.
        """
        parts = log.reader.parts(rendition)
        begin, end = parts_of(parts, first, count)
        if count and begin == end:
            raise Refused("segment.unknown", "Nothing was recorded in this media segment.")
        # An init may be another one after the stage was started again.
        key = space, rendition, first if count else log.reader.tail.epoch, count
        reading = self._pieces.get(key)
        if reading is None:
            work = log.payloads(rendition, begin, end) if count else log.init(rendition)
            reading = self._pieces[key] = asyncio.create_task(work)
            if len(self._pieces) > HLS_PIECES_KEPT:
                self._pieces.popitem(last=False)
        try:
            # Whoever gives up does not take it from the others.
            return await asyncio.shield(reading)
        except (StentorError, OSError):
            self._pieces.pop(key, None)
            raise


def _check_started(known: KnownCard) -> int:
    """When the programme began, UTC ms.

    Raises:
        Refused: `space.not_live`.
    """
    if not known.card.started_at_ms:
        raise Refused("space.not_live", "This Space has not begun.")
    return known.card.started_at_ms


def _wish(request: Request) -> _Wish:
    """The delivery directives of a request.

    Raises:
        Refused: `request.malformed`.
    """
    number, part = request.argument("_HLS_msn"), request.argument("_HLS_part")
    skip = request.argument("_HLS_skip") in {"YES", "v2"}
    if number is None:
        if part is not None:
            raise Refused("request.malformed", "A _HLS_part needs its _HLS_msn.")
        return _Wish(0, True, skip)
    if part is None:
        return _Wish((_decimal(number) + 1) * PARTIALS, True, skip)
    # Beyond a media segment's last partial one comes the next one's first.
    partials = _decimal(number) * PARTIALS + min(_decimal(part), PARTIALS) + 1
    return _Wish(partials, False, skip)


def _check_bounds(listing: Listing, wish: _Wish) -> None:
    """Whether what is asked for can come soon (section 6.2.5.2).

    Raises:
        Refused: `request.malformed`.
    """
    segments = (listing.segments + 2) * PARTIALS
    most = segments if wish.by_segment else listing.done + ADVANCE_PARTIALS
    if wish.partials > max(most, PARTIALS):
        raise Refused("request.malformed", "The playlist is far from there; load it first.")


def _numbers(file: str) -> tuple[int, int]:
    """`K.m4s` or `K.J.m4s`: the first partial segment, and how many.

    Raises:
        Refused: `page.unknown`.
    """
    match file.split("."):
        case [number, "m4s"]:
            return _canonical(number) * PARTIALS, PARTIALS
        case [number, index, "m4s"] if _canonical(index) < PARTIALS:
            return _canonical(number) * PARTIALS + int(index), 1
        case _:
            raise _nothing_here()


def _canonical(digits: str) -> int:
    if not digits.isascii() or not digits.isdigit() or str(int(digits[:10])) != digits:
        raise _nothing_here()
    return int(digits)


def _decimal(digits: str) -> int:
    if not digits.isascii() or not digits.isdigit() or len(digits) > 20:
        raise Refused("request.malformed", "_HLS_msn and _HLS_part are decimal numbers.")
    return int(digits)


def _piece(request: Request, content: bytes) -> Answer:
    """A piece of sound: all of it or a range."""
    headers = [*_headers(_SOUND, _KEPT_SHORTLY), ("Accept-Ranges", "bytes")]
    part = None
    if request.method == "GET" and not request.header("if-range"):
        try:
            part = parse_range(request.header("range"), len(content))
        except Refused as refused:
            return of_error(refused, ("Content-Range", f"bytes */{len(content)}"))
    if part is None:
        return Answer(200, headers, content)
    start, stop = part
    where = ("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
    return Answer(206, [*headers, where], content[start:stop])


def _headers(kind: str, cache: str) -> list[tuple[str, str]]:
    return [("Content-Type", kind), ("Cache-Control", cache), *_OPEN]


def _nothing_here() -> Refused:
    return Refused("page.unknown", "There is nothing at this address.")
