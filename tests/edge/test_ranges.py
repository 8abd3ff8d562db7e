"""Byte ranges as RFC 9110 section 14 has them."""

import pytest

from stentor.edge.ranges import parse_range, range_applies
from stentor.errors import Refused


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-", (10, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=0-999999999999999999", (0, 100)),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=0-0x", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_a_range(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_beyond_the_end(header: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_range(header, 100)
    assert refused.value.code == "request.range"


def test_a_range_of_another_version_is_not_honoured() -> None:
    assert range_applies("", '"a"')
    assert range_applies('"a"', '"a"')
    assert not range_applies('W/"a"', '"a"')
    assert not range_applies("Sun, 06 Nov 1994 08:49:37 GMT", '"a"')
