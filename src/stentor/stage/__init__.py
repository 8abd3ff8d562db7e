"""The stage: speakers in, one programme into the log, and to each speaker the mix without them."""

from stentor.stage.serve import serve

__all__ = ["serve"]
