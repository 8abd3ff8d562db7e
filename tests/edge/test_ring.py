"""The ring: positions, offsets, where a new listener begins, what is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from stentor.edge.ring import Content, Ring


def test_a_new_listener_begins_at_the_second_newest_part() -> None:
    ring = Ring(since=0)
    assert ring.join_position(2, ring.head) == ring.head == 0
    ring.append(b"init", 1, Content.OTHER)
    assert ring.join_position(2, ring.head) == 1, "nothing to play yet: wait at the tail"
    ring.append(b"a", 2, Content.START)
    assert ring.join_position(2, ring.head) == 1
    ring.append(b"b", 5, Content.START)
    ring.append(b"event", 6, Content.OTHER)
    ring.append(b"c", 8, Content.START)
    ring.append(b"card", 9, Content.NOTE)
    assert ring.frame(ring.join_position(2, ring.head)) == b"b"


def test_a_new_listener_begins_where_a_player_can() -> None:
    ring = Ring(since=0)
    for offset, content in enumerate([Content.START, *[Content.PART] * 5]):
        ring.append(b"%d" % offset, offset, content)
    assert ring.join_position(2, ring.head) == 0


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(Content)), max_size=60))
def test_whatever_is_appended_positions_lead_to_offsets(steps: list[tuple[int, Content]]) -> None:
    ring = Ring(since=0, size=16)
    offset = 0
    kept: list[tuple[int, bytes]] = []
    for step, content in steps:
        offset += 0 if content is Content.NOTE and kept else step
        ring.append(b"%d" % len(kept), offset, content)
        kept.append((offset, b"%d" % len(kept)))
    assert ring.base == max(0, len(kept) - 16)
    for wanted in range(ring.since, offset + 2):
        position = ring.position_of(wanted)
        later = [frame for at, frame in kept[ring.base :] if at >= wanted]
        assert [ring.frame(p) for p in range(position, ring.head)] == later
    assert all(at <= ring.since for at, _ in kept[: ring.base])
