"""A Space's log on disk: append, read, follow, seal, verify."""

from stentor.log.bell import Bell
from stentor.log.index import PartIndex
from stentor.log.reader import Reader
from stentor.log.recovery import Recovered
from stentor.log.writer import Writer

__all__ = ["Bell", "PartIndex", "Reader", "Recovered", "Writer"]
