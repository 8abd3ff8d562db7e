"""Opening a log cuts what a crash tore, at every byte, and nothing that was safe."""

import os
import shutil
from pathlib import Path

import pytest

from stentor.errors import Corrupt
from stentor.log import Reader, Writer, verify
from stentor.record import Cursor, Kind, Record
from tests.fakes.still_clock import StillClock
from tests.log.programme import SPACE, begin, files, open_writer, parts, read_all, write


def unsynced(folder: Path, segment_bytes_max: int = 2**26) -> None:
    """A log of 13 records of which the first 10 are known to be durable."""
    with open_writer(folder, segment_bytes_max=segment_bytes_max) as writer:
        begin(writer)
        parts(writer, 0, 2)
        writer.sync()
        parts(writer, 2, 1)


def test_a_tail_torn_at_any_byte_is_cut(tmp_path: Path) -> None:
    unsynced(tmp_path / "whole")
    whole = read_all(tmp_path / "whole")
    (path,) = files(tmp_path / "whole")
    size = path.stat().st_size
    last = 128 + whole[-1].header.payload_bytes
    for missing in range(1, last + 1):
        torn = tmp_path / "torn"
        shutil.copytree(tmp_path / "whole", torn)
        os.truncate(torn / path.name, size - missing)
        with open_writer(torn) as writer:
            assert writer.recovered.cut_bytes == last - missing
            assert writer.recovered.lost == 0
            assert writer.tail == Cursor(2, 12)
            header = writer.append(Kind.EVENT, b'{"type":"later"}')
        assert verify(torn, SPACE).good
        assert read_all(torn)[:-1] == whole[:-1]
        assert read_all(torn)[-1].header == header
        with Reader(torn, SPACE) as reader:
            reader.refresh()
            assert reader.resolve(Cursor(1, 13)) == 12
        shutil.rmtree(torn)


def test_content_that_never_came_is_cut(tmp_path: Path) -> None:
    """After a power cut a file may be as long as it was, with zeros or half of it in there."""
    unsynced(tmp_path)
    (path,) = files(tmp_path)
    whole = read_all(tmp_path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - 3 * (128 + 90) + 128 + 40)
        file.write(bytes(50))  # the second half of record 10's payload; 11 and 12 are there
    with open_writer(tmp_path) as writer:
        assert writer.tail == Cursor(2, 10)
        assert writer.recovered.cut_bytes == 3 * (128 + 90)
    assert read_all(tmp_path) == whole[:10]
    assert verify(tmp_path, SPACE).good


@pytest.mark.parametrize("at", [128 + 4, 128 + 60, 128 + 100, 128 + 128 + 3])
def test_damage_among_what_was_safe_is_not_cut(tmp_path: Path, at: int) -> None:
    unsynced(tmp_path)
    (path,) = files(tmp_path)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff")
    before = path.read_bytes()
    with pytest.raises(Corrupt, match="was safe on disk and is damaged") as refused:
        open_writer(tmp_path)
    assert refused.value.code == "log.corrupt"
    assert path.read_bytes() == before


def test_a_disk_that_lied_is_found_out(tmp_path: Path) -> None:
    unsynced(tmp_path)
    (path,) = files(tmp_path)
    os.truncate(path, path.stat().st_size - 5 * (128 + 90))
    assert not verify(tmp_path, SPACE).good
    with open_writer(tmp_path) as writer:
        assert writer.recovered.lost == 2
        assert writer.tail == Cursor(2, 8)
    assert verify(tmp_path, SPACE).good


def test_a_segment_whose_beginning_never_came_is_removed(tmp_path: Path) -> None:
    unsynced(tmp_path)
    (tmp_path / "0000000002-00000000000000000013.seg").write_bytes(b"STENTOR1")
    with Reader(tmp_path, SPACE) as reader:
        reader.refresh()
        assert reader.tail == Cursor(1, 13)
        with open_writer(tmp_path) as writer:
            assert writer.tail == Cursor(3, 13)  # epoch 2 may have been seen by somebody
            assert not reader.refresh()
            assert reader.tail == Cursor(3, 13)
    assert verify(tmp_path, SPACE).good


def test_a_segment_after_a_hole_is_removed(tmp_path: Path) -> None:
    """The power went between two segments of one epoch: the later one's bytes came first."""
    unsynced(tmp_path, segment_bytes_max=700)
    paths = files(tmp_path)
    reached = [path for path in paths if int(path.stem[-20:]) <= 10]
    os.truncate(reached[-1], 128 + 218)
    with open_writer(tmp_path) as writer:
        assert 10 <= writer.tail.offset < 13
    assert verify(tmp_path, SPACE).good
    assert len(read_all(tmp_path)) == writer.tail.offset


def test_a_missing_segment_among_what_was_safe_is_an_error(tmp_path: Path) -> None:
    unsynced(tmp_path, segment_bytes_max=700)
    files(tmp_path)[1].unlink()
    with pytest.raises(Corrupt, match="was safe on disk"):
        open_writer(tmp_path)


def test_an_empty_epoch_leaves_no_trace_in_the_sound(tmp_path: Path) -> None:
    for _ in range(3):
        open_writer(tmp_path).close()
    with open_writer(tmp_path) as writer:
        begin(writer)
        assert writer.tail == Cursor(4, 4)
    verdict = verify(tmp_path, SPACE)
    assert verdict.good
    assert (verdict.records, verdict.epochs) == (4, 4)


def test_a_damaged_durable_json_is_made_anew(tmp_path: Path) -> None:
    unsynced(tmp_path)
    for damage in (b"", b"{", b'{"cursor": "x", "head": ""}', b'{"cursor": "1.2", "head": "zz"}'):
        (tmp_path / "durable.json").write_bytes(damage)
        with open_writer(tmp_path) as writer:
            assert writer.tail.offset == 13
        assert verify(tmp_path, SPACE).good


def test_who_opens_a_log_is_told_all_but_the_parts(tmp_path: Path) -> None:
    write(tmp_path)
    told: list[Record] = []
    Writer.open(
        tmp_path,
        SPACE,
        StillClock(),
        tell=lambda header, payload: told.append(Record(header, payload)),
    ).close()
    assert told == [record for record in read_all(tmp_path) if record.header.kind is not Kind.PART]


def test_an_erased_log_is_opened_again(tmp_path: Path) -> None:
    write(tmp_path)
    with open_writer(tmp_path) as writer:
        writer.append(Kind.EVENT, b'{"type":"recording.deleted"}')
        writer.erase()
    with open_writer(tmp_path) as writer:
        assert writer.sealed
        assert writer.recovered.cut_bytes == 0
    assert verify(tmp_path, SPACE).good
