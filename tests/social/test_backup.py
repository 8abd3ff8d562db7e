"""Backups: whole, consistent while others write, closed to others, never overwriting."""

import os
import sqlite3
import stat
import tarfile
import threading
from pathlib import Path

import pytest

from stentor import social
from stentor.errors import Refused, Unavailable
from stentor.paths import Paths
from stentor.social import Database

SPACE = "0123456789ab"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "data")
    made.create()
    (made.data / "stentor.toml").write_text('listen = "127.0.0.1:8080"\n')
    log = made.log(SPACE)
    log.mkdir(parents=True)
    for name in ["0000000001-00000000000000000000.seg", "0000000001-00000000000000000500.seg"]:
        (log / name).write_bytes(os.urandom(300_000))
    (log / "durable.json").write_text('{"cursor": "1.700", "head": ""}')
    (log / "writer.lock").touch()
    made.card(SPACE).write_text("{}")
    (made.space(SPACE) / ".card.json.17").write_text("half")
    made.secret("owner")
    return made


async def fill(paths: Paths) -> None:
    database = Database(paths.database)
    assert await database.answers()
    await database.close()


EXPECTED = [
    "stentor.toml",
    "stentor.db",
    f"spaces/{SPACE}/log/durable.json",
    f"spaces/{SPACE}/log/0000000001-00000000000000000000.seg",
    f"spaces/{SPACE}/log/0000000001-00000000000000000500.seg",
    f"spaces/{SPACE}/card.json",
]


async def test_an_archive_holds_everything_but_secrets_in_order(
    paths: Paths, tmp_path: Path
) -> None:
    await fill(paths)
    target = tmp_path / "backup.tar"
    said: list[str] = []
    social.backup(paths, target, progress=said.append)
    assert said[-1].endswith(str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with tarfile.open(target) as tar:
        assert tar.getnames() == EXPECTED
        assert {entry.mode for entry in tar} == {0o600}
        tar.extractall(tmp_path / "restored", filter="data")
    for name in EXPECTED:
        if name != "stentor.db":
            assert (tmp_path / "restored" / name).read_bytes() == (paths.data / name).read_bytes()
    restored = Database(tmp_path / "restored" / "stentor.db")
    assert await restored.answers()
    await restored.close()


async def test_a_folder_holds_the_same(paths: Paths, tmp_path: Path) -> None:
    await fill(paths)
    social.backup(paths, tmp_path / "backup", include_secrets=True)
    names = {
        str(path.relative_to(tmp_path / "backup"))
        for path in (tmp_path / "backup").rglob("*")
        if path.is_file()
    }
    assert names == {*EXPECTED, "secrets/owner"}
    for path in [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["there.tar", "there"])
def test_nothing_is_overwritten(paths: Paths, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(Refused) as refused:
        social.backup(paths, tmp_path / name)
    assert refused.value.code == "backup.exists"
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("name", ["backup.tar", "backup"])
def test_a_backup_that_fails_leaves_nothing_behind(paths: Paths, tmp_path: Path, name: str) -> None:
    paths.database.write_bytes(b"this is not a database" * 100)
    with pytest.raises(Unavailable) as failed:
        social.backup(paths, tmp_path / name)
    assert failed.value.code == "backup.failed"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_data_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as failed:
        social.backup(Paths(tmp_path / "nowhere"), tmp_path / "backup.tar")
    assert failed.value.code == "backup.failed"


async def test_segments_that_grow_and_a_database_in_use_do_not_disturb(
    paths: Paths, tmp_path: Path
) -> None:
    await fill(paths)
    enough = threading.Event()
    segment = paths.log(SPACE) / "0000000001-00000000000000000500.seg"

    def write() -> None:
        connection = sqlite3.connect(paths.database, timeout=5)
        number = 0
        with segment.open("ab", buffering=0) as file:
            while not enough.is_set():
                file.write(b"x" * 4_096)
                number += 1
                # Two rows in each transaction: a backup has both or neither.
                with connection:
                    for twin in "ab":
                        row = (f"{twin}{number}", "a", "h", number)
                        connection.execute("INSERT INTO spaces VALUES (?, ?, ?, ?)", row)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            social.backup(paths, tmp_path / f"{number}.tar")
    finally:
        enough.set()
        writer.join()
    for number in range(3):
        with tarfile.open(tmp_path / f"{number}.tar") as tar:
            tar.extractall(tmp_path / str(number), filter="data")
        copied = (tmp_path / str(number) / segment.relative_to(paths.data)).read_bytes()
        assert segment.read_bytes().startswith(copied)
        connection = sqlite3.connect(tmp_path / str(number) / "stentor.db")
        odd = "SELECT created_at_ms FROM spaces GROUP BY created_at_ms HAVING count(*) <> 2"
        assert connection.execute(odd).fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
