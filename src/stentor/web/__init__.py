"""Pages, the JSON API and sessions: what people use besides listening."""

from stentor.web.server import serve

__all__ = ["serve"]
