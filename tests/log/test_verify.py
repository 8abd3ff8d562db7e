"""A verifier finds every damage, names the first bad record, and lets a good log pass."""

import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stentor.errors import Refused, Unavailable
from stentor.limits import PART_SAMPLES
from stentor.log import Fault, verify
from stentor.record import Cursor, Kind, Rendition
from tests.log.programme import (
    SPACE,
    begin,
    files,
    open_writer,
    parts,
    read_all,
    write,
)


def fault_of(folder: Path, head: str | None = None) -> Fault:
    fault = verify(folder, SPACE, head).fault
    assert fault is not None, "the verifier saw nothing wrong"
    return fault


def places(folder: Path) -> Iterator[tuple[Path, int, int, int]]:
    """File, begin and end of every record, and its offset; -1 for a segment's own header."""
    records = iter(read_all(folder))
    for path in files(folder):
        yield path, 0, 128, -1
        position, size = 128, path.stat().st_size
        while position < size:
            record = next(records)
            end = position + 128 + record.header.payload_bytes
            yield path, position, end, record.header.offset
            position = end


def flip(path: Path, position: int, bit: int = 0) -> None:
    descriptor = os.open(path, os.O_RDWR)
    (byte,) = os.pread(descriptor, 1, position)
    os.pwrite(descriptor, bytes([byte ^ 1 << bit]), position)
    os.close(descriptor)


def test_a_good_log_is_good_and_counted(tmp_path: Path) -> None:
    tail = write(tmp_path, count=5)
    verdict = verify(tmp_path, SPACE)
    assert verdict.good
    assert (verdict.records, verdict.segments, verdict.epochs) == (37, 2, 2)
    assert (verdict.cursor, verdict.sealed) == (str(tail), True)
    for name in ("opus", "opus-low", "aac"):
        counted = verdict.parts[name]
        assert (counted.count, counted.payload_bytes) == (10, 900)
        assert (counted.duration_samples, counted.missing_samples) == (10 * PART_SAMPLES, 0)


