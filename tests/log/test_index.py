"""An index answers as a plain list of headers would."""

import hashlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stentor.log.index import Index, PartIndex, resolve
from stentor.log.segment import SEGMENT_HEADER_BYTES, SegmentName
from stentor.record import HEADER_BYTES, Cursor, Flag, Header, Kind, Rendition

# A log as the number of records in each of its segments, and whether a new epoch begins there.
shapes = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=8)


def segments_of(shape: list[tuple[int, bool]]) -> tuple[list[SegmentName], int]:
    names, base, epoch = [], 0, 1
    for number, (records, begins) in enumerate(shape):
        if number and (begins or not shape[number - 1][0]):
            epoch += 1  # a segment without records is only left behind by a new epoch
        names.append(SegmentName(epoch, base))
        base += records
    return names, base


def headers_of(shape: list[tuple[int, bool]]) -> list[tuple[SegmentName, Header]]:
    names, tail = segments_of(shape)
    found = []
    for name, following in pairwise([*names, SegmentName(2**31, tail)]):
        for offset in range(name.base, following.base):
            kind = [Kind.PART, Kind.PART, Kind.EVENT, Kind.INIT][offset % 4]
            rendition = Rendition.NONE if kind is Kind.EVENT else Rendition(1 + offset % 3)
            found.append(
                (
                    name,
                    Header(
                        kind,
                        rendition,
                        Flag.NONE,
                        name.epoch,
                        offset,
                        offset * 10,
                        9,
                        0,
                        100 + offset,
                        hashlib.sha256(b"").digest(),
                        bytes(32),
                    ),
                )
            )
    return found


def index_of(shape: list[tuple[int, bool]]) -> Index:
    index, at = Index(), iter([*headers_of(shape), None])
    standing = next(at)
    for name in segments_of(shape)[0]:
        index.begin(name, SEGMENT_HEADER_BYTES)
        while standing is not None and standing[0] == name:
            index.add(standing[1], index.end)
            standing = next(at)
    return index


def expected_bounds(shape: list[tuple[int, bool]], offset: int) -> tuple[SegmentName, int, int]:
    """Segment, begin and end of a record, counted the slow way."""
    position, before = 0, None
    for name, header in headers_of(shape):
        position = SEGMENT_HEADER_BYTES if name != before else position
        before = name
        end = position + HEADER_BYTES + header.payload_bytes
        if header.offset == offset:
            return name, position, end
        position = end
    raise AssertionError(offset)


@given(shapes, st.data())
def test_a_run_is_where_its_records_are(shape: list[tuple[int, bool]], data: st.DataObject) -> None:
    tail = segments_of(shape)[1]
    if not tail:
        return
    offset = data.draw(st.integers(0, tail - 1))
    name, bounds = index_of(shape).run(offset, data.draw(st.integers(1, 9)))
    assert len(bounds) >= 2
    for number, (begin, end) in enumerate(pairwise(bounds)):
        assert (name, begin, end) == expected_bounds(shape, offset + number)


@given(shapes, st.data())
def test_a_cut_index_is_that_of_a_shorter_log(
    shape: list[tuple[int, bool]], data: st.DataObject
) -> None:
    names, tail = segments_of(shape)
    keep = data.draw(st.integers(0, tail))
    index = index_of(shape)
    index.cut(keep)
    again = SegmentName(names[-1].epoch + 1, keep)
    index.begin(again, SEGMENT_HEADER_BYTES)
    kept = [header for _, header in headers_of(shape) if header.offset < keep]
    for rendition in Rendition:
        for kind in Kind:
            same = [h.offset for h in kept if (h.kind, h.rendition) == (kind, rendition)]
            assert list(index.offsets(kind, rendition)) == same
        parts = [h for h in kept if (h.kind, h.rendition) == (Kind.PART, rendition)]
        assert index.parts[rendition].bytes_total == sum(h.payload_bytes for h in parts)
    for offset in range(keep):
        name, bounds = index.run(offset, 1)
        assert (name, bounds[0], bounds[1]) == expected_bounds(shape, offset)


def test_parts_are_found_by_media_time() -> None:
    parts = PartIndex()
    assert (len(parts), parts.media_time_end, parts.at(5)) == (0, 0, 0)
    for _, header in headers_of([(40, False)]):
        if header.kind is Kind.PART and header.rendition is Rendition.OPUS:
            parts.add(header)
    assert list(parts.offset) == [0, 9, 12, 21, 24, 33, 36]
    assert parts.media_time_end == 369
    assert [parts.at(t) for t in (0, 89, 90, 95, 119, 120, 9_999)] == [0, 0, 1, 1, 1, 2, 6]
    assert list(parts.cumulative[:3]) == [0, 100, 209]
    assert parts.bytes_total == sum(parts.payload_bytes)


@given(shapes, st.integers(0, 12), st.integers(0, 60))
def test_resolving_never_leaves_the_log(
    shape: list[tuple[int, bool]], epoch: int, offset: int
) -> None:
    names, tail = segments_of(shape)
    assert 0 <= resolve(Cursor(epoch, offset), names, tail) <= tail


@given(shapes)
def test_every_cursor_that_was_given_out_goes_on_where_it_stood(
    shape: list[tuple[int, bool]],
) -> None:
    names, tail = segments_of(shape)
    for _, header in headers_of(shape):
        assert resolve(header.cursor, names, tail) == header.offset
        assert resolve(header.next, names, tail) == header.offset + 1


@given(shapes, st.integers(1, 50))
def test_what_was_lost_with_an_epoch_is_skipped(shape: list[tuple[int, bool]], lost: int) -> None:
    names, tail = segments_of(shape)
    for before, after in pairwise(names):
        if before.epoch < after.epoch:
            assert resolve(Cursor(before.epoch, after.base + lost), names, tail) == after.base


@given(shapes, st.integers(0, 9), st.integers(0, 60), st.integers(0, 60))
def test_a_later_cursor_never_resolves_earlier(
    shape: list[tuple[int, bool]], epoch: int, one: int, two: int
) -> None:
    names, tail = segments_of(shape)
    first, second = sorted([one, two])
    low = resolve(Cursor(epoch, first), names, tail)
    assert low <= resolve(Cursor(epoch, second), names, tail)
    assert low <= resolve(Cursor(epoch + 1, first), names, tail)


def test_what_is_unknown_and_later_is_the_tail() -> None:
    names = [SegmentName(1, 0), SegmentName(2, 10)]
    assert resolve(Cursor(3, 0), names, 15) == 15
    assert resolve(Cursor(2, 99), names, 15) == 15
    assert resolve(Cursor(0, 7), names, 15) == 0
    assert resolve(Cursor(1, 0), [], 0) == 0
