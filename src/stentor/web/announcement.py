"""What a host announces: a title, a description and a start, checked before the stage is asked."""

import datetime
import re
import unicodedata

import msgspec

from stentor.errors import Refused
from stentor.limits import DESCRIPTION_CHARS_MAX, STARTS_AHEAD_DAYS_MAX, TITLE_CHARS_MAX

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_OVERDUE_MS_MAX = 10 * _MINUTE_MS
"""A start that has just passed while the form was filled in is still taken."""
_UTC_OFFSET_MINUTES_MAX = 16 * 60
_LOCAL_TIME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$")


class Announcement(msgspec.Struct, frozen=True):
    """What is known of a Space before it begins; `starts_at_ms` 0: when the host starts.

    `starts_itself`: at that time, whether the host is there or not.
    """

    title: str
    description: str = ""
    starts_at_ms: int = 0
    starts_itself: bool = True


def checked(announcement: Announcement, now_ms: int) -> Announcement:
    """The announcement as it is stored: composed (NFC) and trimmed.

    Raises:
        Refused: `space.invalid`, with what to change.
    """
    title = " ".join(unicodedata.normalize("NFC", announcement.title).split())
    description = unicodedata.normalize("NFC", announcement.description)
    description = description.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not title:
        raise _invalid("Give the Space a title.")
    if len(title) > TITLE_CHARS_MAX:
        raise _invalid(f"The title has {len(title)} characters; {TITLE_CHARS_MAX} is the most.")
    if len(description) > DESCRIPTION_CHARS_MAX:
        raise _invalid(
            f"The description has {len(description)} characters; {DESCRIPTION_CHARS_MAX} is the "
            "most."
        )
    if not _is_text(title, "") or not _is_text(description, "\n\t"):
        raise _invalid("Title and description are text, without control characters.")
    _check_start(announcement.starts_at_ms, now_ms)
    return msgspec.structs.replace(announcement, title=title, description=description)


def starts_at_ms(local_time: str, utc_offset_minutes: int) -> int:
    """The start that a form's `datetime-local` field means, in UTC milliseconds.

    Args:
        local_time: `2026-11-22T19:30`, as HTML's local date and time strings are written.
        utc_offset_minutes: how far the person's clock is ahead of UTC at that time; 0 when the
            page could not find out, and then the page says that the time is UTC.

    Raises:
        Refused: `space.invalid`.
    """
    if not _LOCAL_TIME.match(local_time) or abs(utc_offset_minutes) > _UTC_OFFSET_MINUTES_MAX:
        raise _invalid("Give the day and the time at which the Space starts.")
    try:
        local = datetime.datetime.fromisoformat(local_time).replace(tzinfo=datetime.UTC)
        start = local - datetime.timedelta(minutes=utc_offset_minutes)
    except (ValueError, OverflowError) as error:
        raise _invalid("This day or time does not exist.") from error
    return int(start.timestamp() * 1000)


def _check_start(start_ms: int, now_ms: int) -> None:
    if start_ms == 0:
        return
    if start_ms < now_ms - _OVERDUE_MS_MAX:
        raise _invalid("The start has passed already; choose a later time, or start now.")
    if start_ms > now_ms + STARTS_AHEAD_DAYS_MAX * _DAY_MS:
        raise _invalid("A Space can be announced two years ahead at most.")


def _is_text(text: str, allowed: str) -> bool:
    # Cc: control characters, Cs: halves of surrogate pairs, Zl and Zp: line separators.
    return all(
        c in allowed or unicodedata.category(c) not in {"Cc", "Cs", "Zl", "Zp"} for c in text
    )


def _invalid(sentence: str) -> Refused:
    return Refused("space.invalid", sentence)
