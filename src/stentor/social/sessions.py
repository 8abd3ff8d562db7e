"""Sessions: random references (256 bits) that browsers hold in a cookie and we store hashed."""

import hashlib
import secrets

from sqlalchemy import delete, insert, select

from stentor.gate import sessions as signed
from stentor.ids import AccountId
from stentor.limits import SESSION_DAYS, SESSIONS_PER_ACCOUNT_MAX
from stentor.social import schema
from stentor.social.accounts import Account
from stentor.social.database import Database
from stentor.tokens import Keyring

_TOKEN_BYTES = 32
_TOKEN_CHARS_MAX = 64
_DAY_MS = 24 * 3600 * 1000
_sessions = schema.sessions


async def start(
    database: Database, account: AccountId, now_ms: int, keyring: Keyring | None = None
) -> str:
    """A new session's token; the account's oldest sessions make room for it.

    Args:
        keyring: signs it, so that the door knows accounts without asking the database.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    if keyring is not None:
        entropy = secrets.token_bytes(signed.ENTROPY_BYTES)
        token = signed.issue(entropy, keyring, now_ms / 1_000)
    row = {
        "token_hash": _hash(token),
        "account_id": account,
        "created_at_ms": now_ms,
        "expires_at_ms": now_ms + SESSION_DAYS * _DAY_MS,
    }
    mine = _sessions.c.account_id == account
    newest = (
        select(_sessions.c.token_hash)
        .where(mine)
        .order_by(_sessions.c.created_at_ms.desc())
        .limit(SESSIONS_PER_ACCOUNT_MAX - 1)
    )
    async with database.write() as connection:
        await connection.execute(delete(_sessions).where(_sessions.c.expires_at_ms <= now_ms))
        kept = list((await connection.scalars(newest)).all())
        old = delete(_sessions).where(mine, _sessions.c.token_hash.not_in(kept))
        await connection.execute(old)
        await connection.execute(insert(_sessions), row)
    return token


async def account_of(database: Database, token: str, now_ms: int) -> Account | None:
    """Whose session this is; None for one that is unknown, ended or expired."""
    if not 0 < len(token) <= _TOKEN_CHARS_MAX or not token.isascii():
        return None
    accounts = schema.accounts
    query = (
        select(accounts.c.id, accounts.c.name)
        .join(_sessions, _sessions.c.account_id == accounts.c.id)
        .where(_sessions.c.token_hash == _hash(token), _sessions.c.expires_at_ms > now_ms)
    )
    async with database.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    return None if row is None else Account(AccountId(row.id), row.name)


async def end(database: Database, token: str) -> None:
    """End a session; one that is not there has ended already."""
    if 0 < len(token) <= _TOKEN_CHARS_MAX and token.isascii():
        async with database.write() as connection:
            gone = _sessions.c.token_hash == _hash(token)
            await connection.execute(delete(_sessions).where(gone))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
