"""Radio: the programme as endless MP3, AAC and Ogg Opus, made only while somebody listens."""

from stentor.radio.server import serve

__all__ = ["serve"]
