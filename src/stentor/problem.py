"""Errors as HTTP answers: RFC 9457 problem documents, and the one table of status codes."""

from typing import Any

import msgspec

from stentor.errors import Corrupt, Refused, StentorError, Unavailable

CONTENT_TYPE = "application/problem+json"

STATUS_BY_CODE: dict[str, int] = {
    "request.malformed": 400,
    "request.too_large": 413,
    "request.media_type": 415,
    "request.too_many": 429,
    "request.method": 405,
    "request.range": 416,
    "request.head_too_large": 431,
    "request.timeout": 408,
    "request.origin": 403,
    "request.version": 505,
    "token.missing": 401,
    "token.invalid": 401,
    "token.expired": 401,
    "token.wrong_role": 403,
    "token.wrong_space": 403,
    "ticket.invalid": 403,
    "ticket.wrong_space": 403,
    "ticket.expired": 403,
    "ticket.elsewhere": 423,
    "ticket.moving": 429,
    "challenge.required": 428,
    "login.wrong": 401,
    "login.required": 401,
    "login.too_many": 429,
    "setup.done": 409,
    "setup.invalid": 403,
    "account.invalid": 422,
    "account.unknown": 404,
    "space.not_yours": 403,
    "space.unknown": 404,
    "space.ended": 409,
    "space.not_live": 409,
    "space.not_ended": 409,
    "space.state": 409,
    "space.invalid": 422,
    "space.too_many": 429,
    "speaker.unknown": 404,
    "speaker.already": 409,
    "speaker.removed": 403,
    "stage.full": 409,
    "sdp.malformed": 400,
    "sdp.too_large": 413,
    "sdp.unusable": 422,
    "session.unknown": 404,
    "recording.none": 404,
    "recording.withdrawn": 410,
    "recording.deleted": 410,
    "cursor.malformed": 400,
    "rendition.unknown": 404,
    "radio.unknown": 404,
    "page.unknown": 404,
    "report.empty": 404,
    "segment.unknown": 404,
    "shield.requests": 429,
    "shield.tickets": 429,
}
"""Status of each code of a `Refused`; a code that is missing here is answered with 400."""


def status_of(error: StentorError) -> int:
    """The HTTP status for an error."""
    match error:
        case Refused():
            return STATUS_BY_CODE.get(error.code, 400)
        case Unavailable():
            return 503
        case Corrupt():
            return 500
        case _:
            return 500


def document_of(error: StentorError) -> dict[str, Any]:
    """The problem document (RFC 9457) for an error; `type` is the stable code as a URN."""
    return {
        "type": f"urn:stentor:error:{error.code}",
        "title": error.sentence,
        "status": status_of(error),
        "code": error.code,
    }


def body_of(error: StentorError) -> bytes:
    """The same as JSON."""
    return msgspec.json.encode(document_of(error))


def headers_of(error: StentorError) -> dict[str, str]:
    """The headers that belong to a problem document."""
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if status_of(error) == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers
