"""A request's head, read strictly: whatever two programs could understand differently is refused.

HTTP/1.1 after RFC 9112. Pure: bytes in, a `Request` or a `Refused` out.
"""

import re
from typing import TypeVar

import msgspec

from stentor.errors import Refused
from stentor.limits import (
    BODY_BYTES_MAX,
    CHUNKS_MAX,
    HEAD_KEPT_BYTES_MAX,
    HEADER_BYTES_MAX,
    HEADER_COUNT_MAX,
    HEADS_KEPT,
    LINE_KEPT_BYTES_MAX,
    LINES_KEPT,
)

HEAD_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/1\.([01])\Z")
# The spaces around a value are stripped afterwards: an expression that could divide them in many
# ways would try them all, for hours, on a head of nothing but spaces.
_OTHER_VERSION = re.compile(rb" HTTP/(?!1\.[01]\Z)[0-9](?:\.[0-9])?\Z")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)\Z")
_COOKIE, _TICKET = b"\r\nCookie: ", b"\r\nStentor-Ticket: "
_BORNE = {_COOKIE: "cookie", _TICKET: "stentor-ticket", b"": ""}
"""How browsers and players say who they are; who writes it in another way is read in another way.
"""
_CLEAN = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*\Z")
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\Z")
CHUNK_LINE_BYTES_MAX = 256
"""The line before a chunk: its size and extensions nobody here reads."""
_ONE_HOST = "A request names one host (RFC 9112 section 3.2)."
_PERSONAL = frozenset({"authorization", "cookie", "stentor-ticket", "stentor-place"})
"""Headers that are different with everybody, and nobody else's business."""
_Start = tuple[str, str, int]
_Field = tuple[str, str]
_Kept = TypeVar("_Kept", _Start, _Field)


class _Starts(dict[bytes, _Start]):
    """Request lines and what they say."""

    def __missing__(self, line: bytes) -> _Start:
        return _read_start(line)


class _Fields(dict[bytes, _Field]):
    """Header lines and what they say."""

    def __missing__(self, line: bytes) -> _Field:
        return _read_field(line)


_starts, _fields = _Starts(), _Fields()
_heads: dict[tuple[bytes, bytes, bytes], "Request"] = {}
# A crowd says the same lines over and over: what was read of one is true of all that equal it. And
# most heads are those of others but for one line, the cookie or the ticket, which stands alone
# between what is the same.


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request without its body.

    Attributes:
        method: as sent; methods are case-sensitive.
        target: path and query as sent, in origin form, printable ASCII.
        version: 0 or 1, the minor version of HTTP/1.
        path: the target up to the question mark.
        body_bytes: what Content-Length says, 0 without a body, -1 when it comes in chunks.
    """

    method: str
    target: str
    version: int
    path: str
    body_bytes: int
    _others: list[_Field]
    _values: dict[str, str]
    _bears: str = ""
    """The name of the one header that is not among the others, which many requests share."""
    _borne: str = ""
    _at: int = 0

    def bearing(self, value: str) -> "Request":
        """This request with a value for the header that was left out."""
        return Request(
            self.method,
            self.target,
            self.version,
            self.path,
            self.body_bytes,
            self._others,
            self._values,
            self._bears,
            value,
            self._at,
        )

    @property
    def headers(self) -> list[_Field]:
        """Names in lower case, values without space around them, in order."""
        if not self._bears:
            return self._others
        return [*self._others[: self._at], (self._bears, self._borne), *self._others[self._at :]]

    @property
    def query(self) -> str:
        """The target after the question mark."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """The values of a header, joined by commas (RFC 9110 section 5.3); empty: it is not there.

        Args:
            name: in lower case.
        """
        return self._borne if name == self._bears else self._values.get(name, "")

    def tokens(self, name: str) -> set[str]:
        """The members of a comma-separated header, in lower case, without parameters."""
        members = self.header(name).lower().split(",")
        return {member.partition(";")[0].strip() for member in members} - {""}

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow on this connection (RFC 9112 section 9.3)."""
        if "connection" not in self._values:
            return self.version == 1
        options = self.tokens("connection")
        return "close" not in options and (self.version == 1 or "keep-alive" in options)

    @property
    def bearer(self) -> str:
        """The token of the Authorization header (RFC 6750 section 2.1); empty without one."""
        scheme, _, token = self.header("authorization").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def cookie(self, name: str) -> str:
        """The first value of a cookie (RFC 6265 section 4.2.1); empty: it is not there."""
        text = self.header("cookie")
        if f"{name}=" in text:
            for pair in text.split(";"):
                key, _, value = pair.strip().partition("=")
                if key == name:
                    return value
        return ""

    def argument(self, name: str) -> str | None:
        """The first value of a query parameter, undecoded; None: it is not there."""
        if "?" not in self.target:
            return None
        for pair in self.query.split("&"):
            key, _, value = pair.partition("=")
            if key == name:
                return value
        return None


