"""A reader sees what is whole, at once, and nothing else."""

import os
from pathlib import Path

import pytest

from stentor.errors import Corrupt
from stentor.limits import PART_SAMPLES, READ_BYTES_MAX
from stentor.log import Reader
from stentor.record import Cursor, Kind, Rendition
from tests.log.programme import (
    SPACE,
    begin,
    descriptors,
    files,
    open_writer,
    parts,
    read_all,
    write,
)


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    with Reader(folder, SPACE) as reader:
        assert not reader.refresh()
        assert (str(reader.tail), reader.sealed, reader.read(0)) == ("0.0", False, [])
        folder.mkdir(parents=True)
        assert not reader.refresh()
        with open_writer(folder) as writer:
            assert not reader.refresh()
            assert reader.tail == writer.tail == Cursor(1, 0)
            begin(writer)
            assert reader.refresh()
            assert not reader.refresh()
            assert reader.tail == writer.tail
            assert reader.head == writer.head


def test_every_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer, Reader(tmp_path, SPACE) as reader:
        header = writer.append(
            Kind.PART, b"sound", rendition=Rendition.AAC, media_time=-5, duration=9_600
        )
        reader.refresh()
        record = reader.record(0)
        assert (record.header, record.payload) == (header, b"sound")
        assert reader.header(0) == header
        assert header.hash() == reader.head
        for offset in (-1, 1):
            with pytest.raises(IndexError):
                reader.record(offset)
            with pytest.raises(IndexError):
                reader.header(offset)
        with pytest.raises(ValueError, match="begin at 0"):
            reader.read(-1)


@pytest.mark.parametrize("segment_bytes_max", [300, 1_000, 2**26])
def test_segments_and_epochs_are_one_log(tmp_path: Path, segment_bytes_max: int) -> None:
    tail = write(tmp_path, segment_bytes_max=segment_bytes_max)
    records = read_all(tmp_path)
    assert [record.header.offset for record in records] == list(range(tail.offset))
    with Reader(tmp_path, SPACE) as reader:
        while reader.refresh(records_max=3):
            pass
        assert (reader.tail, reader.sealed) == (tail, True)
        assert list(reader.headers()) == [record.header for record in records]
        events = [record.header for record in records if record.header.kind is Kind.EVENT]
        assert list(reader.headers(kind=Kind.EVENT)) == events
        assert list(reader.headers(2, 5)) == [record.header for record in records[2:5]]
        assert [record.header.offset for record in reader.read(3, 4)] == [3, 4, 5, 6]
        opus = reader.parts(Rendition.OPUS)
        assert len(opus) == 6
        assert opus.media_time_end == 6 * PART_SAMPLES
        for number, offset in enumerate(opus.offset):
            header = records[offset].header
            assert (header.kind, header.rendition) == (Kind.PART, Rendition.OPUS)
            assert (header.media_time, header.duration) == (
                opus.media_time[number],
                opus.duration[number],
            )
        newest = reader.latest(Kind.PART, Rendition.OPUS)
        assert newest == records[opus.offset[-1]]
        assert reader.latest(Kind.SEAL) == records[-1]
        assert reader.latest(Kind.INIT, Rendition.NONE) is None


def test_columns_grow_with_the_log(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer, Reader(tmp_path, SPACE) as reader:
        opus = reader.parts(Rendition.OPUS)
        parts(writer, 0, 2)
        assert len(opus) == 0
        reader.refresh()
        assert len(opus) == 2


def test_a_record_is_not_seen_before_its_last_byte(tmp_path: Path) -> None:
    write(tmp_path / "whole")
    (path, *_) = files(tmp_path / "whole")
    data = path.read_bytes()
    partial = tmp_path / "partial"
    partial.mkdir()
    ends = []
    with Reader(partial, SPACE) as reader, (partial / path.name).open("wb", buffering=0) as file:
        for end, byte in enumerate(data, 1):
            file.write(bytes([byte]))
            if reader.refresh():
                ends.append(end)
    whole = read_all(tmp_path / "whole")[: len(ends)]
    sizes = [128 + record.header.payload_bytes for record in whole]
    assert ends == [128 + sum(sizes[: number + 1]) for number in range(len(sizes))]
    assert ends[-1] == len(data)


def test_pages_that_are_there_before_their_content_are_not_seen(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer, Reader(tmp_path, SPACE) as reader:
        begin(writer)
        parts(writer, 0, 1)
        reader.refresh()
        before = reader.tail
        (path,) = files(tmp_path)
        size = path.stat().st_size
        header = writer.append(Kind.PART, b"late" * 30, rendition=Rendition.OPUS)
        data = path.read_bytes()
        with path.open("r+b", buffering=0) as file:
            for gone in (size, size + 128, len(data) - 1):
                os.pwrite(file.fileno(), bytes(len(data) - gone), gone)
                assert not reader.refresh()
                assert reader.tail == before
                os.pwrite(file.fileno(), data[gone:], gone)
        assert reader.refresh()
        assert reader.tail == header.next


def test_a_read_is_bounded_in_number_and_in_bytes(tmp_path: Path) -> None:
    big = os.urandom(200_000)
    with (
        open_writer(tmp_path, segment_bytes_max=2**21) as writer,
        Reader(tmp_path, SPACE) as reader,
    ):
        for _ in range(30):
            writer.append(Kind.EVENT, big)
        reader.refresh()
        taken = reader.read(0)
        assert len(taken) == READ_BYTES_MAX // (128 + len(big))
        assert len(reader.read(0, 3)) == 3
        assert reader.read(29)[0].payload == big


def test_a_damaged_payload_is_not_handed_on(tmp_path: Path) -> None:
    write(tmp_path)
    (path, *_) = files(tmp_path)
    with path.open("r+b") as file:
        file.seek(128 + 128 + 5)
        file.write(b"X")
    with Reader(tmp_path, SPACE) as reader:
        reader.refresh()
        with pytest.raises(Corrupt, match="Record 0 is not what was written"):
            reader.read(0)
        assert reader.record(1).header.kind is Kind.INIT


def test_a_log_of_another_space_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with Reader(tmp_path, "zzzzzzzzzzzz") as reader, pytest.raises(Corrupt, match="belongs to"):
        reader.refresh()


def test_many_segments_need_few_descriptors(tmp_path: Path) -> None:
    with open_writer(tmp_path, segment_bytes_max=200) as writer:
        parts(writer, 0, 30)
    before = descriptors()
    with Reader(tmp_path, SPACE) as reader:
        reader.refresh()
        assert len(files(tmp_path)) > 80
        for offset in range(reader.tail.offset):
            reader.record(offset)
        assert descriptors() - before <= 4
    assert descriptors() == before
