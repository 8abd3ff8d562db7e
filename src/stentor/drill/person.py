"""One person who wants to listen: what they ask next, and what they make of the answers. Pure.

They do what the Space's page does, over the protocol of the door (PROTOCOL.md, *Joining*): load the
page, join, wait for the mark with a place in hand, solve a challenge or wait instead, listen, renew
the ticket at half time, and come back with a cursor when the line breaks.
"""

import enum
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stentor.drill.hearing import Hearing

RETRY_S_MIN = 0.5
RETRY_S_MAX = 8.0
"""After a broken connection players ask again after up to so long, twice as long each time."""
POLL_S = 3.0
"""Between two looks at the mark, when the answer names no time."""
JITTER = 0.25
Solve = Callable[[dict[str, Any]], tuple[int, float]]
"""A challenge's solution, and how many seconds a device takes to find it."""
_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) stentor-drill",
    "Accept-Encoding: gzip",
    "Accept-Language: en",
)
"""What every browser sends; the join ledger takes who does not for a machine."""


class Ask(enum.Enum):
    """What is asked for."""

    PAGE = "page"
    JOIN = "join"
    MARK = "mark"
    STREAM = "stream"
    RENEW = "renew"


class Stand(enum.Enum):
    """How it stands with a person."""

    COMING = "coming"
    WAITING = "waiting"
    """They hold a place."""
    INSIDE = "inside"
    """They have been let in: a ticket, and mostly sound."""
    TURNED_AWAY = "turned away"
    """They were told that no more are let in, and when the recording will be there."""
    REFUSED = "refused"