def find_head(data: bytes | bytearray) -> int:
    """Where a head ends (behind its empty line), 0 while it is not whole.

    Raises:
        Refused: `request.head_too_large`.
    """
    end = data.find(HEAD_END, 0, HEADER_BYTES_MAX)
    if end < 0 and len(data) >= HEADER_BYTES_MAX:
        raise Refused("request.head_too_large", "The head of a request has at most 16 KiB.")
    return end + len(HEAD_END) if end >= 0 else 0


def parse_head(head: bytes) -> Request:
    """Read a whole head, its empty line included.

    Raises:
        Refused: `request.malformed`, `request.version`, `request.head_too_large` (too many
            headers) or `request.too_large` (a body too long).
    """
    before, bears, rest = head.partition(_COOKIE)
    if not bears:
        before, bears, rest = head.partition(_TICKET)
    value, _, after = rest.partition(b"\r\n")
    known = _heads.get((before, bears, after))
    if known is None:
        return _read_head(head, before, bears, after)
    if not bears:
        return known
    text = value.decode("latin-1")
    if not text.isprintable() and not _CLEAN.match(value):
        raise _malformed("A header is malformed.")
    return known.bearing(text.strip(" \t"))


def _read_head(head: bytes, before: bytes, bears: bytes, after: bytes) -> Request:
    """Read a head line by line, and remember it for all that say the same around their own line."""
    first, *lines = head[: -len(HEAD_END)].split(b"\r\n")
    if len(lines) > HEADER_COUNT_MAX:
        raise Refused("request.head_too_large", "A request has at most 64 headers.")
    start, headers = _starts[first], list(map(_fields.__getitem__, lines))
    request = _understood(start, headers)
    personal = [name for name, _ in headers if name in _PERSONAL]
    borne = _BORNE[bears]
    if personal == ([borne] if borne else []) and len(head) <= HEAD_KEPT_BYTES_MAX:
        if len(_heads) >= HEADS_KEPT:
            _heads.clear()
        others = request
        if borne:
            at = [name for name, _ in headers].index(borne)
            others = _understood(start, headers[:at] + headers[at + 1 :], borne, at)
        _heads[before, bears, after] = others
    return request


def _understood(start: _Start, headers: list[_Field], bears: str = "", at: int = 0) -> Request:
    """What a request line and headers mean together.

    Args:
        bears: a header that is left out here, and does not change what the others mean.
        at: its place among them.
    """
    values = dict(headers)
    if len(values) != len(headers):
        if sum(name == "host" for name, _ in headers) > 1:
            raise _malformed(_ONE_HOST)
        values = _joined(headers)
    if "host" not in values and start[2]:
        raise _malformed(_ONE_HOST)
    body_bytes = 0
    if "transfer-encoding" in values or "content-length" in values:
        body_bytes = _body_bytes(values, start[2])
    path = start[1].partition("?")[0]
    return Request(*start, path, body_bytes, headers, values, bears, "", at)


def _read_start(line: bytes) -> _Start:
    start = _REQUEST_LINE.match(line)
    if start is None and _OTHER_VERSION.search(line):
        sentence = "This door speaks HTTP/1.1 and 1.0; for others there are proxies."
        raise Refused("request.version", sentence)
    if start is None:
        raise _malformed("The request line should read: METHOD SP /path SP HTTP/1.1.")
    target = _ABSOLUTE.sub(b"", start[2], count=1) if start[2][:1] != b"/" else start[2]
    if target[:1] == b"?" or not target:
        target = b"/" + target  # an absolute form without a path
    if target[:1] != b"/" or b"#" in target:
        raise _malformed("The address should begin with a slash.")
    return _keep(_starts, line, (start[1].decode("ascii"), target.decode("ascii"), int(start[3])))


