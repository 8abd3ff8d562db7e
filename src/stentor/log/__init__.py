"""A Space's log on disk: append, read, follow, seal, verify."""

from stentor.log.bell import Bell
from stentor.log.disk import Disk
from stentor.log.index import PartIndex
from stentor.log.reader import Reader
from stentor.log.recovery import Recovered
from stentor.log.verdict import verify_command
from stentor.log.verify import Fault, Verdict, verify
from stentor.log.writer import Writer

__all__ = [
    "Bell",
    "Disk",
    "Fault",
    "PartIndex",
    "Reader",
    "Recovered",
    "Verdict",
    "Writer",
    "verify",
    "verify_command",
]
