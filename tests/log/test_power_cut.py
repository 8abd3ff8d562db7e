"""On real filesystems: the power goes, and the disk is full."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stentor.errors import Unavailable
from stentor.log import Reader, Writer, verify
from stentor.record import Cursor, Kind
from tests.log.programme import SPACE, begin, open_writer, parts, read_all

SHUTDOWN = 0x8004587D
"""ioctl(2) of ext4: the filesystem stops at once, as if its machine had lost power."""
NO_FLUSH = struct.pack("I", 2)


class Volume:
    """A small filesystem in a file, whose power can be cut."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._image = folder / "image"
        self.place = folder / "volume"
        self.place.mkdir()
        with self._image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        self._run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self.mount()

    def mount(self) -> None:
        self._run("mount", "-o", "loop", str(self._image), str(self.place))

    def unmount(self) -> None:
        self._run("umount", str(self.place))

    def let_go(self) -> None:
        """Unmount, even when a test that failed still has files open."""
        self._run("umount", "--lazy", str(self.place))

    def cut_the_power(self) -> None:
        """What was not synced is gone; the filesystem then comes back by its journal."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, NO_FLUSH)
        finally:
            os.close(descriptor)
        self.unmount()
        self.mount()

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    if os.geteuid() != 0:
        pytest.skip("mounting a filesystem to cut its power needs root")
    if not Path("/dev/loop-control").exists():
        pytest.skip("this kernel has no loop devices to mount a filesystem from")
    try:
        made = Volume(tmp_path, 24)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this system does not mount a filesystem: {error.stderr.decode()}")
    except FileNotFoundError as error:
        pytest.skip(f"this system has no {error.filename}")
    try:
        yield made
    finally:
        made.let_go()


@pytest.mark.parametrize("segment_bytes_max", [2**26, 2_000])
def test_what_was_called_durable_outlasts_the_power(volume: Volume, segment_bytes_max: int) -> None:
    folder = volume.place / "log"
    given_out: set[Cursor] = set()
    durable: dict[int, bytes] = {}
    lost = 0
    for outage in range(6):
        writer = open_writer(folder, segment_bytes_max=segment_bytes_max)
        assert writer.recovered.lost == 0
        for round_ in range(outage % 3 + 1):
            parts(writer, outage * 10 + round_, 3)
            writer.sync()
        parts(writer, outage * 10 + 5, outage + 1)  # never synced
        tail, synced = writer.tail, writer.durable
        with Reader(folder, SPACE) as reader:
            reader.refresh()
            for header in reader.headers():
                if header.epoch == writer.epoch:
                    assert header.cursor not in given_out, "an offset was given out twice"
                    given_out.add(header.cursor)
                if header.offset < synced.offset:
                    durable[header.offset] = header.hash()
        writer.close()  # which syncs nothing; a descriptor would keep the volume mounted
        volume.cut_the_power()
        kept = len(read_all(folder))
        assert synced.offset <= kept <= tail.offset
        lost += tail.offset - kept
        with Reader(folder, SPACE) as reader:
            reader.refresh()
            assert all(reader.header(at).hash() == digest for at, digest in durable.items())
            assert reader.resolve(tail) <= kept
    assert lost > 0, "the power cut took nothing, so this test proved nothing"
    with open_writer(folder) as writer:
        parts(writer, 99, 1)
        writer.seal(0)
    assert verify(folder, SPACE).good


def test_a_new_epoch_outlasts_the_power_before_its_first_record(volume: Volume) -> None:
    folder = volume.place / "log"
    with open_writer(folder) as writer:
        begin(writer)
        writer.sync()
    for epoch in range(2, 6):
        writer = open_writer(folder)
        assert writer.tail == Cursor(epoch, 4)
        writer.close()
        volume.cut_the_power()
    assert verify(folder, SPACE).good


def test_a_deleted_recording_stays_deleted(volume: Volume) -> None:
    folder = volume.place / "log"
    with open_writer(folder) as writer:
        begin(writer)
        parts(writer, 0, 3)
        writer.seal(0)
        writer.append(Kind.EVENT, b'{"type":"recording.deleted"}')
        writer.erase()
    volume.cut_the_power()
    verdict = verify(folder, SPACE)
    assert verdict.good
    assert verdict.withheld == 12


def test_a_full_disk_stops_the_log_until_there_is_room(volume: Volume) -> None:
    folder = volume.place / "log"
    filler = volume.place / "filler"
    with open_writer(folder) as writer, Reader(folder, SPACE) as reader:
        begin(writer)
        writer.sync()
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(2**16))
        appended, recovered = 4, True
        while recovered:  # what is cut makes room for a few more blocks, until there are none
            with pytest.raises(Unavailable) as refused:
                while True:
                    appended = writer.append(Kind.EVENT, bytes(5_000)).offset + 1
            assert refused.value.code == "log.disk_full"
            recovered = _recovers(writer)
        assert not _recovers(writer)
        reader.refresh()
        assert reader.tail.offset == writer.tail.offset == appended
        filler.unlink()
        writer.recover()
        writer.append(Kind.EVENT, b"{}")
        writer.sync()
        reader.refresh()
        assert reader.tail == writer.durable
        assert reader.tail.offset == appended + 1
        epoch = writer.epoch
    assert verify(folder, SPACE).good
    volume.cut_the_power()
    assert verify(folder, SPACE).good
    with open_writer(folder) as writer:
        assert writer.epoch == epoch + 1


def _recovers(writer: Writer) -> bool:
    try:
        writer.recover()
    except Unavailable as refused:
        assert refused.code == "log.disk_full"
        return False
    return True


def test_a_disk_that_dies_under_the_writer_is_said(volume: Volume) -> None:
    folder = volume.place / "log"
    writer = open_writer(folder)
    begin(writer)
    writer.sync()
    parts(writer, 0, 1)
    descriptor = os.open(volume.place, os.O_RDONLY)
    fcntl.ioctl(descriptor, SHUTDOWN, NO_FLUSH)
    os.close(descriptor)
    with pytest.raises(Unavailable) as refused:
        writer.sync()
    assert refused.value.code == "log.write_failed"
    with pytest.raises(Unavailable):
        parts(writer, 1, 1)
    with pytest.raises(Unavailable):
        writer.recover()
    assert writer.durable == Cursor(1, 4)
    writer.close()
    volume.cut_the_power()
    assert len(read_all(folder)) >= 4
    with open_writer(folder) as again:
        assert again.recovered.lost == 0
    assert verify(folder, SPACE).good
