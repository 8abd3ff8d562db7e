"""A chain takes what follows and nothing else."""

import dataclasses
import hashlib

import msgspec
import pytest

from stentor.errors import Corrupt
from stentor.log.chain import Chain
from stentor.log.segment import SegmentHeader
from stentor.record import Flag, Header, Kind, Rendition, genesis

SPACE = "0123456789ab"
FIRST = SegmentHeader(1, 0, 0, genesis(SPACE), SPACE)


def header(chain: Chain, **changes: object) -> Header:
    due = Header(
        Kind.EVENT,
        Rendition.NONE,
        Flag.NONE,
        chain.epoch,
        chain.offset,
        0,
        0,
        0,
        0,
        hashlib.sha256(b"").digest(),
        chain.head,
    )
    return msgspec.structs.replace(due, **changes)


def begun(records: int = 0) -> Chain:
    chain = Chain(SPACE)
    chain.begin(FIRST)
    for _ in range(records):
        data = header(chain).encode()
        chain.check(data)
        chain.advance(data)
    return chain


def test_the_head_is_the_hash_of_the_last_header() -> None:
    chain = begun(1)
    last = header(chain)
    chain.check(last.encode())
    chain.advance(last.encode())
    assert chain.head == last.hash()
    assert str(chain.tail) == "1.2"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"offset": 4}, "Record 4 stands where record 3 is due"),
        ({"offset": 2}, "Record 2 stands where record 3 is due"),
        ({"epoch": 2}, "epoch 2 in a segment of epoch 1"),
        ({"prev": bytes(32)}, "one of the two was changed"),
        ({"payload_bytes": 300_000}, "more payload than a record may have"),
    ],
)
def test_what_does_not_follow_is_refused(changes: dict[str, object], sentence: str) -> None:
    chain = begun(3)
    with pytest.raises(Corrupt, match=sentence):
        chain.check(header(chain, **changes).encode())
    assert chain.offset == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"space": "zzzzzzzzzzzz"}, "belongs to Space 'zzzzzzzzzzzz'"),
        ({"base": 4}, "begins with record 4; record 3 is due"),
        ({"epoch": 0}, "Epoch 0 follows epoch 1"),
        ({"prev": bytes(32)}, "does not continue"),
    ],
)
def test_a_segment_that_does_not_follow_is_refused(
    changes: dict[str, object], sentence: str
) -> None:
    chain = begun(3)
    due = SegmentHeader(2, 3, 0, chain.head, SPACE)
    with pytest.raises(Corrupt, match=sentence):
        chain.begin(dataclasses.replace(due, **changes))
    chain.begin(due)
    assert str(chain.tail) == "2.3"


def test_going_back_is_as_if_the_rest_had_not_been() -> None:
    chain, short = begun(5), begun(2)
    chain.back(2, short.head)
    assert (chain.offset, chain.head) == (short.offset, short.head)
    chain.back(0, None)
    assert chain.head == genesis(SPACE)
