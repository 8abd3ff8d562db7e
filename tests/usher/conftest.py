"""A data directory with one live Space, and an usher for it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from stentor.paths import Paths
from tests.edge.programme import Programme
from tests.usher.hall import Hall


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "data")
    made.create()
    return made


@pytest.fixture
def programme(paths: Paths) -> Iterator[Programme]:
    made = Programme(paths)
    made.begin()
    yield made
    made.close()


@pytest.fixture
async def usher(paths: Paths, programme: Programme) -> AsyncIterator[Callable[..., Hall]]:
    """Opens ushers, one after the other; they are closed at the end of the test."""
    halls: list[Hall] = []

    async def begin(**knobs: object) -> Hall:
        hall = Hall(paths, **knobs)
        halls.append(hall)
        await hall.open()
        return hall

    yield begin
    for hall in halls:
        await hall.close()
