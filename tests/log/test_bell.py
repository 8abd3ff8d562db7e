"""A bell rings for what readers wait for, across processes, and nobody looks in vain."""

import os
import resource
import select
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stentor.log import Bell, Reader
from stentor.record import Cursor, Kind
from tests.log.programme import SPACE, begin, descriptors, open_writer, parts


def rings(bell: Bell, timeout_s: float = 0.0) -> bool:
    return bool(select.select([bell], [], [], timeout_s)[0])


def test_it_rings_for_a_change_and_then_is_still(tmp_path: Path) -> None:
    other = tmp_path / "other"
    with open_writer(tmp_path / "log") as writer, Bell() as bell:
        other.mkdir()
        token = bell.watch(tmp_path / "log")
        bell.watch(other)
        assert not rings(bell)
        writer.append(Kind.EVENT, b"{}")
        assert rings(bell)
        assert bell.drain() == {tmp_path / "log"}
        assert not rings(bell)
        assert bell.drain() == set()
        (other / ".card.json.7").write_text("scratch")
        bell.drain()
        (other / ".card.json.7").rename(other / "card.json")
        assert bell.drain() == {other}
        bell.unwatch(token)
        writer.append(Kind.EVENT, b"{}")
        assert bell.drain() == set()


def test_what_only_the_writer_needs_is_not_heard(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer, Bell() as bell:
        writer.append(Kind.EVENT, b"{}")
        bell.watch(tmp_path)
        writer.sync()
        assert bell.drain() == set()


def test_a_folder_that_comes_later_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "spaces" / SPACE / "log"
    with Bell() as bell:
        bell.watch(folder)
        assert bell.drain() == set()
        (tmp_path / "unrelated").mkdir()
        assert bell.drain() == set()
        (tmp_path / "spaces").mkdir()
        assert bell.drain() == set()
        (tmp_path / "spaces" / SPACE).mkdir()
        assert bell.drain() == set()
        folder.mkdir()
        assert bell.drain() == {folder}
        (tmp_path / "unrelated" / "file").touch()
        (folder / "file").touch()
        assert bell.drain() == {folder}


def test_a_path_that_comes_all_at_once_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "log"
    with Bell() as bell:
        bell.watch(folder)
        with open_writer(folder) as writer:
            begin(writer)
            assert rings(bell)
            assert bell.drain() == {folder}
            writer.checkpoint()
            assert bell.drain() == {folder}


def test_a_folder_that_went_and_came_again_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    with Bell() as bell:
        bell.watch(folder)
        folder.rmdir()
        assert bell.drain() == {folder}
        assert bell.drain() == set()
        folder.mkdir()
        assert bell.drain() == {folder}
        folder.rename(tmp_path / "moved")
        assert bell.drain() == {folder}
        (tmp_path / "moved" / "file").touch()
        assert bell.drain() == set()
        folder.mkdir()
        (folder / "file").touch()
        assert bell.drain() == {folder}


def test_a_folder_is_let_go_when_the_last_one_lets_go(tmp_path: Path) -> None:
    with Bell() as bell:
        one, two = bell.watch(tmp_path), bell.watch(tmp_path)
        bell.unwatch(one)
        (tmp_path / "file").touch()
        assert bell.drain() == {tmp_path}
        bell.unwatch(two)
        (tmp_path / "file").write_text("more")
        assert bell.drain() == set()


def test_many_folders_ring_one_bell_and_leave_nothing_behind(tmp_path: Path) -> None:
    before = descriptors()
    with Bell() as bell:
        folders = [tmp_path / f"{number}" for number in range(200)]
        for folder in folders:
            bell.watch(folder)
        for folder in folders[:150]:
            folder.mkdir()
        assert bell.drain() == set(folders[:150])
        for folder in folders:
            bell.unwatch(folder)
        for folder in folders[:150]:
            (folder / "file").touch()
        assert bell.drain() == set()
    assert descriptors() == before


CHILD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from tests.log.programme import begin, open_writer, parts
    with open_writer(Path(sys.argv[1]), segment_bytes_max=2_000) as writer:
        for line in sys.stdin:
            parts(writer, int(line), 1)
            if int(line) % 7 == 0:
                writer.sync()
            print(writer.tail, flush=True)
        writer.seal(0)
    """
)


@pytest.mark.timeout(60)
def test_a_reader_is_woken_by_another_process_and_sleeps_until_then(tmp_path: Path) -> None:
    folder = tmp_path / "later" / "log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stdin
    assert child.stdout
    woken = 0
    with child, Bell() as bell, Reader(folder, SPACE) as reader:
        bell.watch(folder)
        reader.refresh()
        for number in range(60):
            child.stdin.write(f"{number}\n")
            child.stdin.flush()
            tail = Cursor.parse(child.stdout.readline().strip())
            while reader.tail < tail:
                assert rings(bell, 10), "nobody was woken"
                woken += 1
                if bell.drain():
                    reader.refresh()
        # All was read, so nothing is left that could wake us: we sleep, and use no processor.
        while rings(bell):
            assert bell.drain() <= {folder}
        before = resource.getrusage(resource.RUSAGE_SELF)
        assert not rings(bell, 0.2)
        after = resource.getrusage(resource.RUSAGE_SELF)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.02
        child.stdin.close()
        while not reader.sealed:
            assert rings(bell, 10), "nobody was woken"
            if bell.drain():
                reader.refresh()
        assert child.wait(10) == 0
        assert reader.tail == Cursor(1, 181)
    assert woken < 60 * 8, "a bell that rings for nothing is polling"


def test_a_change_between_look_and_watch_is_not_missed(tmp_path: Path) -> None:
    """The rule for callers: watch, then look once, then wait."""
    with Bell() as bell, Reader(tmp_path, SPACE) as reader, open_writer(tmp_path) as writer:
        parts(writer, 0, 1)
        bell.watch(tmp_path)
        reader.refresh()
        assert reader.tail == writer.tail
        assert not rings(bell)
