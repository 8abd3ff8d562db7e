"""Where things lie in the data directory, and secrets on disk (0600, in a directory 0700)."""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

import msgspec

from stentor.errors import Unavailable
from stentor.tokens import Keyring

SOCKET_PATH_BYTES_MAX = 100
"""Unix socket addresses hold 107 bytes (unix(7)); leave room for the name."""


class Paths:
    """The layout of one data directory."""

    def __init__(self, data_dir: str | Path) -> None:
        self.data = Path(data_dir).absolute()
        self.spaces = self.data / "spaces"
        self.secrets = self.data / "secrets"
        self.run = self.data / "run"
        self.database = self.data / "stentor.db"
        self.known_prefixes = self.data / "known.prefixes"

    def create(self) -> None:
        """Make the directories, closed to everybody else.

        Raises:
            Unavailable: `data.unwritable`.
        """
        try:
            for folder in (self.data, self.spaces, self.secrets, self.run):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.data.chmod(0o700)
            probe = self.run / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise Unavailable(
                "data.unwritable",
                f"The data directory {self.data} cannot be written ({error.strerror}). Choose "
                "another with --data, or make it yours with chown.",
            ) from error

    def space(self, space: str) -> Path:
        """The folder of one Space."""
        return self.spaces / space

    def log(self, space: str) -> Path:
        """The folder of one Space's log segments."""
        return self.spaces / space / "log"

    def ledger(self, space: str) -> Path:
        """The folder of one Space's join ledger, a log like the other."""
        return self.spaces / space / "ledger"

    def incident(self, space: str) -> Path:
        """The page of one Space's incident report."""
        return self.spaces / space / "incident.html"

    def card(self, space: str) -> Path:
        """The card of one Space."""
        return self.spaces / space / "card.json"

    def socket(self, name: str) -> Path:
        """The Unix socket of a process; in a private temporary folder when the path is too long."""
        path = self.run / f"{name}.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            return path
        digest = hashlib.sha256(os.fsencode(self.run)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"stentor-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
            raise Unavailable("data.unwritable", f"{folder} is not private; remove it.")
        return folder / f"{name}.sock"

    def secret(self, name: str, make: "bytes | None" = None) -> bytes:
        """A secret, created on first use (32 random bytes unless `make` is given).

        Raises:
            Unavailable: `secret.exposed` when others can read it.
        """
        path = self.secrets / name
        if not path.exists():
            descriptor, scratch = tempfile.mkstemp(prefix=f".{name}.", dir=self.secrets)
            with os.fdopen(descriptor, "wb") as file:
                file.write(make if make is not None else secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first: take its
                os.link(scratch, path)
            Path(scratch).unlink()
        if path.stat().st_mode & 0o077:
            raise Unavailable("secret.exposed", f"{path} is readable by others: chmod 600 it.")
        return path.read_bytes()

    def keyring(self) -> Keyring:
        """The keys that sign tokens."""
        first = secrets.token_hex(4)
        made = msgspec.json.encode({"current": first, "keys": {first: secrets.token_hex(32)}})
        stored = msgspec.json.decode(self.secret("token-keys.json", made), type=_StoredKeys)
        keys = {kid: bytes.fromhex(key) for kid, key in stored.keys.items()}
        return Keyring(stored.current, keys)


class _StoredKeys(msgspec.Struct):
    current: str
    keys: dict[str, str]


def write_whole(path: Path, data: bytes) -> None:
    """Replace a small file at once: readers see the old bytes or the new, never a mixture."""
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(scratch).replace(path)
    except BaseException:  # a full disk must not fill with scratch files as well
        Path(scratch).unlink(missing_ok=True)
        raise
