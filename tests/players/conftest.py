"""An edge and a Space for players that are not ours."""

from tests.edge.conftest import paths, programme, running, start

__all__ = ["paths", "programme", "running", "start"]
