"""The one-time secret by which the first owner makes an account.

It lies in `secrets/setup` (0600), so that its link can be printed at each start, until it is used;
it travels in a link's fragment, which browsers do not send to servers.
"""

import contextlib
import hashlib
import hmac
import logging
import secrets
import sqlite3

from stentor.config import Settings
from stentor.errors import Unavailable
from stentor.limits import DATABASE_BUSY_S
from stentor.paths import Paths
from stentor.social.accounts import done
from stentor.social.database import away

_NAME = "setup"
_SECRET_BYTES = 32
_telemetry = logging.getLogger("stentor.social")


def setup_link(paths: Paths, settings: Settings) -> str | None:
    """The link to the first owner's page, the same until it is used; None when there is an owner.

    None as well, with a line of telemetry, while the database cannot say.
    """
    try:
        if _has_owner(paths):
            forget(paths)
            return None
        return _link(paths, settings)
    except Unavailable as error:
        _telemetry.warning("no setup link: %s", error.sentence)
        return None


async def create_setup_link(paths: Paths, settings: Settings) -> str:
    """A new link to the first owner's page; the one before is void.

    Raises:
        Refused: `setup.done` when there is an owner.
        Unavailable: `database.away`.
    """
    if _has_owner(paths):
        forget(paths)
        raise done()
    forget(paths)
    return _link(paths, settings)


def is_right(paths: Paths, secret: str) -> bool:
    """Whether this is the secret; False when it has been used."""
    try:
        stored = (paths.secrets / _NAME).read_bytes()
    except FileNotFoundError:
        return False
    # Hashes of equal length are compared: neither length nor prefix shows in the time it takes.
    given = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
    return hmac.compare_digest(given, hashlib.sha256(stored).digest())


def forget(paths: Paths) -> None:
    """The secret has been used: remove it."""
    (paths.secrets / _NAME).unlink(missing_ok=True)


def _link(paths: Paths, settings: Settings) -> str:
    made = secrets.token_urlsafe(_SECRET_BYTES).encode()
    return f"{settings.url}/setup#{paths.secret(_NAME, made).decode()}"


def _has_owner(paths: Paths) -> bool:
    if not paths.database.exists():
        return False
    try:
        opened = sqlite3.connect(paths.database, timeout=DATABASE_BUSY_S)
        with contextlib.closing(opened) as connection:
            table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'accounts'"
            if connection.execute(table).fetchone() is None:
                return False
            return connection.execute("SELECT 1 FROM accounts LIMIT 1").fetchone() is not None
    except sqlite3.Error as error:
        raise away() from error
