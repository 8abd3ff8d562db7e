"""Numbers that look like keyed hashes."""

from stentor.audience.sketches import keyed


def hashes(first: int, end: int) -> list[int]:
    """Those of the numbers from `first` up to `end`."""
    return [keyed(b"tests", number.to_bytes(8, "big")) for number in range(first, end)]
