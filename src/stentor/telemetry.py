"""Diagnostics of a process: one JSON object a line on standard error. Never secrets or addresses.

"Log" in this house is only ever a Space's; what operators read is telemetry.
"""

import logging
import sys

import msgspec

FIELD_CHARS_MAX = 300


class _Lines(logging.Formatter):
    """One JSON object a line; control characters are escaped by JSON itself."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "process": self._process,
            "level": record.levelname.lower(),
            "from": record.name,
            "what": record.getMessage()[:FIELD_CHARS_MAX],
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = self.formatException(record.exc_info)[-4_000:]
        return msgspec.json.encode(line).decode()


def start(process: str, level: str = "INFO") -> None:
    """Send this process's diagnostics to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("aioice", "aiortc", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
