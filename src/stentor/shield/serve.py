"""`stentor shield`: the one process that may tell the kernel whom not to let in, and nothing else.

It holds CAP_NET_ADMIN alone, reads three verbs from a Unix socket, and starts one program, `nft`.
When it ends, the kernel forgets the list; gates refuse by themselves meanwhile.
"""

import contextlib
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path

from stentor.clock import Clock
from stentor.config import Settings
from stentor.errors import Unavailable
from stentor.limits import (
    BANS_MAX,
    KERNEL_ANSWER_S,
    SHIELD_BATCH_S,
    SHIELD_LINES_MAX,
    SHIELD_LISTED_MAX,
    SHIELD_MESSAGE_BYTES_MAX,
)
from stentor.paths import Paths
from stentor.shield import capabilities, kernel, words
from stentor.shield.kernel import Kernel
from stentor.shield.prefixes import Network, bannable, networks_of
from stentor.shield.words import Ban, Listed, Standing, Unban

_telemetry = logging.getLogger(__name__)


def serve(
    settings: Settings, paths: Paths, clock: Clock, started: Callable[["Helper"], None]
) -> None:
    """Keep the list until told to stop.

    Args:
        started: called once with what can be told to stop.

    Raises:
        Unavailable: `shield.kernel`: this machine or this user cannot keep one.
    """
    why = kernel.obstacle()
    if why:
        raise Unavailable("shield.kernel", f"The kernel keeps nobody out: {why}.")
    spared = networks_of(f"{settings.trusted_proxy},{settings.uncounted}")
    listening = listen(paths.socket("shield"))
    capabilities.keep_only(capabilities.CAP_NET_ADMIN)
    table = _table(settings.address[1], spared, clock)
    helper = Helper(listening, table, spared, clock)
    started(helper)
    _telemetry.info("the kernel keeps out whom it is told")
    try:
        helper.run()
    finally:
        helper.close()
        table.close()


def _table(port: int, spared: list[Network], clock: Clock) -> Kernel:
    """The table; that of a helper which was killed may take a moment to go."""
    until = clock.now() + KERNEL_ANSWER_S
    while True:
        try:
            return Kernel(port, spared)
        except Unavailable:
            if clock.now() >= until:
                raise
            time.sleep(SHIELD_BATCH_S)


def ask(path: Path, said: words.Asked) -> Standing:
    """Ask the helper for something, and wait for its answer: what commands do.

    Raises:
        Unavailable: `shield.away`.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.settimeout(KERNEL_ANSWER_S)
            line.connect(str(path))
            line.recv(SHIELD_MESSAGE_BYTES_MAX)  # how it stands
            line.send(words.encode(said))
            return words.standing(line.recv(64 * SHIELD_MESSAGE_BYTES_MAX))
    except (OSError, ValueError) as error:
        raise Unavailable(
            "shield.away",
            "No drop list is kept for this node; see docs/operating/shield.md.",
        ) from error


def listen(path: Path) -> socket.socket:
    """The helper's socket; a stale one is replaced.

    Raises:
        OSError: it cannot be made.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    listening.bind(str(scratch))
    scratch.chmod(0o600)
    listening.listen(SHIELD_LINES_MAX)
    listening.setblocking(False)
    scratch.replace(path)
    return listening


