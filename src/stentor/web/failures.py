"""Errors as answers: problem documents for programs, a page with one sentence for people."""

import logging

import msgspec
from litestar import Response
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException

from stentor import problem
from stentor.errors import Corrupt, Refused, StentorError, Unavailable
from stentor.social import TooMany
from stentor.web import views
from stentor.web.bodies import AnyRequest

_telemetry = logging.getLogger("stentor.web")
_CODES = {
    404: ("page.unknown", "There is no page at this address."),
    405: ("request.method", "This address does not take such a request."),
    413: ("request.too_large", "This is longer than anything Stentor takes."),
}
_HEADINGS = {
    403: "Not allowed",
    404: "Nothing here",
    405: "Not possible",
    413: "Too long",
    429: "Too many tries",
    500: "Something broke",
    503: "Not at the moment",
}


def on_stentor_error(request: AnyRequest, error: StentorError) -> Response[bytes] | Response[str]:
    """An error that was raised on purpose."""
    if isinstance(error, Corrupt):
        _telemetry.error("corrupt data: %s: %s", error.code, error.sentence)
    return answer(request, error)


def on_http_error(request: AnyRequest, error: HTTPException) -> Response[bytes] | Response[str]:
    """An error of the framework; its own words stay inside."""
    if error.status_code >= 500:
        return on_fault(request, error)
    code, sentence = _CODES.get(
        error.status_code, ("request.malformed", "This request makes no sense to Stentor.")
    )
    made = answer(request, Refused(code, sentence))
    if "allow" in (error.headers or {}):
        made.headers["Allow"] = (error.headers or {})["allow"]
    return made


def on_fault(request: AnyRequest, error: Exception) -> Response[bytes] | Response[str]:
    """A fault of ours: the trace goes to telemetry, one sentence to the caller."""
    _telemetry.error("a request failed", exc_info=error)
    sentence = "Something broke on our side. It has been noted; try again in a moment."
    return answer(request, StentorError("web.failed", sentence))


def answer(request: AnyRequest, error: StentorError) -> Response[bytes] | Response[str]:
    """The answer to an error, as a document or a page."""
    if not wants_page(request):
        return document(error)
    status = problem.status_of(error)
    heading = _HEADINGS.get(status, "This did not work")
    text = views.render("error.html", None, heading=heading, sentence=error.sentence, status=status)
    made = views.html(text, status)
    made.headers.update(_extra_headers(error))
    return made


def document(error: StentorError) -> Response[bytes]:
    """The problem document of an error."""
    headers = {**problem.headers_of(error), **_extra_headers(error)}
    return Response(
        problem.body_of(error),
        status_code=problem.status_of(error),
        media_type=headers.pop("Content-Type"),
        headers=headers,
    )


def wants_page(request: AnyRequest) -> bool:
    """Whether a person's browser asks, and not a program."""
    api = request.url.path.startswith(("/api/", "/web/"))
    return not api and "json" not in request.headers.get("accept", "")


def json(
    document: object, status: int = 200, cookies: list[Cookie] | None = None
) -> Response[bytes]:
    """A JSON document as an answer."""
    return Response(
        msgspec.json.encode(document),
        status_code=status,
        media_type="application/json",
        cookies=cookies or [],
    )


def _extra_headers(error: StentorError) -> dict[str, str]:
    match error:
        case TooMany():
            return {"Retry-After": str(max(1, round(error.retry_after_s)))}
        case Unavailable():
            return {"Retry-After": str(max(1, round(error.retry_after_s)))}
        case _:
            return {}
