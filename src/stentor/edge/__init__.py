"""The edge: the public door, and every listener who comes through it."""

from stentor.edge.server import serve

__all__ = ["serve"]
