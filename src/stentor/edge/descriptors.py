"""Closing many descriptors by few calls."""

import contextlib
import os
from collections.abc import Sequence


def close_all(descriptors: Sequence[int]) -> None:
    """Close them, those in a row by one call (close_range(2)): they mostly are, as they came."""
    ordered = sorted(descriptors)
    first = before = ordered[0] if ordered else 0
    for descriptor in [*ordered[1:], -1] if ordered else ():
        if descriptor == before + 1:
            before = descriptor
            continue
        if first == before:
            with contextlib.suppress(OSError):  # an error that was left to be told; it is closed
                os.close(first)
        else:
            os.closerange(first, before + 1)
        first = before = descriptor
