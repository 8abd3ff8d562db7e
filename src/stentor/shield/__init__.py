"""The shield: how much anybody may ask of the door, and who is kept out for asking too much.

Pure but for the helper that keeps the kernel's drop list (`kernel.py`, `serve.py`).
"""

from stentor.shield.guard import Shield, Verb
from stentor.shield.halfopen import HalfOpen
from stentor.shield.prefixes import source_of

__all__ = ["HalfOpen", "Shield", "Verb", "source_of"]