class Helper:
    """The socket, those connected to it, and the list."""

    def __init__(
        self, listening: socket.socket, kernel: Kernel, spared: list[Network], clock: Clock
    ) -> None:
        """Nobody is kept out.

        Args:
            spared: who never is: listed proxies, this machine.
        """
        self._listening = listening
        self._kernel = kernel
        self._spared = spared
        self._clock = clock
        self._until: dict[Network, float] = {}
        self._fresh: dict[Network, float] = {}
        self._lines: set[socket.socket] = set()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False

    def stop(self) -> None:
        """End soon; to be called from anywhere."""
        self._stopping = True
        os.eventfd_write(self._stop, 1)

    def run(self) -> None:
        """Do as told until `stop`.

        Raises:
            Unavailable: `shield.kernel`: the kernel's table is gone.
        """
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            for one in (self._listening, self._kernel, self._stop):
                selector.register(one, selectors.EVENT_READ, one)
            tell_at = 0.0
            while not self._stopping:
                wait_s = max(0.0, tell_at - self._clock.now()) if self._fresh else None
                for key, _ in selector.select(wait_s):
                    self._look(key.data)
                if self._fresh and self._clock.now() >= tell_at:
                    self._kernel.ban(self._fresh.items())
                    self._fresh.clear()
                    tell_at = self._clock.now() + SHIELD_BATCH_S

    def close(self) -> None:
        """Hang up."""
        for line in [*self._lines, self._listening]:
            line.close()
        os.close(self._stop)

    def _look(self, one: "socket.socket | Kernel | int") -> None:
        if one is self._kernel:
            complaint = self._kernel.errors()
            if complaint:
                _telemetry.error("nft: %s", complaint)
        elif one is self._listening:
            self._accept()
        elif isinstance(one, socket.socket):
            self._hear(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            line, _ = self._listening.accept()
            if len(self._lines) >= SHIELD_LINES_MAX:
                line.close()
                return
            line.setblocking(False)
            self._lines.add(line)
            self._selector.register(line, selectors.EVENT_READ, line)
            self._answer(line, Standing(len(self._until)))

    def _hear(self, line: socket.socket) -> None:
        """Take one message; whoever sends anything else is hung up on."""
        try:
            data = line.recv(SHIELD_MESSAGE_BYTES_MAX + 1)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            if not data or len(data) > SHIELD_MESSAGE_BYTES_MAX:
                raise ValueError("the line has ended, or a message is too long")
            said = words.asked(data)
        except ValueError as error:
            if data:
                _telemetry.warning("a message is not understood: %s", error)
            self._selector.unregister(line)
            self._lines.discard(line)
            line.close()
            return
        if isinstance(said, Ban):
            self._answer(line, self._ban(said))
        elif isinstance(said, Unban):
            self._unban(line, said)
        else:
            assert isinstance(said, Listed)
            self._answer(line, self._listed())

    def _ban(self, said: Ban) -> Standing:
        now = self._clock.now()
        self._forget(now)
        refused = 0
        for text, seconds in said.whom:
            whom = bannable(text)
            known = whom in self._until
            if whom is None or self._is_spared(whom) or (not known and self._is_full):
                refused += 1
            elif self._until.get(whom, 0.0) < now + seconds:  # two gates say it: the longer holds
                self._until[whom] = now + seconds
                self._fresh[whom] = seconds
        return Standing(len(self._until), refused)

    def _unban(self, line: socket.socket, said: Unban) -> None:
        whom = bannable(said.whom)
        if whom is None:
            self._answer(line, Standing(len(self._until), 1))
            return
        self._until.pop(whom, None)
        self._fresh.pop(whom, None)
        self._kernel.unban(whom)
        for one in self._lines:
            self._answer(one, Standing(len(self._until), forgiven=str(whom)))

    def _listed(self) -> Standing:
        now = self._clock.now()
        self._forget(now)
        bans = [(str(whom), round(until - now, 1)) for whom, until in self._until.items()]
        return Standing(len(bans), bans=bans[:SHIELD_LISTED_MAX])

    def _forget(self, now: float) -> None:
        for whom in [whom for whom, until in self._until.items() if until <= now]:
            del self._until[whom]

    @property
    def _is_full(self) -> bool:
        return len(self._until) >= BANS_MAX

    def _is_spared(self, whom: Network) -> bool:
        return any(
            whom.version == spared.version and whom.overlaps(spared) for spared in self._spared
        )

    def _answer(self, line: socket.socket, said: Standing) -> None:
        with contextlib.suppress(OSError):  # who does not read hears less
            line.send(words.encode(said))
