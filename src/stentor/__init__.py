"""Stentor carries live audio Spaces to very large audiences."""

__version__ = "0.1.0"
