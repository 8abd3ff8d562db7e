"""The chain: that each header follows from the one before it. Pure."""

import hashlib

from stentor.errors import Corrupt
from stentor.limits import PAYLOAD_BYTES_MAX
from stentor.log.segment import SegmentHeader
from stentor.record import Cursor, Header, decode_header, genesis


class Chain:
    """Where a log stands after the headers seen so far.

    Attributes:
        epoch: of the segment being read; 0 before the first.
        offset: the next record's.
        head: SHA-256 of the last header; of an empty log, what record 0 has as `prev`.
    """

    __slots__ = ("epoch", "head", "offset", "space")

    def __init__(self, space: str) -> None:
        self.space = space
        self.epoch = 0
        self.offset = 0
        self.head = genesis(space)

    @property
    def tail(self) -> Cursor:
        """The cursor after the last record."""
        return Cursor(self.epoch, self.offset)

    def begin(self, segment: SegmentHeader) -> None:
        """Go on in the next segment.

        Raises:
            Corrupt: `log.chain` when it does not follow.
        """
        if segment.space != self.space:
            raise Corrupt("log.chain", f"The segment belongs to Space '{segment.space}'.")
        if segment.base != self.offset:
            raise Corrupt(
                "log.chain",
                f"The segment begins with record {segment.base}; record {self.offset} is due.",
            )
        if segment.epoch < max(1, self.epoch):
            raise Corrupt("log.chain", f"Epoch {segment.epoch} follows epoch {self.epoch}.")
        if segment.prev != self.head:
            raise Corrupt("log.chain", "The segment does not continue the records before it.")
        self.epoch = segment.epoch

    def check(self, data: bytes) -> Header:
        """Read the next record's 128 header bytes; `advance` takes them.

        Raises:
            Corrupt: `record.header` when they are damaged, `log.chain` when they do not follow.
        """
        header = decode_header(data)
        if header.payload_bytes > PAYLOAD_BYTES_MAX:
            raise Corrupt("record.header", "The record claims more payload than a record may have.")
        if header.offset != self.offset:
            raise Corrupt(
                "log.chain", f"Record {header.offset} stands where record {self.offset} is due."
            )
        if header.epoch != self.epoch:
            raise Corrupt(
                "log.chain", f"A record of epoch {header.epoch} in a segment of epoch {self.epoch}."
            )
        if header.prev != self.head:
            raise Corrupt(
                "log.chain",
                "The record does not continue the one before it: one of the two was changed.",
            )
        return header

    def advance(self, data: bytes) -> None:
        """Take the header bytes that were checked."""
        self.head = hashlib.sha256(data).digest()
        self.offset += 1

    def back(self, offset: int, head: bytes | None) -> None:
        """Stand where record `offset` is due, after the header with this hash; None: at first."""
        self.offset = offset
        self.head = genesis(self.space) if head is None else head
