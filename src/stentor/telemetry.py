"""Diagnostics of a process: one JSON object a line on standard error. Never secrets or addresses.

"Log" in this house is only ever a Space's; what operators read is telemetry.
"""

import logging
import sys

import msgspec

from stentor.limits import TELEMETRY_ALIKE_MAX, TELEMETRY_ALIKE_S

FIELD_CHARS_MAX = 300


class _Flood(logging.Filter):
    """Lets some lines of a kind through and counts the rest: strangers are not to fill a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int], tuple[float, int]] = {}  # as many as lines of code

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.name, record.lineno
        since, count = self._kinds.get(kind, (record.created, 0))
        if record.created - since >= TELEMETRY_ALIKE_S:
            record.left_out = max(0, count - TELEMETRY_ALIKE_MAX)
            since, count = record.created, 0
        self._kinds[kind] = since, count + 1
        return count < TELEMETRY_ALIKE_MAX


class _Lines(logging.Formatter):
    """One JSON object a line; control characters are escaped by JSON itself."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str | int] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "process": self._process,
            "level": record.levelname.lower(),
            "from": record.name,
            "what": record.getMessage()[:FIELD_CHARS_MAX],
        }
        if left_out := getattr(record, "left_out", 0):
            line["left_out"] = left_out
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = self.formatException(record.exc_info)[-4_000:]
        return msgspec.json.encode(line).decode()


def start(process: str, level: str = "INFO") -> None:
    """Send this process's diagnostics to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(process))
    handler.addFilter(_Flood())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("aioice", "aiortc", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
