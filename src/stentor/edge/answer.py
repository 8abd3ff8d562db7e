"""Answers: status, headers and body, and the bytes of their heads. Pure."""

import email.utils
import functools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from stentor import problem
from stentor.errors import Refused, StentorError, Unavailable
from stentor.limits import REFUSALS_KEPT

_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REASONS = {status.value: status.phrase for status in HTTPStatus}
BODILESS = frozenset({204, 304})
SAFE_HEADERS = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"))
"""On every answer of ours: no guessing of types, no addresses given to other sites."""


class Pieces(Protocol):
    """A body that comes in pieces, and lets go of what it holds when it is closed."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, once."""
        ...

    async def aclose(self) -> None:
        """No more is wanted; also called when nothing was ever read."""
        ...


@dataclass(slots=True)
class Answer:
    """One answer.

    Attributes:
        headers: without Content-Length, Transfer-Encoding, Connection and Date, which the door
            writes.
        body: all of it, or pieces as they come; None when another sends it.
        length: bytes of a body that is not all here; None when nobody knows.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Pieces | None = b""
    length: int | None = None


class Shared(Answer):
    """An answer that many are given, in few forms: each is made once a second. Never changed."""

    __slots__ = ("_made",)

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(status, headers, body)
        self._made: dict[tuple[int, bool], tuple[int, bytes]] = {}

    def form(self, version: int, wall_time_s: float, *, keep: bool) -> bytes:
        """The whole answer as `in_one_piece` makes it."""
        second, made = self._made.get((version, keep)) or (0, b"")
        if second != int(wall_time_s):
            made = _form(self, version, wall_time_s, keep=keep)
            self._made[version, keep] = int(wall_time_s), made
        return made


def shared(given: Answer) -> Shared:
    """An answer whose body is at hand, for many."""
    assert isinstance(given.body, bytes), "asked of those whose body is at hand"
    return Shared(given.status, given.headers, given.body)


def in_one_piece(given: Answer, version: int, wall_time_s: float, *, keep: bool) -> bytes:
    """Head and body of an answer whose body is at hand, for a client of HTTP/1.`version`."""
    if type(given) is Shared:
        return given.form(version, wall_time_s, keep=keep)
    return _form(given, version, wall_time_s, keep=keep)


def _form(given: Answer, version: int, wall_time_s: float, *, keep: bool) -> bytes:
    assert isinstance(given.body, bytes), "asked of those whose body is at hand"
    head = head_of(given, version=version, keep=keep, date=http_date(wall_time_s))
    return head if given.status in BODILESS else head + given.body


def of_error(error: StentorError, *extra: tuple[str, str]) -> Answer:
    """An error as a problem document (RFC 9457)."""
    headers = [*problem.headers_of(error).items(), *SAFE_HEADERS, *extra]
    return Answer(problem.status_of(error), headers, problem.body_of(error))


@functools.lru_cache(REFUSALS_KEPT)
def _refusal(code: str, sentence: str, retry_after_s: float | None) -> Shared:
    if retry_after_s is None:
        return shared(of_error(Refused(code, sentence)))
    return shared(of_error(Unavailable(code, sentence, retry_after_s)))


def refusal(error: Refused | Unavailable) -> Shared:
    """As `of_error`; whoever is refused for the same reason shares it."""
    retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else None
    return _refusal(error.code, error.sentence, retry_after_s)


def head_of(answer: Answer, *, version: int, keep: bool, date: str) -> bytes:
    """The head of an answer, its empty line included, for a client of HTTP/1.`version`.

    A body in pieces of unknown length goes out in chunks, to HTTP/1.0 until the connection ends.
    """
    status = answer.status
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\nDate: {date}"]
    # A header injected through a value would be an answer of the attacker's (RFC 9110 section 5.5).
    lines += [
        f"{name}: {value if value.isprintable() else _UNSAFE.sub('', value)}"
        for name, value in answer.headers
    ]
    length = answer.length
    if length is None and isinstance(answer.body, bytes):
        length = len(answer.body)
    if status not in BODILESS and status >= 200:
        if length is not None:
            lines.append(f"Content-Length: {length}")
        elif version == 1:
            lines.append("Transfer-Encoding: chunked")
    if not keep:
        lines.append("Connection: close")
    elif version == 0:
        lines.append("Connection: keep-alive")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")


def http_date(wall_time_s: float) -> str:
    """A date as headers write it (RFC 9110 section 5.6.7)."""
    return _date_of(int(wall_time_s))


@functools.lru_cache(8)
def _date_of(second: int) -> str:
    return email.utils.formatdate(second, usegmt=True)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def matches(condition: str, etag: str) -> bool:
    """Whether an If-None-Match names this entity tag (RFC 9110 section 13.1.2, weakly)."""
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return etag.removeprefix("W/") in tags or tags == ["*"]
