"""Accounts: their names, their password hashes, and the first owner, of whom there is one."""

import hashlib
import unicodedata
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from stentor import ids
from stentor.errors import Refused
from stentor.ids import AccountId
from stentor.limits import NAME_CHARS_MAX
from stentor.paths import Paths
from stentor.social import schema
from stentor.social.database import Database

_JOINERS = {"\u200c", "\u200d"}
"""Not printable by themselves, but Persian, Indic scripts and emoji are written with them."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person's identity here."""

    id: AccountId
    name: str


def clean_name(name: str) -> str:
    """The name as it is shown: composed, without spaces around it or several in a row.

    Raises:
        Refused: `account.invalid`.
    """
    shown = " ".join(unicodedata.normalize("NFC", name).split())
    if not all(c.isprintable() or c in _JOINERS for c in shown):
        raise Refused("account.invalid", "A name is made of letters, digits, signs and spaces.")
    if not 1 <= len(shown) <= NAME_CHARS_MAX:
        raise Refused("account.invalid", f"A name has 1 to {NAME_CHARS_MAX} characters.")
    return shown


def name_key(name: str) -> str:
    """The name as it is compared, at a length that is bounded whatever was typed."""
    folded = unicodedata.normalize("NFKC", " ".join(name[: NAME_CHARS_MAX * 4].split())).casefold()
    return unicodedata.normalize("NFKC", folded)[: NAME_CHARS_MAX * 18]


def owner_id(paths: Paths) -> AccountId:
    """The first owner's identifier, kept outside the database.

    So a Space whose log names its host stays theirs when the database was lost and set up anew.
    """
    digest = hashlib.sha256(b"stentor owner 1\n" + paths.secret("owner")).digest()
    return AccountId(ids.encode(digest, schema.ACCOUNT_ID_CHARS))


async def exist(database: Database) -> bool:
    """Whether there is an account."""
    async with database.read() as connection:
        return await connection.scalar(select(schema.accounts.c.id).limit(1)) is not None


async def create_owner(
    database: Database, account: Account, password_hash: str, now_ms: int
) -> None:
    """Store the first owner.

    Raises:
        Refused: `setup.done` when somebody was first, be it in another process.
    """
    row = {
        "id": account.id,
        "name": account.name,
        "name_key": name_key(account.name),
        "password_hash": password_hash,
        "created_at_ms": now_ms,
        "password_at_ms": now_ms,
    }
    try:
        async with database.write() as connection:
            await connection.execute(insert(schema.accounts), row)
            first = {"id": 1, "account_id": account.id, "at_ms": now_ms}
            await connection.execute(insert(schema.setup), first)
    except IntegrityError as error:
        raise done() from error


def done() -> Refused:
    """What is said to everybody who comes to the setup after the first."""
    return Refused("setup.done", "Stentor has its owner already; sign in instead.")


async def by_name(database: Database, name: str) -> tuple[Account, str] | None:
    """The account of that name and its password hash."""
    table = schema.accounts
    query = select(table.c.id, table.c.name, table.c.password_hash)
    async with database.read() as connection:
        result = await connection.execute(query.where(table.c.name_key == name_key(name)))
        row = result.one_or_none()
    return None if row is None else (Account(AccountId(row.id), row.name), row.password_hash)


async def set_password(
    database: Database, account: AccountId, password_hash: str, now_ms: int
) -> None:
    """Replace an account's password and end all its sessions, in one transaction."""
    values = {"password_hash": password_hash, "password_at_ms": now_ms}
    sessions = schema.sessions
    async with database.write() as connection:
        table = schema.accounts
        await connection.execute(update(table).where(table.c.id == account).values(values))
        await connection.execute(sessions.delete().where(sessions.c.account_id == account))
