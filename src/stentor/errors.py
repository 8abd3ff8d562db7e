"""Errors by blame: the caller was refused, we are unavailable now, or data is corrupt.

Every error carries a stable `code` for programs and a sentence for people that says what to do.
Status codes are chosen in `problem.py` and nowhere else.
"""


class StentorError(Exception):
    """The root of all errors that Stentor raises on purpose.

    Args:
        code: stable, program-readable identifier such as `space.unknown`; listed in docs/errors.md.
        sentence: what happened and what to do, for a person.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Refused(StentorError):  # noqa: N818 - the word of the house
    """The caller asked for something it may not have or that makes no sense (4xx)."""


class Unavailable(StentorError):  # noqa: N818 - the word of the house
    """The fault is ours or the machine's, and it may pass (503).

    Args:
        retry_after_s: when to try again, in seconds.
    """

    def __init__(self, code: str, sentence: str, retry_after_s: float = 1.0) -> None:
        super().__init__(code, sentence)
        self.retry_after_s = retry_after_s


class Corrupt(StentorError):  # noqa: N818 - the word of the house
    """Stored data is not what was written."""
