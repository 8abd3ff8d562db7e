"""The usher: who waits and who comes in, the ladder, and the join ledger. Holds no listener."""

from stentor.usher.serve import serve

__all__ = ["serve"]
