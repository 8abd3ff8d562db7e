"""The database file: closed to others, durable, patient with locks, and away without harm."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from stentor.errors import Unavailable
from stentor.social import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "stentor.db")
    yield made
    await made.close()


async def test_the_file_and_its_journal_are_closed_to_others(
    database: Database, tmp_path: Path
) -> None:
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO spaces VALUES ('s', 'a', 'h', 1)"))
    files = sorted(tmp_path.glob("stentor.db*"))
    assert [file.name for file in files] == ["stentor.db", "stentor.db-shm", "stentor.db-wal"]
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 2000)],
)
async def test_each_connection_is_prepared(
    database: Database, pragma: str, value: int | str
) -> None:
    async with database.read() as connection:
        assert await connection.scalar(text(f"PRAGMA {pragma}")) == value


async def test_a_session_needs_its_account(database: Database) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"):
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO sessions VALUES ('t', 'nobody', 1, 2)"))


async def test_an_error_undoes_the_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO spaces VALUES ('s', 'a', 'h', 1)"))
            raise ZeroDivisionError
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM spaces")) == 0


async def test_many_writers_take_turns(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.write() as connection:
            count = await connection.scalar(text("SELECT count(*) FROM spaces"))
            row = {"space": f"s{number}", "count": count}
            insert = text("INSERT INTO spaces VALUES (:space, 'a', 'h', :count)")
            await connection.execute(insert, row)

    await asyncio.gather(*(write(number) for number in range(40)))
    async with database.read() as connection:
        counts = await connection.scalars(text("SELECT created_at_ms FROM spaces"))
        assert sorted(counts) == list(range(40))


async def test_a_locked_database_is_away_and_comes_back(database: Database, tmp_path: Path) -> None:
    assert await database.answers()
    other = sqlite3.connect(tmp_path / "stentor.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable) as away:
        async with database.write():
            pass
    assert away.value.code == "database.away"
    assert await database.answers(), "readers do not mind a writer"
    other.execute("COMMIT")
    other.close()
    async with database.write():
        pass


async def test_what_is_not_a_database_is_away_until_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "stentor.db"
    file.write_bytes(b"this is not a database" * 100)
    database = Database(file)
    assert not await database.answers()
    file.unlink()
    assert await database.answers()
    await database.close()


async def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "stentor.db")
    async with database.write() as connection:
        await connection.execute(text("UPDATE schema_version SET version = 99"))
    await database.close()
    later = Database(tmp_path / "stentor.db")
    with pytest.raises(Unavailable) as newer:
        async with later.read():
            pass
    assert newer.value.code == "database.newer"
    await later.close()


async def test_a_folder_that_is_not_there_is_away(tmp_path: Path) -> None:
    database = Database(tmp_path / "nowhere" / "stentor.db")
    assert not await database.answers()
    await database.close()
