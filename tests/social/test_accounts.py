"""Accounts in the database: one first owner, whatever the number of processes."""

import asyncio
from pathlib import Path

from stentor.errors import Refused
from stentor.ids import AccountId
from stentor.limits import NAME_CHARS_MAX
from stentor.social import Account, Database
from stentor.social.accounts import by_name, create_owner, name_key


async def test_of_many_processes_one_makes_the_owner(tmp_path: Path) -> None:
    databases = [Database(tmp_path / "stentor.db") for _ in range(5)]
    tries = [
        create_owner(database, Account(AccountId(f"account{n:05}"), f"Ann {n}"), "hash", 1)
        for n, database in enumerate(databases * 4)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert results.count(None) == 1
    assert {result.code for result in results if isinstance(result, Refused)} == {"setup.done"}
    winner = results.index(None)
    assert await by_name(databases[0], f"ann {winner}") is not None
    assert await by_name(databases[0], f"ann {(winner + 1) % 20}") is None
    for database in databases:
        await database.close()


def test_a_name_s_key_is_bounded_whatever_is_typed() -> None:
    assert len(name_key("\ufdfa" * 10_000)) <= NAME_CHARS_MAX * 18
    assert name_key("  \uff21nn ") == name_key("ann")