def _read_field(line: bytes) -> _Field:
    field = _FIELD.match(line)  # a folded line and space before the colon do not match
    if field is None:
        raise _malformed("A header is malformed.")
    name = field[1].decode("ascii").lower()
    value = field[2].strip(b" \t").decode("latin-1")
    if name == "host" and not _HOST.match(value):
        raise _malformed(_ONE_HOST)
    return (name, value) if name in _PERSONAL else _keep(_fields, line, (name, value))


def _keep(kept: dict[bytes, _Kept], line: bytes, read: _Kept) -> _Kept:
    """Remember what was read of a line that others may say as well."""
    if len(line) <= LINE_KEPT_BYTES_MAX:
        if len(kept) >= LINES_KEPT:
            kept.clear()
        kept[line] = read
    return read


def _joined(headers: list[_Field]) -> dict[str, str]:
    """The values of each header, joined by commas."""
    values: dict[str, str] = {}
    for name, value in headers:
        values[name] = f"{values[name]}, {value}" if name in values else value
    return values


def _body_bytes(values: dict[str, str], version: int) -> int:
    """How long the body is; anything ambiguous is refused (RFC 9112 section 6.3, smuggling).

    Args:
        values: of headers that came twice with commas, which no coding and no number has.
    """
    coding = values.get("transfer-encoding")
    if coding is not None:
        if "content-length" in values or coding.lower() != "chunked" or version == 0:
            raise _malformed("A body comes with Content-Length or in chunks, and not with both.")
        return -1
    length = values["content-length"]
    if not length.isascii() or not length.isdigit():
        raise _malformed("Content-Length should be one number.")
    if len(length) > 15 or int(length) > BODY_BYTES_MAX:
        raise _too_large()
    return int(length)


class ChunkedBody:
    """Decodes a request's chunked body as its bytes come (RFC 9112 section 7.1)."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.done = False
        self._left = 0
        self._chunks = 0
        self._trailers = False
        self._trailer_bytes = 0

    def feed(self, data: bytearray) -> None:
        """Take what is whole from the front of `data`; what is left belongs to what follows.

        Raises:
            Refused: `request.malformed` or `request.too_large`.
        """
        while not self.done:
            if self._left:
                if len(data) < self._left:
                    return
                if data[self._left - 2 : self._left] != b"\r\n":
                    raise _malformed("A chunk is longer than it says.")
                self.body += data[: self._left - 2]
                del data[: self._left]
                self._left = 0
            line = self._line(data)
            if line is None:
                return
            if self._trailers:
                self._trailer_bytes += len(line) + 2
                self.done = not line
                if self._trailer_bytes > HEADER_BYTES_MAX:
                    raise _malformed("The trailers are too long.")
                if line and not _FIELD.match(line):
                    raise _malformed("A trailer is malformed.")
                continue
            self._begin(line)

    def _line(self, data: bytearray) -> bytes | None:
        end = data.find(b"\r\n", 0, CHUNK_LINE_BYTES_MAX)
        if end < 0:
            if len(data) >= CHUNK_LINE_BYTES_MAX:
                raise _malformed("The line before a chunk is too long.")
            return None
        line = bytes(data[:end])
        del data[: end + 2]
        return line

    def _begin(self, line: bytes) -> None:
        size = _CHUNK.match(line)
        if size is None:
            raise _malformed("A chunk begins with its size in hexadecimal digits.")
        length = int(size[1], 16)
        if len(self.body) + length > BODY_BYTES_MAX:
            raise _too_large()
        self._chunks += 1
        if self._chunks > CHUNKS_MAX:
            raise _malformed("The body comes in too many chunks.")
        if length:
            self._left = length + 2
        else:
            self._trailers = True


def _malformed(sentence: str) -> Refused:
    return Refused("request.malformed", sentence)


def _too_large() -> Refused:
    return Refused("request.too_large", "The body of a request has at most 256 KiB.")
