"""When the disk refuses, nothing torn is seen, nothing whole is lost, and the log goes on."""

import errno
from pathlib import Path

import pytest

from stentor.errors import Unavailable
from stentor.log import Reader, Writer, verify
from stentor.record import Cursor, Kind
from tests.fakes.failing_disk import FailingDisk
from tests.log.programme import SPACE, begin, files, open_writer, parts, read_all


def started(folder: Path, disk: FailingDisk, segment_bytes_max: int = 2**26) -> Writer:
    writer = open_writer(folder, disk, segment_bytes_max)
    begin(writer)
    parts(writer, 0, 2)
    writer.sync()
    parts(writer, 2, 1)
    return writer


@pytest.mark.parametrize(
    ("error", "code"), [(errno.ENOSPC, "log.disk_full"), (errno.EIO, "log.write_failed")]
)
def test_half_a_record_is_cut_before_anything_else(tmp_path: Path, error: int, code: str) -> None:
    disk = FailingDisk()
    with started(tmp_path, disk) as writer, Reader(tmp_path, SPACE) as reader:
        size = files(tmp_path)[-1].stat().st_size
        disk.fail_next("write", error=error)
        with pytest.raises(Unavailable) as refused:
            parts(writer, 3, 1)
        assert refused.value.code == code
        assert files(tmp_path)[-1].stat().st_size == size
        reader.refresh()
        assert reader.tail == writer.tail == Cursor(1, 13)
        with pytest.raises(Unavailable, match="not recovered yet"):
            parts(writer, 3, 1)
        with pytest.raises(Unavailable, match="not recovered yet"):
            writer.sync()
        assert writer.recover() is writer.recovered
        assert writer.durable == writer.tail == Cursor(2, 13)
        parts(writer, 3, 1)
        reader.refresh()
        assert reader.tail == Cursor(2, 16)
    assert verify(tmp_path, SPACE).good


def test_a_torn_record_that_could_not_be_cut_is_not_seen(tmp_path: Path) -> None:
    disk = FailingDisk(error=errno.EIO)
    with started(tmp_path, disk) as writer, Reader(tmp_path, SPACE) as reader:
        position = files(tmp_path)[-1].stat().st_size
        disk.only, disk.first, disk.last = "", 1, 2  # the write and the cut after it
        disk.calls.clear()
        with pytest.raises(Unavailable):
            parts(writer, 3, 1)
        assert files(tmp_path)[-1].stat().st_size > position
        reader.refresh()
        assert reader.tail == Cursor(1, 13)
        writer.recover()
        parts(writer, 3, 2)
        reader.refresh()
        assert reader.tail == writer.tail == Cursor(2, 19)
    assert verify(tmp_path, SPACE).good


@pytest.mark.parametrize("segment_bytes_max", [2**26, 500])
def test_what_an_fsync_refused_is_copied_and_no_reader_loses_its_place(
    tmp_path: Path, segment_bytes_max: int
) -> None:
    disk = FailingDisk()
    with (
        started(tmp_path, disk, segment_bytes_max) as writer,
        Reader(tmp_path, SPACE) as reader,
    ):
        reader.refresh()
        before = read_all(tmp_path)
        disk.fail_next("sync")
        with pytest.raises(Unavailable) as refused:
            writer.sync()
        assert refused.value.code == "log.write_failed"
        with pytest.raises(Unavailable):
            parts(writer, 3, 1)
        assert writer.durable == Cursor(1, 10)
        writer.recover()
        assert writer.durable == writer.tail == Cursor(2, 13)
        assert not (tmp_path / ".rescued").exists()
        assert any(path.name == "0000000001-00000000000000000010.seg" for path in files(tmp_path))
        reader.refresh()
        assert reader.tail == Cursor(2, 13)
        assert [reader.record(offset) for offset in range(13)] == before == read_all(tmp_path)
        parts(writer, 3, 1)
        reader.refresh()
        assert reader.tail == Cursor(2, 16)
        assert reader.resolve(Cursor(1, 12)) == 12
        writer.sync()
    assert verify(tmp_path, SPACE).good
    with open_writer(tmp_path) as writer:
        assert writer.tail == Cursor(3, 16)


def test_a_copy_that_was_not_finished_with_is_finished_by_opening(tmp_path: Path) -> None:
    """The writer died after the copy had its name and before the old file was cut."""
    disk = FailingDisk()
    with started(tmp_path, disk) as writer:
        disk.fail_next("sync")
        with pytest.raises(Unavailable):
            writer.sync()
        disk.only, disk.first, disk.last = "truncate", 2, 2  # the first cuts a torn tail
        disk.calls.clear()
        with pytest.raises(Unavailable):
            writer.recover()
        before = read_all(tmp_path)
    assert len(before) == 13
    assert verify(tmp_path, SPACE).good
    with open_writer(tmp_path) as writer:
        assert writer.tail == Cursor(2, 13)
    assert read_all(tmp_path) == before
    assert verify(tmp_path, SPACE).good