@dataclass(slots=True)
class Person:
    """Somebody, from the moment they open the page.

    Attributes:
        due: when they ask next, in monotonic seconds; infinite: they wait for an answer.
        page_s, join_s: how long the first page and each join took to be answered.
        told: what they were told, as (question, status and code) -> how often.
        inside_at: when their first live response began; `back_at`: when the one after the last
            break did.
    """

    number: int
    space: str
    host: str
    due: float
    chance: random.Random
    solve: Solve | None
    rendition: str = "opus"
    came_at: float = 0.0
    stand: Stand = Stand.COMING
    next: Ask = Ask.PAGE
    page_s: float = -1.0
    join_s: float = -1.0
    inside_at: float = 0.0
    place_at: float = 0.0
    back_at: float = 0.0
    hearing: Hearing = field(default_factory=Hearing)
    told: dict[str, int] = field(default_factory=dict)
    breaks: int = 0
    """Live responses that broke."""
    silent: int = 0
    """Questions without an answer."""
    renewals: int = 0
    streams: bool = False
    """A live response is under way."""
    renew_at: float = float("inf")
    _ticket: str = ""
    _place: str = ""
    _turn_us: int = 0
    _poll_s: float = POLL_S
    _retry_s: float = RETRY_S_MIN
    _body: dict[str, Any] = field(default_factory=dict)
    _pages_of_old: bool = False

    def request(self, ask: Ask) -> bytes:
        """The bytes of a question."""
        match ask:
            case Ask.PAGE:
                return self._get("", "Accept: text/html", *_BROWSER)
            case Ask.MARK:
                return self._get("/admitting")
            case Ask.STREAM:
                query = f"?cursor={self.hearing.cursor}" if self.hearing.cursor else ""
                self.hearing.begin()
                return self._get(f"/live/{self.rendition}{query}", *self._cookies())
            case Ask.JOIN | Ask.RENEW:
                body = json.dumps(self._body if ask is Ask.JOIN else {}).encode()
                lines = [
                    f"POST /s/{self.space}/join HTTP/1.1",
                    f"Host: {self.host}",
                    "Content-Type: application/json",
                    "Accept: */*",
                    *_BROWSER,
                    "Sec-Fetch-Site: same-origin",
                    f"Content-Length: {len(body)}",
                    *self._cookies(),
                ]
                return "\r\n".join([*lines, "", ""]).encode() + body

    def _get(self, path: str, *headers: str) -> bytes:
        lines = [f"GET /s/{self.space}{path} HTTP/1.1", f"Host: {self.host}", *headers, "", ""]
        return "\r\n".join(lines).encode()

    def _cookies(self) -> list[str]:
        held = (("stentor-ticket", self._ticket), ("stentor-place", self._place))
        text = "; ".join(f"{name}={value}" for name, value in held if value)
        return [f"Cookie: {text}"] if text else []

    def answered(
        self, now: float, ask: Ask, took_s: float, status: int, head: str, body: bytes
    ) -> None:
        """An answer to anything but the stream came whole; `due` and `next` say what follows."""
        document = _document(body) if ask is not Ask.PAGE else {}
        self._note(ask, status, document)
        self._keep_cookies(head)
        if ask is Ask.PAGE:
            self._page(now, took_s, status)
        elif ask is Ask.MARK:
            self._mark(now, status, document)
        else:
            if ask is Ask.JOIN:
                self.join_s = took_s
            self._joined(now, ask, status, head, document)

    def _page(self, now: float, took_s: float, status: int) -> None:
        if status != 200:
            self._later(now)
            return
        if self.page_s < 0:
            self.page_s = took_s
        self._retry_s = RETRY_S_MIN
        self.due, self.next = now, Ask.JOIN

    def _joined(
        self, now: float, ask: Ask, status: int, head: str, document: dict[str, Any]
    ) -> None:
        self._body = {}
        if status == 200:
            self._retry_s = RETRY_S_MIN
            self.stand = Stand.INSIDE
            self.renew_at = now + float(document.get("renew_after_s") or 60.0)
            self.renewals += ask is Ask.RENEW
            if not self.streams:
                self.due, self.next = now, Ask.STREAM
        elif status == 202:
            self._placed(now, document)
        elif status == 428:
            self._challenged(now, document)
        elif status == 503 and document.get("code") == "door.closed":
            self.stand = Stand.TURNED_AWAY if not self.streams else self.stand
            self._wait(now, _retry_after(head, 10.0), Ask.JOIN)
        elif status in {404, 405} and not self._ticket:
            self.due, self.next = now, Ask.STREAM  # a door of before there were tickets
        else:
            if status == 403:
                self._ticket = ""
            self.renew_at = (
                now + max(5.0, _retry_after(head, 5.0)) if self.streams else self.renew_at
            )
            if not self.streams:
                self._wait(now, max(self._retry_s, _retry_after(head, 0.0)), Ask.JOIN)
                self._retry_s = min(RETRY_S_MAX, self._retry_s * 2)

    def _placed(self, now: float, document: dict[str, Any]) -> None:
        self._turn_us = int(document.get("turn_us") or self._turn_us)
        self._poll_s = float(document.get("poll_after_s") or POLL_S)
        self.place_at = self.place_at or now
        self.renew_at = float("inf")
        self._ticket = "" if not self.streams else self._ticket
        self.stand = Stand.WAITING if not self.streams else self.stand
        self._wait(now, self._poll_s, Ask.MARK)

    def _challenged(self, now: float, document: dict[str, Any]) -> None:
        challenge = document.get("challenge")
        if self.solve is not None and isinstance(challenge, dict):
            solution, seconds = self.solve(challenge)
            self._body = {"challenge": challenge.get("salt"), "solution": solution}
            self._wait(now, seconds, Ask.JOIN)
        else:
            self._body = {"patience": True}
            self._wait(now, 0.1, Ask.JOIN)

    def _mark(self, now: float, status: int, document: dict[str, Any]) -> None:
        reached = int(document.get("admitting_us") or 0) >= self._turn_us
        if status == 200 and (document.get("mode") == "open" or reached):
            self.due, self.next = now, Ask.JOIN
        else:
            self._wait(now, self._poll_s, Ask.MARK)

    def stream_began(self, now: float, status: int, head: str, body: bytes) -> bool:
        """The head of a live response is here; False when it is a refusal."""
        document = _document(body) if status != 200 else {}
        self._note(Ask.STREAM, status, document)
        if status == 200:
            self.stand, self.streams, self._retry_s = Stand.INSIDE, True, RETRY_S_MIN
            self.inside_at = self.inside_at or now
            self.back_at = now if self.breaks else 0.0
            self.due, self.next = float("inf"), Ask.RENEW
            return True
        self.streams = False
        again = Ask.STREAM if status >= 500 and self._ticket else Ask.JOIN
        if status == 403:
            self._ticket = ""
        self._wait(now, max(self._retry_s, _retry_after(head, 0.0)), again)
        self._retry_s = min(RETRY_S_MAX, self._retry_s * 2)
        return False

    def lost(self, now: float, ask: Ask) -> None:
        """A connection broke, or was silent for too long."""
        if ask is Ask.STREAM and self.streams:
            self.breaks += 1
            self.streams = False
            self.due, self.next = now + self.chance.uniform(0.02, self._retry_s), Ask.STREAM
            return
        self.silent += 1
        if ask is Ask.RENEW:
            self.renew_at = now + self._retry_s
            return
        self._wait(now, self.chance.uniform(0.1, self._retry_s), ask)
        self._retry_s = min(RETRY_S_MAX, self._retry_s * 2)

    def _later(self, now: float) -> None:
        self._wait(now, self._retry_s, self.next)
        self._retry_s = min(RETRY_S_MAX, self._retry_s * 2)

    def _wait(self, now: float, seconds: float, then: Ask) -> None:
        self.due = now + seconds * self.chance.uniform(1 - JITTER, 1 + JITTER)
        self.next = then

    def _note(self, ask: Ask, status: int, document: dict[str, Any]) -> None:
        code = document.get("code") if status >= 400 else ""
        name = f"{ask.value} {status}{f' {code}' if code else ''}"
        self.told[name] = self.told.get(name, 0) + 1

    def _keep_cookies(self, head: str) -> None:
        for line in head.split("\r\n"):
            if line[:11].lower() == "set-cookie:":
                name, _, value = line[11:].strip().partition(";")[0].partition("=")
                if name.endswith("stentor-ticket"):
                    self._ticket = value
                elif name.endswith("stentor-place"):
                    self._place = value


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(head: str, default: float) -> float:
    for line in head.split("\r\n"):
        if line[:12].lower() == "retry-after:":
            value = line[12:].strip()
            return float(value) if value.isdigit() else default
    return default
