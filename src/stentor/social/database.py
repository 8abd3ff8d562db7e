"""The database: opened lazily, written in transactions that take the lock at once, never fatal.

A database that is locked, full, missing or broken is `Unavailable` (`database.away`), so that the
rest of the house goes on without it and the next request tries again.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from stentor.errors import Unavailable
from stentor.limits import DATABASE_BUSY_S, DATABASE_CONNECTIONS
from stentor.social import schema

_telemetry = logging.getLogger("stentor.social")


class Database:
    """One database file; connections are made when they are needed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ready = False
        self._opening = asyncio.Lock()
        self._engine = _engine(file)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one state of the database.

        Raises:
            Unavailable: `database.away`.
        """
        with _faults_named():
            await self._open()
            async with self._engine.connect() as connection, connection.begin():
                yield connection

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is alone in writing; committed at the end, undone by any error.

        Raises:
            Unavailable: `database.away`.
        """
        with _faults_named():
            await self._open()
            async with self._engine.connect() as connection:
                writing = await connection.execution_options(writes=True)
                async with writing.begin():
                    yield writing

    async def answers(self) -> bool:
        """Whether the database can be read now."""
        try:
            async with self.read() as connection:
                await connection.execute(select(schema.schema_version.c.version))
        except Unavailable:
            return False
        return True

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()

    async def _open(self) -> None:
        """Make the file and the tables when they are not there yet."""
        if self._ready:
            return
        async with self._opening:
            if self._ready:
                return
            _create_private(self._file)
            async with self._engine.connect() as connection:
                writing = await connection.execution_options(writes=True)
                async with writing.begin():
                    await writing.run_sync(schema.metadata.create_all)
                    await _check_version(writing)
            self._ready = True


async def _check_version(connection: AsyncConnection) -> None:
    version = await connection.scalar(select(schema.schema_version.c.version))
    if version is None:
        row = {"id": 1, "version": schema.VERSION}
        await connection.execute(insert(schema.schema_version), row)
    elif version != schema.VERSION:
        raise Unavailable(
            "database.newer",
            f"The database has version {version} and this Stentor knows {schema.VERSION}; "
            "run the newer Stentor, or restore a backup.",
            60.0,
        )


def _create_private(file: Path) -> None:
    """Make the file readable by nobody else before SQLite writes to it; its WAL follows suit."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _engine(file: Path) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{file}",
        pool_size=DATABASE_CONNECTIONS,
        max_overflow=0,
        pool_timeout=DATABASE_BUSY_S,
        connect_args={"timeout": DATABASE_BUSY_S},
        hide_parameters=True,  # what people type never reaches telemetry
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # Transactions begin where `_begin` says, not where the driver guesses.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {int(DATABASE_BUSY_S * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
    except sqlite3.Error:
        connection.close()  # the pool has not taken it yet, and would leave its thread running
        raise


def _begin(connection: Any) -> None:
    # A writer takes the lock at once: one that reads first and writes later would be refused
    # without waiting when somebody else has written in between (SQLITE_BUSY_SNAPSHOT).
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def _faults_named() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise  # a constraint has answered a question; whoever asked it knows what it means
    except (DBAPIError, PoolTimeout, sqlite3.Error, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        _telemetry.warning("the database is away: %s: %s", type(cause).__name__, cause)
        raise away() from error


def away() -> Unavailable:
    """What is said while the database cannot be used."""
    return Unavailable(
        "database.away",
        "Accounts are not reachable at the moment. Spaces that are live go on; "
        "try again in a few seconds.",
        5.0,
    )