def test_what_cannot_be_read_back_is_given_up_and_said(tmp_path: Path) -> None:
    disk = FailingDisk()
    with started(tmp_path, disk) as writer, Reader(tmp_path, SPACE) as reader:
        reader.refresh()
        before = read_all(tmp_path)
        disk.fail_next("sync")
        with pytest.raises(Unavailable):
            writer.sync()
        path = files(tmp_path)[-1]
        with path.open("r+b") as file:  # the kernel dropped a page: record 11 came back as zeros
            file.seek(path.stat().st_size - 2 * 218 + 130)
            file.write(bytes(60))
        assert writer.recover().records == 11
        assert writer.tail == Cursor(2, 11)
        parts(writer, 3, 1)
        reader.refresh()
        assert reader.tail == Cursor(2, 14)
        assert reader.resolve(Cursor(1, 13)) == 11
        assert read_all(tmp_path)[:11] == before[:11]
    assert verify(tmp_path, SPACE).good


@pytest.mark.parametrize("call", [2, 3])
def test_what_was_given_up_stays_given_up_when_the_disk_refuses_once_more(
    tmp_path: Path, call: int
) -> None:
    disk = FailingDisk()
    with started(tmp_path, disk) as writer:
        disk.fail_next("sync")
        with pytest.raises(Unavailable):
            writer.sync()
        path = files(tmp_path)[-1]
        with path.open("r+b") as file:  # record 11 came back as zeros
            file.seek(path.stat().st_size - 2 * 218 + 130)
            file.write(bytes(60))
        disk.only, disk.first, disk.last = "sync_folder", call, call  # 1: rescue, 2: restore
        disk.calls.clear()
        with pytest.raises(Unavailable):
            writer.recover()
        assert writer.recover().records == 11
        assert writer.tail == Cursor(2 if call == 2 else 3, 11)
        parts(writer, 3, 1)
        writer.sync()
    assert len(read_all(tmp_path)) == 14
    assert verify(tmp_path, SPACE).good


def test_a_promise_that_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    disk = FailingDisk()
    with started(tmp_path, disk) as writer:
        before = (tmp_path / "durable.json").read_bytes()
        disk.fail_next("rename")
        assert writer.sync() == writer.tail == Cursor(1, 13)
        assert (tmp_path / "durable.json").read_bytes() == before
        assert writer.durable == Cursor(1, 10)
        parts(writer, 3, 1)  # nothing has to recover
        assert writer.sync() == writer.durable == Cursor(1, 16)
        assert b'"1.16"' in (tmp_path / "durable.json").read_bytes()
    assert verify(tmp_path, SPACE).good


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("segment_bytes_max", [2**26, 900])
def test_whichever_call_fails_the_log_goes_on(
    tmp_path: Path, error: int, segment_bytes_max: int
) -> None:
    """Fail the Nth call, for every N until none is left to fail; then N and the one after."""
    failing = 0
    for width in (1, 2):
        first = 1
        while True:
            folder = tmp_path / f"{width}-{first}"
            disk = FailingDisk(first, first + width - 1, error)
            acknowledged, durable = _run(folder, disk, segment_bytes_max)
            records = read_all(folder)
            verdict = verify(folder, SPACE)
            assert verdict.fault is None, (first, width, verdict)
            hashes = {record.header.payload_sha256 for record in records}
            assert acknowledged <= hashes, f"call {first} of {width} lost a record"
            assert durable <= len(records)
            if len(disk.calls) < first:
                break
            failing += 1
            first += 1
    assert failing > 40


def _run(folder: Path, disk: FailingDisk, segment_bytes_max: int) -> tuple[set[bytes], int]:
    """A programme that takes no for "later"; what was acknowledged, and how much was durable."""
    acknowledged: set[bytes] = set()
    writer: Writer | None = None
    steps = 0
    tries = 0
    durable = 0
    while steps < 12:
        tries += 1
        assert tries < 40, "it never recovers"
        try:
            if writer is None:
                writer = open_writer(folder, disk, segment_bytes_max)
            if steps % 4 == 3:
                durable = writer.sync().offset
            else:
                header = writer.append(Kind.EVENT, b"%d" % steps * 200)
                acknowledged.add(header.payload_sha256)
            steps += 1
        except Unavailable:
            if writer is not None:
                try:
                    writer.recover()
                except Unavailable:
                    continue
    assert writer is not None
    writer.close()
    return acknowledged, durable
