"""The mark of an erasure that has begun: while it is there, the sound may not all be gone.

It is made before the log says that the recording is deleted and taken away after the last payload
was overwritten, so whatever ends the process in between, the next start finishes the work.
"""

import os
from pathlib import Path

from stentor.log import Writer
from stentor.space.state import State

_MARK = "erasing"


def is_begun(folder: Path) -> bool:
    """Whether the mark is in a Space's folder."""
    return (folder / _MARK).exists()


def begin(folder: Path) -> None:
    """Make the mark, and have it outlast a power cut. Blocks: call it in a thread.

    Raises:
        OSError: the disk refuses.
    """
    (folder / _MARK).touch(mode=0o600)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def finish(folder: Path, writer: Writer, state: State) -> None:
    """Erase what is left if the log says so, then take the mark away. Blocks, as `begin`.

    Raises:
        OSError: the mark cannot be taken away.
        Unavailable: the log's disk refuses; the mark stays.
        Corrupt: `record.header`: what follows a damaged header cannot be found.
    """
    if state.phase == "deleted":
        writer.erase()
    (folder / _MARK).unlink(missing_ok=True)