def test_holes_in_the_sound_are_counted(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        begin(writer)
        parts(writer, 0, 2)
        parts(writer, 7, 1)
    opus = verify(tmp_path, SPACE).parts["opus"]
    assert opus.missing_samples == 5 * PART_SAMPLES
    assert opus.duration_samples == 8 * PART_SAMPLES


def test_a_flipped_bit_is_found_in_every_byte(tmp_path: Path) -> None:
    """Every byte of the log: segment headers, headers and payloads; and the record is named."""
    write(tmp_path, count=1)
    for path, begins, end, offset in list(places(tmp_path)):
        for position in range(begins, end):
            flip(path, position, position % 8)
            fault = fault_of(tmp_path)
            assert fault.segment == path.name, (position, fault)
            if offset >= 0:
                assert (fault.offset, fault.position) == (offset, begins), (position, fault)
            flip(path, position, position % 8)
    assert verify(tmp_path, SPACE).good


def test_a_header_changed_together_with_its_checksum_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    for path, begins, _, offset in list(places(tmp_path)):
        if offset < 0:
            continue
        data = path.read_bytes()
        header = bytearray(data[begins : begins + 124])
        header[27] ^= 1  # media_time
        forged = bytes(header) + zlib.crc32(header).to_bytes(4, "big")
        path.write_bytes(data[:begins] + forged + data[begins + 128 :])
        fault = fault_of(tmp_path)
        assert fault.offset in {offset, offset + 1}
        path.write_bytes(data)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_cut_at_any_byte_is_found(tmp_path: Path, sealed: bool) -> None:
    """Against the seal's absence, against durable.json, and in the middle of a record."""
    write(tmp_path / "whole", count=1)
    if not sealed:
        shutil.rmtree(tmp_path / "whole")
        with open_writer(tmp_path / "whole") as writer:
            begin(writer)
            parts(writer, 0, 1)
            writer.sync()
    whole = {path.name: path.read_bytes() for path in files(tmp_path / "whole")}
    last = files(tmp_path / "whole")[-1]
    for size in range(last.stat().st_size):
        os.truncate(last, size)
        fault = fault_of(tmp_path / "whole")
        assert fault.segment == last.name
        last.write_bytes(whole[last.name])
    last.unlink()
    if len(whole) > 1:
        assert "missing" in fault_of(tmp_path / "whole").sentence
    else:
        with pytest.raises(Unavailable, match="no segments"):
            verify(tmp_path / "whole", SPACE)


def test_a_cut_at_a_boundary_is_found_by_a_head_that_is_known(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        begin(writer)
        head, cursor = writer.head.hex(), writer.tail
        last = writer.append(Kind.EVENT, b'{"type":"speaking"}')
        later = f"{writer.tail}:{writer.head.hex()}"
    for good in (head, f"{cursor}:{head}", later, last.hash().hex().upper()):
        assert verify(tmp_path, SPACE, good).good
    assert "at 1.5" in fault_of(tmp_path, f"1.5:{head}").sentence
    assert "not in this log" in fault_of(tmp_path, "00" * 32).sentence
    path = files(tmp_path)[0]
    os.truncate(path, path.stat().st_size - 128 - last.payload_bytes)
    assert verify(tmp_path, SPACE).good, "never synced, so nothing in the folder can tell"
    assert "it was cut" in fault_of(tmp_path, later).sentence
    for malformed in ("x", "12", "1.2:", "x:" + head, head[:-2]):
        with pytest.raises(Refused, match="hexadecimal"):
            verify(tmp_path, SPACE, malformed)


def test_records_that_changed_places_are_found(tmp_path: Path) -> None:
    write(tmp_path)
    found = [place for place in places(tmp_path) if place[3] in {7, 8}]
    (path, first, middle, _), (_, _, end, _) = found
    data = path.read_bytes()
    path.write_bytes(data[:first] + data[middle:end] + data[first:middle] + data[end:])
    fault = fault_of(tmp_path)
    assert (fault.offset, fault.position) == (7, first)
    assert "Record 8 stands where record 7 is due" in fault.sentence


def test_a_record_that_was_dropped_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    path, first, end, _ = next(place for place in places(tmp_path) if place[3] == 9)
    data = path.read_bytes()
    path.write_bytes(data[:first] + data[end:])
    fault = fault_of(tmp_path)
    assert (fault.offset, fault.position) == (9, first)
    assert "Record 10 stands where record 9 is due" in fault.sentence


def test_a_record_that_was_put_in_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    path, first, end, _ = next(place for place in places(tmp_path) if place[3] == 9)
    data = path.read_bytes()
    path.write_bytes(data[:end] + data[first:end] + data[end:])
    assert fault_of(tmp_path).offset == 10


def test_segments_that_are_missing_or_renamed_are_found(tmp_path: Path) -> None:
    write(tmp_path, segment_bytes_max=700)
    paths = files(tmp_path)
    hidden = paths[2].rename(tmp_path / "hidden")
    fault = fault_of(tmp_path)
    assert fault.segment == paths[3].name
    assert "is due" in fault.sentence
    hidden.rename(paths[2])
    paths[2].rename(paths[2].with_name("0000000001-00000000000000000008.seg"))
    assert "should be called" in fault_of(tmp_path).sentence


def test_a_payload_from_another_log_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    place = [place for place in places(tmp_path) if place[3] in {4, 5}]
    path = place[0][0]
    data = bytearray(path.read_bytes())
    data[place[0][1] + 128 : place[0][2]] = data[place[1][1] + 128 : place[1][2]]
    path.write_bytes(data)
    fault = fault_of(tmp_path)
    assert fault.offset == 4
    assert fault.sentence == "The payload is not what was written."


@pytest.mark.parametrize(
    ("kind", "payload", "sentence"),
    [
        (Kind.CHECKPOINT, {"cursor": "1.9", "head": "00", "durable": "1.0"}, "it did not"),
        (Kind.CHECKPOINT, {"no": "checkpoint"}, "not a checkpoint"),
        (
            Kind.SEAL,
            {"records": 9, "parts": {}, "bytes": {}, "duration_samples": 0},
            "totals in the seal",
        ),
        (Kind.SEAL, [], "not a seal"),
    ],
)
def test_what_the_log_says_of_itself_is_checked(
    tmp_path: Path, kind: Kind, payload: object, sentence: str
) -> None:
    with open_writer(tmp_path) as writer:
        begin(writer)
        if isinstance(payload, dict) and "records" in payload:
            payload = {"cursor": str(writer.tail), "head": writer.head.hex(), **payload}
        writer.append(kind, msgspec.json.encode(payload))
    fault = fault_of(tmp_path)
    assert sentence in fault.sentence
    assert fault.offset == 4


def test_durable_json_is_checked(tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / "durable.json"
    good = file.read_bytes()
    said = msgspec.json.decode(good)
    file.write_bytes(msgspec.json.encode({**said, "head": "00" * 32}))
    assert "knows another head" in fault_of(tmp_path).sentence
    file.write_bytes(msgspec.json.encode({**said, "cursor": "3.25"}))
    assert "missing" in fault_of(tmp_path).sentence
    file.write_bytes(good[:-4])
    assert "durable.json cannot be read" in fault_of(tmp_path).sentence
    file.unlink()
    assert verify(tmp_path, SPACE).good, "the seal says enough"


def test_an_unsealed_log_without_durable_json_proves_nothing(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        begin(writer)
    (tmp_path / "durable.json").unlink()
    assert "cut off" in fault_of(tmp_path).sentence


def test_sound_after_the_seal_is_found(tmp_path: Path) -> None:
    tail = write(tmp_path)
    with open_writer(tmp_path) as writer:
        writer.sealed = False
        writer.append(Kind.PART, b"more", rendition=Rendition.OPUS)
    fault = fault_of(tmp_path)
    assert fault.offset == tail.offset
    assert "follow the seal" in fault.sentence


def test_another_space_is_not_this_one(tmp_path: Path) -> None:
    write(tmp_path)
    fault = verify(tmp_path, "zzzzzzzzzzzz").fault
    assert fault is not None
    assert "belongs to Space '0123456789ab'" in fault.sentence


def test_a_log_that_is_being_written_is_good(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        for number in range(20):
            parts(writer, number, 1)
            verdict = verify(tmp_path, SPACE)
            assert verdict.good
            assert Cursor.parse(verdict.cursor) == writer.tail
