"""Writing a log: one write at the tail, seen by readers at once; fsync runs behind."""

import hashlib
import logging
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from stentor.clock import Clock
from stentor.errors import Unavailable
from stentor.limits import PAYLOAD_BYTES_MAX, SEGMENT_BYTES_MAX
from stentor.log import payloads
from stentor.log.disk import DURABLE, Disk, lock, publish, put, refuse
from stentor.log.erasure import erase
from stentor.log.recovery import Found, Recovered, Tell, Totals, restore
from stentor.log.rescue import Unsynced, rescue
from stentor.log.segment import SEGMENT_HEADER_BYTES, SegmentHeader, SegmentName
from stentor.record import HEADER_BYTES, RENDITION_NAMES, Cursor, Flag, Header, Kind, Rendition

_telemetry = logging.getLogger(__name__)


class Writer:
    """The one writer of a log; see `open`.

    `append` and `sync` may run in different threads; everything else belongs to one.

    Attributes:
        epoch: which opening of the log this is, from 1.
        tail: the cursor after the last record.
        head: SHA-256 of the last header.
        durable: everything before this cursor is on the medium, by durable.json.
        sealed: whether only events may follow.
        recovered: what was found by `open` or the last `recover`.
    """

    @classmethod
    def open(
        cls,
        folder: Path,
        space: str,
        clock: Clock,
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        disk: Disk | None = None,
        tell: Tell | None = None,
    ) -> Self:
        """Begin a log, or go on with one: cut a torn tail, begin a new epoch and segment.

        Args:
            segment_bytes_max: size after which a new segment begins.
            disk: what to write with; tests hand in one that fails.
            tell: is given each record but parts that is there already, in order.

        Raises:
            Unavailable: `log.locked` while another writer has it; `log.disk_full`,
                `log.write_failed`.
            Corrupt: `log.corrupt` when records are damaged that had been safe.
        """
        disk = disk or Disk()
        held = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = lock(folder)
            found = restore(folder, space, disk, tell)
            return cls(folder, clock, held, found, segment_bytes_max, disk)
        except OSError as error:
            _close(held)
            refuse(error, f"The log in {folder} cannot be opened for writing")
        except BaseException:
            _close(held)
            raise

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        held: int,
        found: Found,
        segment_bytes_max: int,
        disk: Disk,
    ) -> None:
        self._folder = folder
        self._space = found.chain.space
        self._clock = clock
        self._lock_descriptor = held
        self._segment_bytes_max = segment_bytes_max
        self._disk = disk
        self._appending = threading.RLock()
        self._syncing = threading.RLock()
        self._failed: str | None = None
        self._files: list[Unsynced] = []
        self._silent = False  # whether durable.json could not be replaced the last time
        self._cut = False  # whether records were given up, and memory still counts them
        self._epoch_tried = 0
        self._offset = 0
        self._totals: dict[Rendition, Totals] = {}
        self.epoch = 0
        self.head = b""
        self.durable = Cursor(0, 0)
        self.sealed = False
        self.recovered = Recovered()
        self._restored(found)
        self._new_epoch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tail(self) -> Cursor:
        """The cursor after the last record."""
        return Cursor(self.epoch, self._offset)

    def append(
        self,
        kind: Kind,
        payload: bytes,
        *,
        rendition: Rendition = Rendition.NONE,
        flags: Flag = Flag.NONE,
        media_time: int = 0,
        duration: int = 0,
    ) -> Header:
        """Write a record at the tail with one write(2); readers can have it when this returns.

        Args:
            payload: at most PAYLOAD_BYTES_MAX bytes.
            media_time: samples at 48 kHz since the programme began.
            duration: samples at 48 kHz; 0 for all but parts.

        Raises:
            ValueError: the payload is too long, or the log is sealed and this is no event.
            Unavailable: `log.disk_full` or `log.write_failed`: nothing was written, and nothing
                will be until `recover()` has succeeded.
        """
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"a payload of {len(payload)} bytes is longer than a record may have")
        with self._appending:
            self._usable()
            if self.sealed and kind is not Kind.EVENT:
                raise ValueError("only events may follow the seal")
            end = self._files[-1].end + HEADER_BYTES + len(payload)
            if end > self._segment_bytes_max and self._files[-1].end > SEGMENT_HEADER_BYTES:
                self._roll()
            header = Header(
                kind=kind,
                rendition=rendition,
                flags=flags,
                epoch=self.epoch,
                offset=self._offset,
                media_time=media_time,
                duration=duration,
                wall_time=self._clock.wall_time(),
                payload_bytes=len(payload),
                payload_sha256=hashlib.sha256(payload).digest(),
                prev=self.head,
            )
            self._put(header, payload)
            return header

    def sync(self) -> Cursor:
        """Wait until all records are on the medium, and say so in durable.json.

        A durable.json that cannot be replaced promises less than is true, which harms nobody: the
        next sync tries again.

        Returns:
            The cursor before which everything is durable.

        Raises:
            Unavailable: as `append`. After a failed fsync the file is not trusted any more.
        """
        with self._syncing:
            with self._appending:
                self._usable()
                tail, head = self.tail, self.head
                waiting = [(file, file.end) for file in self._files]
            if tail == self.durable:
                return tail
            try:
                for file, _ in waiting:
                    self._disk.sync(file.descriptor)
                if len(waiting) > 1:  # a segment was begun since, and its name must last too
                    self._disk.sync_folder(self._folder)
            except OSError as error:
                with self._appending:
                    self._failed = "sync"
                refuse(error, f"The disk did not keep what was written to {self._folder}")
            with self._appending:
                for file, _ in waiting[:-1]:
                    os.close(file.descriptor)
                    self._files.remove(file)
                waiting[-1][0].synced = waiting[-1][1]
            try:
                publish(self._folder, tail, head, self._disk)
                self.durable, self._silent = tail, False
            except OSError as error:
                if not self._silent:
                    _telemetry.warning("%s/%s stays as it is: %s", self._folder, DURABLE, error)
                self._silent = True
            return tail

    def checkpoint(self) -> Header:
        """Append a checkpoint: the chain so far, and what is durable."""
        with self._appending:
            said = payloads.Checkpoint(str(self.tail), self.head.hex(), str(self.durable))
            return self.append(Kind.CHECKPOINT, payloads.encode(said))

    def seal(self, duration_samples: int) -> Header:
        """Append the seal with the log's totals, and make everything durable.

        Args:
            duration_samples: length of the programme at 48 kHz.
        """
        with self._appending:
            names = {number: name for name, number in RENDITION_NAMES.items()}
            said = payloads.Seal(
                cursor=str(self.tail),
                head=self.head.hex(),
                records=self._offset,
                parts={names[key]: of.parts for key, of in self._totals.items()},
                bytes={names[key]: of.payload_bytes for key, of in self._totals.items()},
                duration_samples=duration_samples,
            )
            header = self.append(Kind.SEAL, payloads.encode(said))
        self.sync()
        return header

    def erase(self) -> None:
        """Overwrite the payloads of all init and part records with zeros, for good.

        Headers stay, so that the rest still verifies. Append the `recording.deleted` event first:
        without it, a verifier calls the erased payloads damaged. May be repeated after a crash.

        Raises:
            ValueError: the log is not sealed.
            Unavailable: as `append`.
        """
        if not self.sealed:
            raise ValueError("only a sealed log is erased")
        self.sync()
        with self._syncing, self._appending:
            try:
                erase(self._folder, self._disk)
            except OSError as error:
                refuse(error, f"The recording in {self._folder} could not be erased; try again")

    def recover(self) -> Recovered:
        """Go on after a failed write or fsync: save what is whole, then begin a new epoch.

        A torn record is cut. After a failed fsync the records it was about are copied into a new
        file (see `rescue`). Nothing is done when nothing has failed.

        Raises:
            Unavailable: the disk still refuses. Try again later; nothing is lost by trying.
        """
        with self._syncing, self._appending:
            if self._failed is None:
                return self.recovered
            if self._failed == "closed":
                raise ValueError("the log is closed")
            try:
                self._save()
                self._new_epoch()
            except OSError as error:
                refuse(error, f"The log in {self._folder} cannot go on yet")
            self._failed = None
            return self.recovered

    def close(self) -> None:
        """Let go of the log; nothing is synced. May be called twice."""
        with self._syncing, self._appending:
            self._failed = "closed"
            for file in self._files:
                os.close(file.descriptor)
            self._files.clear()
            _close(self._lock_descriptor)
            self._lock_descriptor = -1

    def _usable(self) -> None:
        match self._failed:
            case None:
                return
            case "closed":
                raise ValueError("the log is closed")
            case _:
                raise Unavailable(
                    "log.write_failed", f"The log in {self._folder} has not recovered yet."
                )

    def _put(self, header: Header, payload: bytes) -> None:
        """Write one record, or nothing of it."""
        file, data = self._files[-1], header.encode()
        try:
            written = put(self._disk, file.descriptor, data + payload, file.end)
        except OSError as error:
            self._failed = "write"
            with suppress(OSError):  # what cannot be cut now is cut by recover(), before all else
                self._disk.truncate(file.descriptor, file.end)
            refuse(error, f"A record could not be written to {self._folder}")
        file.end += written
        self.head = hashlib.sha256(data).digest()
        self._offset += 1
        if header.kind is Kind.PART:
            self._totals.setdefault(header.rendition, Totals()).add(header)
        self.sealed = self.sealed or header.kind is Kind.SEAL

    def _roll(self) -> None:
        """Begin a further segment in this epoch; the next sync is for both."""
        try:
            self._files.append(self._segment(self.epoch))
        except OSError as error:
            self._failed = "write"
            refuse(error, f"A segment could not be begun in {self._folder}")

    def _segment(self, epoch: int) -> Unsynced:
        name = SegmentName(epoch, self._offset)
        path = self._folder / str(name)
        begin = SegmentHeader(
            epoch, self._offset, self._clock.wall_time(), self.head, self._space
        ).encode()
        descriptor = self._disk.create(path)
        try:
            put(self._disk, descriptor, begin, 0)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
        return Unsynced(path, descriptor, 0, len(begin))

    def _new_epoch(self) -> None:
        """Begin an epoch after what is whole and synced.

        The segment is on the medium before the first record goes into it, so that after a power
        cut this epoch is known, and its offsets are not given out again.
        """
        self._epoch_tried += 1
        file = self._segment(self._epoch_tried)
        try:
            self._disk.sync(file.descriptor)
            self._disk.sync_folder(self._folder)
            file.synced = file.end
            publish(self._folder, Cursor(self._epoch_tried, self._offset), self.head, self._disk)
        except OSError:
            os.close(file.descriptor)
            with suppress(OSError):
                file.path.unlink()
            raise
        self._files = [file]
        self.epoch = self._epoch_tried
        self.durable = self.tail

    def _save(self) -> None:
        """Bring everything whole onto the medium, and let go of the files of this epoch."""
        if self._files:
            self._disk.truncate(self._files[-1].descriptor, self._files[-1].end)
        while self._files:
            file = self._files[0]
            if self._failed == "write":
                try:
                    self._disk.sync(file.descriptor)
                except OSError:
                    self._failed = "sync"
                    raise
            elif not self._cut:
                self._cut = not rescue(file, self._space, self._disk)
            os.close(file.descriptor)
            del self._files[0]
        if self._cut:
            self._restored(restore(self._folder, self._space, self._disk))
            self._cut = False

    def _restored(self, found: Found) -> None:
        self.head = found.chain.head
        self.sealed = found.sealed
        self._offset = found.chain.offset
        self._totals = found.totals
        self._epoch_tried = max(found.epoch, self._epoch_tried)
        self.recovered = found.recovered()


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
