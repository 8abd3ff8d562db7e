"""How much programs wait for a processor on this machine: a drill on a busy one proves little."""

from pathlib import Path

_FILE = Path("/proc/pressure/cpu")


def waited_s() -> float:
    """Seconds since the machine started in which some program waited (Linux PSI); 0 unknown."""
    try:
        first = _FILE.read_text().splitlines()[0]
    except (OSError, IndexError):
        return 0.0
    return int(first.rpartition("total=")[2]) / 1e6
