"""Plain HTTP requests of the drills: over TCP to the door, or over a process's Unix socket."""

import asyncio
import http.client
import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stentor.errors import Unavailable

TIMEOUT_S = 10.0
BODY_BYTES_MAX = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


@dataclass(slots=True)
class Caller:
    """Sends requests to one address and keeps the session's cookie.

    Args:
        address: `http://host:port`, or the path of a Unix socket.
    """

    address: str | Path
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        token: str = "",
        expect: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own.

        Args:
            body: sent as JSON when it is not None.
            expect: the status that is needed.

        Raises:
            Unavailable: `demo.failed`: another status than `expect`, or no connection.
        """
        answer = await asyncio.to_thread(self._exchange, method, path, body, token, headers or {})
        if expect is not None and answer.status != expect:
            text = answer.body[:300].decode(errors="replace")
            raise Unavailable(
                "demo.failed", f"{method} {path} answered {answer.status}, not {expect}: {text}"
            )
        return answer

    def _exchange(
        self, method: str, path: str, body: object, token: str, more: dict[str, str]
    ) -> Answer:
        connection = self._connection()
        headers = dict(more)
        if isinstance(self.address, str):
            headers["Origin"] = self.address  # what a page sends; web refuses foreign origins
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            content = response.read(BODY_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable("demo.failed", f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, content)

    def _connection(self) -> http.client.HTTPConnection:
        if isinstance(self.address, Path):
            return _UnixConnection(self.address)
        return http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=TIMEOUT_S)
