"""A writer appends at once, is alone, never gives an offset out twice, and says how it ended."""

import os
import threading
from pathlib import Path

import msgspec
import pytest

from stentor.errors import Unavailable
from stentor.limits import PART_SAMPLES, PAYLOAD_BYTES_MAX
from stentor.log import Reader, verify
from stentor.record import Cursor, Flag, Kind, Rendition
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


def durable_json(folder: Path) -> dict[str, str]:
    return msgspec.json.decode((folder / "durable.json").read_bytes(), type=dict[str, str])


def test_a_record_says_all_that_was_given(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        header = writer.append(
            Kind.PART,
            b"sound",
            rendition=Rendition.OPUS_LOW,
            flags=Flag.INDEPENDENT | Flag.GAP,
            media_time=960,
            duration=9_600,
        )
        assert (header.kind, header.rendition) == (Kind.PART, Rendition.OPUS_LOW)
        assert header.flags == Flag.INDEPENDENT | Flag.GAP
        assert (header.media_time, header.duration, header.payload_bytes) == (960, 9_600, 5)
        assert header.wall_time == 1_700_000_000_000_000_000
        assert (header.cursor, writer.tail) == (Cursor(1, 0), Cursor(1, 1))
        assert writer.head == header.hash()


def test_a_payload_has_a_longest_length(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        with pytest.raises(ValueError, match="longer than a record may have"):
            writer.append(Kind.EVENT, bytes(PAYLOAD_BYTES_MAX + 1))
        writer.append(Kind.EVENT, bytes(PAYLOAD_BYTES_MAX))
        writer.append(Kind.EVENT, b"")
    assert [len(record.payload) for record in read_all(tmp_path)] == [PAYLOAD_BYTES_MAX, 0]
    assert verify(tmp_path, SPACE).good


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    with open_writer(tmp_path):
        with pytest.raises(Unavailable, match="Another process writes") as refused:
            open_writer(tmp_path)
        assert refused.value.code == "log.locked"
    open_writer(tmp_path).close()


def test_closing_is_final_and_may_be_repeated(tmp_path: Path) -> None:
    before = descriptors()
    writer = open_writer(tmp_path, segment_bytes_max=300)
    parts(writer, 0, 4)
    writer.close()
    writer.close()
    assert descriptors() == before
    for call in (writer.sync, writer.checkpoint, writer.recover):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_durable_is_what_was_synced(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        assert writer.durable == Cursor(1, 0)
        begin(writer)
        head = writer.head
        assert writer.durable == Cursor(1, 0)
        assert writer.sync() == writer.durable == Cursor(1, 4)
        parts(writer, 0, 1)
        assert durable_json(tmp_path) == {"cursor": "1.4", "head": head.hex()}
        writer.checkpoint()
        said = msgspec.json.decode(read_all(tmp_path)[-1].payload)
        assert said["cursor"] == "1.7"
        assert said["durable"] == "1.4"


def test_opening_tells_where_each_rendition_stands(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        assert writer.recovered.last == {}
        begin(writer)
        parts(writer, 0, 5)
        writer.append(
            Kind.PART, b"x", rendition=Rendition.AAC, media_time=5 * PART_SAMPLES, duration=9_216
        )
    with open_writer(tmp_path) as writer:
        assert writer.recovered.records == 20
        assert writer.recovered.cut_bytes == 0
        assert writer.recovered.last == {
            Rendition.OPUS: (5 * PART_SAMPLES, 5),
            Rendition.OPUS_LOW: (5 * PART_SAMPLES, 5),
            Rendition.AAC: (5 * PART_SAMPLES + 9_216, 6),
        }
        assert writer.durable == Cursor(2, 20)


def test_an_offset_is_never_given_out_twice(tmp_path: Path) -> None:
    seen: set[Cursor] = set()
    tail = 0
    for epoch in range(1, 12):
        with open_writer(tmp_path) as writer:
            assert writer.tail == Cursor(epoch, tail)
            headers = [writer.append(Kind.EVENT, b"{}") for _ in range(epoch % 3)]
        if epoch % 2 and headers:  # what the power takes is not given out again either
            path = files(tmp_path)[-1]
            os.truncate(path, path.stat().st_size - 1)
            (tmp_path / "durable.json").unlink()
        tail = len(read_all(tmp_path))
        for header in headers:
            assert header.cursor not in seen
            seen.add(header.cursor)


def test_a_segment_ends_before_it_is_too_long(tmp_path: Path) -> None:
    with open_writer(tmp_path, segment_bytes_max=1_000) as writer:
        parts(writer, 0, 10)
        writer.append(Kind.EVENT, bytes(2_000))
        parts(writer, 10, 1)
        writer.sync()
    sizes = [path.stat().st_size for path in files(tmp_path)]
    assert len([size for size in sizes if size > 1_000]) == 1
    assert verify(tmp_path, SPACE).good
    assert len(read_all(tmp_path)) == 34


def test_a_seal_has_the_totals_and_ends_the_programme(tmp_path: Path) -> None:
    tail = write(tmp_path, count=2)
    seal = msgspec.json.decode(read_all(tmp_path)[-1].payload)
    assert seal["records"] == tail.offset - 1
    assert seal["cursor"] == f"2.{tail.offset - 1}"
    assert seal["parts"] == {"opus": 4, "opus-low": 4, "aac": 4}
    assert seal["bytes"] == {"opus": 360, "opus-low": 360, "aac": 360}
    assert seal["duration_samples"] == 4 * PART_SAMPLES
    assert durable_json(tmp_path)["cursor"] == str(tail)
    with open_writer(tmp_path) as writer:
        assert writer.sealed
        with pytest.raises(ValueError, match="only events"):
            writer.append(Kind.PART, b"x", rendition=Rendition.OPUS)
        with pytest.raises(ValueError, match="only events"):
            writer.checkpoint()
        writer.append(Kind.EVENT, b'{"type":"recording.withdrawn"}')
    assert verify(tmp_path, SPACE).good


def test_syncing_runs_beside_appending(tmp_path: Path) -> None:
    with open_writer(tmp_path, segment_bytes_max=20_000) as writer:
        done = threading.Event()
        synced: list[Cursor] = []

        def keep_syncing() -> None:
            while not done.is_set():
                synced.append(writer.sync())

        thread = threading.Thread(target=keep_syncing)
        thread.start()
        with Reader(tmp_path, SPACE) as reader:
            for number in range(400):
                parts(writer, number, 1)
                reader.refresh()
                assert reader.tail == writer.tail
        done.set()
        thread.join()
        assert synced == sorted(synced)
        assert writer.sync() == Cursor(1, 1_200)
    assert verify(tmp_path, SPACE).good
