"""Closing many descriptors: all of them, and no other."""

import os
import random
from pathlib import Path

from stentor.edge.descriptors import close_all


def test_all_are_closed_and_no_other() -> None:
    chance = random.Random(3)
    for _ in range(20):
        opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
        closed = chance.sample(opened, chance.randint(0, 40))
        close_all(closed)
        for descriptor in opened:
            assert Path(f"/proc/self/fd/{descriptor}").exists() == (descriptor not in closed)
        close_all([descriptor for descriptor in opened if descriptor not in closed])
