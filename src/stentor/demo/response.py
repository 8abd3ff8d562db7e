"""Reading one HTTP/1.1 response as its bytes come, without a socket (RFC 9112)."""

from dataclasses import dataclass, field

from stentor.errors import Corrupt
from stentor.limits import HEADER_BYTES_MAX

CHUNK_BYTES_MAX = 16 * 1024 * 1024
"""The largest chunk a listener accepts: a resumed response may begin with minutes of sound."""


@dataclass(slots=True)
class Response:
    """Give it bytes, get the body's bytes; `status` is 0 until the head is whole."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    """The body came to its proper end, which a broken connection does not give."""
    _held: bytes = b""
    _left: int = 0
    _chunked: bool = False

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the body, without their framing.

        Raises:
            Corrupt: `response.malformed`.
        """
        data = self._held + data
        self._held = b""
        if not self.status:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                if len(head) > HEADER_BYTES_MAX:
                    raise Corrupt("response.malformed", "A response's head does not end.")
                self._held = head
                return b""
            self._read_head(head.decode("latin-1"))
        return self._chunks(data) if self._chunked else self._counted(data)

    def _read_head(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        code = first.split(" ", 2)[1] if " " in first else ""
        if not code.isdigit():
            raise Corrupt("response.malformed", f"'{first[:40]}' is not a status line.")
        self.status = int(code)
        self._chunked = self.headers.get("transfer-encoding", "") == "chunked"
        self._left = int(self.headers.get("content-length", -1))
        self.ended = not self._chunked and self._left == 0

    def _counted(self, data: bytes) -> bytes:
        if self._left >= 0:
            self._left -= len(data)
            self.ended = self._left <= 0
        return data

    def _chunks(self, data: bytes) -> bytes:
        out = []
        at = 0
        while at < len(data) and not self.ended:
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                break
            try:
                size = int(data[at:line_end].split(b";")[0], 16)
            except ValueError as wrong:
                raise Corrupt("response.malformed", "A chunk's size is not a number.") from wrong
            if size > CHUNK_BYTES_MAX:
                raise Corrupt("response.malformed", "A chunk is too large.")
            begin = line_end + 2
            if len(data) < begin + size + 2:
                break
            out.append(data[begin : begin + size])
            at = begin + size + 2
            self.ended = size == 0
        self._held = data[at:]
        return b"".join(out)
