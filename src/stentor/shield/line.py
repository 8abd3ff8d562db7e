"""A gate's line to the helper that keeps the kernel's drop list; nothing here ever waits."""

import contextlib
import itertools
import socket
from pathlib import Path

from stentor.limits import BANS_MAX, SHIELD_MESSAGE_BYTES_MAX, SHIELD_RETRY_S, SHIELD_TOLD_MAX
from stentor.shield import words
from stentor.shield.guard import PARDON, Shield
from stentor.shield.words import Ban, Unban


class Line:
    """Tells the helper of bans while it is there, and all of them when it has come back."""

    def __init__(self, path: Path, shield: Shield) -> None:
        """Args: path: the helper's socket; nothing need be there."""
        self._path = path
        self._shield = shield
        self._socket: socket.socket | None = None
        self._retry_at = 0.0
        self._waiting: list[tuple[str, float]] = []
        self.kept_out = 0
        """How many the kernel keeps out."""

    @property
    def is_up(self) -> bool:
        """Whether the kernel keeps anybody out for us."""
        return self._socket is not None

    def figures(self) -> dict[str, int]:
        """What was refused, whether the kernel helps, and how many it keeps out."""
        kernel = {"kernel": int(self.is_up), "kept_out": self.kept_out}
        return self._shield.counts() | kernel

    def tend(self, now: float) -> None:
        """Say and hear what there is; to be called every second or so."""
        news = self._shield.news(now)
        if self._socket is None:
            if now < self._retry_at:
                return
            self._retry_at = now + SHIELD_RETRY_S
            if not self._dial():
                return
            self._waiting = self._shield.bans(now)
        else:
            self._waiting = (self._waiting + news)[-BANS_MAX:]
        try:
            self._hear()
            self._tell()
        except OSError:
            self.close()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._waiting, self.kept_out = None, [], 0

    def _dial(self) -> bool:
        dialled = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        dialled.setblocking(False)
        try:
            dialled.connect(str(self._path))
        except OSError:
            dialled.close()
            return False
        self._socket = dialled
        return True

    def _hear(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self._socket.recv(64 * SHIELD_MESSAGE_BYTES_MAX)
                if not data:
                    raise ConnectionResetError("the helper has ended")
                try:
                    said = words.standing(data)
                except ValueError as error:
                    raise ConnectionResetError("the helper speaks another language") from error
                self.kept_out = said.kept_out
                if said.forgiven:
                    self._shield.forgive(said.forgiven)

    def _tell(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(BlockingIOError):  # the rest is said at the next turn
            while self._waiting:
                bans = list(itertools.takewhile(_is_ban, self._waiting[:SHIELD_TOLD_MAX]))
                said = Ban(bans) if bans else Unban(self._waiting[0][0])
                self._socket.send(words.encode(said))
                del self._waiting[: len(bans) or 1]


def _is_ban(news: tuple[str, float]) -> bool:
    return news[1] != PARDON
