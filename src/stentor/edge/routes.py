"""Which address is answered by what; what the edge does not know is passed on to web."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from stentor import problem, tokens
from stentor.clock import Clock
from stentor.edge import icy, page
from stentor.edge.admission import Admission, begins, ended
from stentor.edge.answer import SAFE_HEADERS, Answer, of_error, refusal
from stentor.edge.cards import Cards, KnownCard
from stentor.edge.doorstep import Listeners
from stentor.edge.entrance import Entrance
from stentor.edge.joining import Joining
from stentor.edge.players import Players
from stentor.edge.proxy import Upstream, Visitor
from stentor.edge.recordings import Recordings
from stentor.edge.request import Request
from stentor.edge.static import StaticFile, answer
from stentor.errors import Refused, StentorError, Unavailable
from stentor.record import RENDITION_NAMES, Cursor
from stentor.relay import RADIO_FORMATS
from stentor.shield.line import Line
from stentor.tokens import Keyring

MEDIA_TIME_DIGITS_MAX = 15
_READS = frozenset({"GET", "HEAD"})
_PAGES_OF_THEIR_OWN = frozenset({"space.unknown", "page.unknown"})
_OVER = frozenset({"replay", "withdrawn", "deleted", "cancelled"})
_STUDIO_RIGHTS = "microphone=(self), camera=(), geolocation=()"


@dataclass(frozen=True, slots=True)
class Routes:
    """All addresses of the public door."""

    files: Mapping[str, StaticFile]
    pages: page.SpacePages
    cards: Cards
    recordings: Recordings
    listeners: Listeners
    web: Upstream
    stage: Upstream
    keyring: Keyring
    joining: Joining
    players: Players
    entrance: Entrance
    clock: Clock
    url: str
    line: Line

    async def answer(
        self, request: Request, body: bytes, visitor: Visitor
    ) -> Answer | Admission | bytes:
        """What a request gets: an answer, or a place among the listeners.

        Returns:
            Bytes are a whole answer, with which the connection ends.

        Raises:
            StentorError: to be answered by a problem document.
        """
        first, _, rest = request.path[1:].partition("/")
        if first == "stage":
            return await self._to_stage(request, body, visitor, rest)
        if first not in {"s", "studio", "static", "healthz"}:
            return await self._from_web(request, body, visitor)
        if request.method == "POST" and first == "s":
            try:
                return self._posted(request, body, visitor, rest)
            except Exception as fault:
                if not isinstance(fault, StentorError):
                    self.joining.failed(rest.partition("/")[0])
                raise
        if request.method not in _READS:
            refused = Refused("request.method", "This can only be read: use GET.")
            return of_error(refused, ("Allow", "GET, HEAD"))
        if first == "static":
            return self._static(request, rest)
        if request.path == "/healthz":
            return self._health()
        try:
            if first == "studio":
                return self._studio(request, rest)
            if first == "s":
                return await self._space(request, visitor, rest)
            raise _nothing_here()
        except Refused as refused:
            if _likes_pages(request) and refused.code in _PAGES_OF_THEIR_OWN:
                return self._unknown(refused)
            raise

    def vouched(self, request: Request) -> bool:
        """Whether a token vouches for who sends a body.

        Raises:
            Refused: it needs one, and has none that is genuine.
        """
        if not request.path.startswith("/stage/"):
            return False
        tokens.check(request.bearer, self.keyring, self.clock.wall_time() / 1e9)
        return True

    async def _to_stage(self, request: Request, body: bytes, visitor: Visitor, rest: str) -> Answer:
        if rest == "health":
            raise _nothing_here()  # the stage's figures are for those on this machine
        # The stage keeps time for everybody's voices: what no token vouches for ends here.
        tokens.check(request.bearer, self.keyring, self.clock.wall_time() / 1e9)
        return await self.stage.ask(request, body, visitor, streams=rest.endswith("/events"))

    def _posted(self, request: Request, body: bytes, visitor: Visitor, rest: str) -> Answer | bytes:
        """What is sent to a Space's address: somebody joins, or the host orders a step."""
        name, _, what = rest.partition("/")
        known = self.cards.find(name)
        if what not in {"join", "ladder"}:
            refused = Refused("request.method", "This can only be read: use GET.")
            return of_error(refused, ("Allow", "GET, HEAD"))
        if known.card.phase in _OVER:
            return ended(Admission(known.card.space, "opus"), known.card.phase)
        if what == "ladder":
            return self.joining.ladder(request, body, known)
        return self.joining.join(request, body, visitor, known)

    async def _space(self, request: Request, visitor: Visitor, rest: str) -> Answer | Admission:
        name, _, what = rest.partition("/")
        known = self.cards.find(name)
        match what.split("/"):
            case [""] if rest == name:
                return self._page(request, visitor, known)
            case ["card.json"]:
                kind = ("Content-Type", "application/json")
                cache = ("Cache-Control", "public, max-age=1")
                return Answer(200, [kind, cache, *SAFE_HEADERS], known.data)
            case ["admitting"]:
                return self.joining.admitting(known)
            case ["live", rendition]:
                return self._live(request, visitor, known, rendition)
            case ["replay", "events.json"]:
                return await self.recordings.events(known)
            case ["replay", file] if file.endswith(".mp4"):
                rendition = file.removesuffix(".mp4")
                if rendition not in RENDITION_NAMES:
                    raise _no_rendition()
                return await self.recordings.file(request, known, RENDITION_NAMES[rendition])
            case [file] if file.startswith("radio."):
                return self._radio(request, visitor, known, file.removeprefix("radio."))
            case ["incident"]:
                return await self._from_web(request, b"", visitor)
            case ["hls", *path]:
                if known.card.phase not in _OVER:
                    try:
                        self.players.let_in(request, visitor, known.card.space)
                    except StentorError as error:  # it is nobody else's: no cache may keep it
                        return of_error(error, ("Access-Control-Allow-Origin", "*"))
                now_s = self.clock.wall_time() / 1e9
                return await self.recordings.hls(request, known, path, now_s)
            case _:
                raise _nothing_here()

    def quick(
        self, request: Request, visitor: Visitor, body: bytes = b""
    ) -> Admission | Answer | bytes | None:
        """What a request gets when that can be said at once; None: ask `answer`.

        Raises:
            StentorError: as `answer` will.
        """
        target = request.target
        if not target.startswith("/s/"):
            return None
        name, _, what = request.path[3:].partition("/")
        kind, _, rest = what.partition("/")
        try:
            if request.method == "POST":
                return self._posted(request, body, visitor, f"{name}/{what}")
            if request.method != "GET" or body:
                return None
            if kind == "live":
                return self._live(request, visitor, self.cards.find(name), rest)
            if what == "admitting":
                return self.joining.admitting(self.cards.find(name))
        except (Refused, Unavailable) as error:
            if error.code in _PAGES_OF_THEIR_OWN:
                raise
            return refusal(error)
        if what or target.endswith("/"):
            return None
        return self._page(request, visitor, self.cards.find(name))

    def _page(self, request: Request, visitor: Visitor, known: KnownCard) -> Answer:
        if known.card.phase not in _OVER:
            self.joining.witness.page(request, visitor, known.card.space)
        return self.pages.page(known).entity.answer(request)

    def _live(
        self, request: Request, visitor: Visitor, known: KnownCard, rendition: str
    ) -> Answer | Admission:
        if rendition not in RENDITION_NAMES:
            raise _no_rendition()
        ticket = self.joining.ticket_of(request, known.card.space, visitor)
        text = request.argument("cursor")
        cursor = Cursor.parse(text) if text is not None else None
        since = _media_time(request.argument("from"))
        space, phase = known.card.space, known.card.phase
        if phase in _OVER:
            return ended(Admission(space, rendition), phase)
        self.joining.may_listen(space, ticket, "live")
        if request.method == "HEAD":
            return begins()
        return self.entrance.let_in(
            visitor.address,
            ticket,
            space,
            rendition,
            chunked=request.version == 1,
            cursor=(cursor.epoch, cursor.offset) if cursor is not None else None,
            since=since,
        )

    def _radio(
        self, request: Request, visitor: Visitor, known: KnownCard, name: str
    ) -> Answer | Admission:
        if name in {"m3u", "pls"}:
            return icy.playlist(known.card, name, self.url)
        if name not in RADIO_FORMATS:
            raise Refused("radio.unknown", "There is no such radio stream: mp3, aac or ogg.")
        ticket = self.joining.ticket_of(request, known.card.space, visitor)
        woven = RADIO_FORMATS[name].icy and request.header("icy-metadata") == "1"
        space, stream = known.card.space, icy.stream_name(name, woven=woven)
        if known.card.phase in _OVER:
            return ended(Admission(space, stream), known.card.phase)
        self.joining.may_hear_radio(request, space, ticket)
        if request.method == "HEAD":
            return icy.begins(known.card, stream, self.url)
        # Players older than HTTP/1.1 ask like new ones: none of them is sent chunks.
        return self.entrance.let_in(visitor.address, ticket, space, stream, chunked=False)

    def _studio(self, request: Request, name: str) -> Answer:
        self.cards.find(name)
        file = self.files.get("studio.html")
        if file is None:
            raise Unavailable("static.missing", "static/studio.html is missing: reinstall Stentor.")
        policy = page.policy_of(file.content.decode(), microphone=True)
        return answer(
            request,
            file,
            ("Content-Security-Policy", policy),
            ("Permissions-Policy", _STUDIO_RIGHTS),
            cache="no-cache",
        )

    def _static(self, request: Request, name: str) -> Answer:
        file = self.files.get(name)
        # Documents have addresses of their own, with their policies.
        if file is None or name.endswith(".html"):
            raise Refused("page.unknown", "There is no such file.")
        return answer(request, file)

    def _unknown(self, refused: Refused) -> Answer:
        file = self.files.get("404.html")
        content = (
            file.content
            if file is not None
            else page.plain_page("Nothing here", refused.sentence, '<a href="/">All Spaces</a>')
        )
        return _document(problem.status_of(refused), content, [("Cache-Control", "no-store")])

    async def _from_web(self, request: Request, body: bytes, visitor: Visitor) -> Answer:
        try:
            return await self.web.ask(request, body, visitor)
        except Unavailable as unavailable:
            if request.method not in _READS or not _likes_pages(request):
                raise
            content = page.home_without_web(await self.cards.live())
            headers = problem.headers_of(unavailable)
            kept = [(name, headers[name]) for name in ("Cache-Control", "Retry-After")]
            return _document(problem.status_of(unavailable), content, kept)

    def _health(self) -> Answer:
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        status = msgspec.structs.asdict(self.listeners.status())
        del status["taken"]  # between edge and gate
        more = {"shield": self.line.figures(), **self.joining.health()}
        told = msgspec.json.encode(status | more)
        return Answer(200, [*headers, *SAFE_HEADERS], told)


def _document(status: int, content: bytes, headers: list[tuple[str, str]]) -> Answer:
    kind = ("Content-Type", "text/html; charset=utf-8")
    policy = ("Content-Security-Policy", page.policy_of(content.decode()))
    return Answer(status, [kind, policy, *headers, *SAFE_HEADERS], content)


def _likes_pages(request: Request) -> bool:
    return "text/html" in request.tokens("accept")


def _nothing_here() -> Refused:
    return Refused("page.unknown", "There is nothing at this address.")


def _no_rendition() -> Refused:
    names = ", ".join(RENDITION_NAMES)
    return Refused("rendition.unknown", f"There is no such rendition; there are {names}.")


def _media_time(text: str | None) -> int | None:
    """A place in the programme, in samples.

    Raises:
        Refused: `cursor.malformed`.
    """
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MEDIA_TIME_DIGITS_MAX:
        raise Refused("cursor.malformed", "A place in the programme is a number of samples.")
    return int(text)
