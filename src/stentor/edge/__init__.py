"""The edge: the public door, and every listener who comes through it."""

from stentor.edge.server import run_edge, serve_gate

__all__ = ["run_edge", "serve_gate"]
