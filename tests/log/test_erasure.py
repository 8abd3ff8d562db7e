"""Erasing takes the sound away and leaves the proof that there was one."""

import os
from pathlib import Path

import pytest

from stentor.errors import Corrupt, Unavailable
from stentor.log import Reader, verify
from stentor.record import Kind
from tests.fakes.failing_disk import FailingDisk
from tests.log.programme import SPACE, begin, files, open_writer, read_all, sound, write


def test_no_sound_is_left_and_all_else_verifies(tmp_path: Path) -> None:
    write(tmp_path)
    before = read_all(tmp_path)
    with open_writer(tmp_path) as writer, Reader(tmp_path, SPACE) as reader:
        reader.refresh()
        event = writer.append(Kind.EVENT, b'{"type":"recording.deleted"}')
        writer.erase()
        writer.erase()
        reader.refresh()
        assert list(reader.headers()) == [*(record.header for record in before), event]
        for record in before:
            if record.header.kind in {Kind.INIT, Kind.PART}:
                with pytest.raises(Corrupt, match="not what was written"):
                    reader.record(record.header.offset)
            else:
                assert reader.record(record.header.offset) == record
    data = b"".join(path.read_bytes() for path in files(tmp_path))
    assert not any(sound(number)[:16] in data for number in range(30))
    verdict = verify(tmp_path, SPACE)
    assert verdict.good
    assert verdict.withheld == 3 + 18


@pytest.mark.parametrize("segment_bytes_max", [300, 1_000])
def test_a_log_of_many_segments_is_read_to_its_end(tmp_path: Path, segment_bytes_max: int) -> None:
    write(tmp_path, segment_bytes_max=segment_bytes_max)
    with open_writer(tmp_path, segment_bytes_max=segment_bytes_max) as writer:
        event = writer.append(Kind.EVENT, b'{"type":"recording.deleted"}')
        writer.erase()
        with Reader(tmp_path, SPACE) as reader:
            assert reader.refresh()
            assert reader.tail == writer.tail
            assert reader.sealed
            assert reader.record(event.offset).header == event
        with Reader(tmp_path, SPACE) as reader:
            while reader.refresh(records_max=2):
                pass
            assert reader.tail == writer.tail


def test_sound_that_went_without_a_word_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path)
    with open_writer(tmp_path) as writer:
        writer.erase()
    verdict = verify(tmp_path, SPACE)
    assert verdict.fault is not None
    assert (verdict.fault.offset, verdict.withheld) == (1, 0)
    assert "was erased, but no event says" in verdict.fault.sentence


def test_only_a_sealed_log_is_erased(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        begin(writer)
        with pytest.raises(ValueError, match="only a sealed log"):
            writer.erase()


def test_an_erasure_that_failed_is_repeated(tmp_path: Path) -> None:
    write(tmp_path)
    disk = FailingDisk()
    with open_writer(tmp_path, disk) as writer:
        writer.append(Kind.EVENT, b'{"type":"recording.deleted"}')
        writer.sync()
        disk.fail_next("write")
        with pytest.raises(Unavailable, match="could not be erased"):
            writer.erase()
        writer.erase()
    assert verify(tmp_path, SPACE).withheld == 21


def test_damage_in_an_erased_log_is_still_damage(tmp_path: Path) -> None:
    write(tmp_path)
    with open_writer(tmp_path) as writer:
        writer.append(Kind.EVENT, b'{"type":"recording.deleted"}')
        writer.erase()
    path = files(tmp_path)[0]
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b"X", path.stat().st_size - 5)  # within the checkpoint
    os.close(descriptor)
    fault = verify(tmp_path, SPACE).fault
    assert fault is not None
    assert fault.offset == 13
