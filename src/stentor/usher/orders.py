"""What the operator wants of the ladder, whatever the load: the file `run/ladder`."""

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from stentor.limits import LADDER_STEP_MAX, SPACES_OPEN_MAX
from stentor.paths import write_whole

_telemetry = logging.getLogger(__name__)
EVERYWHERE = "*"
"""Stands for every Space that has no order of its own."""
_decoder = msgspec.json.Decoder(dict[str, int])


class Orders:
    """The steps that are forced, as last read."""

    def __init__(self, path: Path) -> None:
        """Args: path: may be missing."""
        self._path = path
        self._version: tuple[int, int] | None = None
        self._steps: Mapping[str, int] = {}

    def read(self) -> Mapping[str, int]:
        """Forced steps by Space; costs a `stat` while the file is the same."""
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns)
            if version != self._version:
                self._version = version
                self._steps = load(self._path)
        except FileNotFoundError:
            self._version, self._steps = None, {}
        except (OSError, ValueError) as error:
            _telemetry.error("%s is not understood: %s", self._path, error)
        return self._steps


def load(path: Path) -> dict[str, int]:
    """The orders in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what is written here.
    """
    steps = _decoder.decode(path.read_bytes())
    if len(steps) > SPACES_OPEN_MAX + 1:
        raise ValueError("there are more orders than Spaces can be open")
    if not all(0 <= step <= LADDER_STEP_MAX for step in steps.values()):
        raise ValueError(f"the steps of the ladder are 0 to {LADDER_STEP_MAX}")
    return steps


def write(path: Path, space: str, step: int | None) -> dict[str, int]:
    """Order a step for a Space (or EVERYWHERE), or take the order back; what is ordered now.

    To take back what is ordered everywhere takes back all there is.
    """
    try:
        steps = load(path)
    except (FileNotFoundError, ValueError):
        steps = {}
    if step is not None:
        steps[space] = step
    elif space == EVERYWHERE:
        steps = {}
    else:
        steps.pop(space, None)
    write_whole(path, msgspec.json.encode(steps))
    return steps
