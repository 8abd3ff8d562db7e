"""Making the pages of what happened at the doors of Spaces that are over."""

import asyncio
from pathlib import Path

from stentor.audience.incident import command
from stentor.errors import Refused, Unavailable
from stentor.limits import INCIDENT_WAIT_S
from stentor.paths import Paths


class Incidents:
    """Makes pages, one at a time: each takes a second or two of a core, once."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._making = asyncio.Lock()

    async def page(self, space: str) -> bytes:
        """The page of a Space that is over.

        Raises:
            Refused: `report.empty`.
            Unavailable: `report.busy` while others are being made.
        """
        file = self._paths.incident(space)
        found = await asyncio.to_thread(_read, file)
        if found is not None:
            return found
        if self._making.locked():
            raise Unavailable(
                "report.busy", "Another report is being made; ask again.", INCIDENT_WAIT_S
            )
        async with self._making:
            if not await asyncio.to_thread(command.write_page, self._paths, space):
                raise Refused("report.empty", "There is nothing to report of this Space.")
        return file.read_bytes()


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
