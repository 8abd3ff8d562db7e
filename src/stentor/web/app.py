"""The ASGI application: routes, errors, and the headers that every answer carries."""

from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from stentor.errors import StentorError
from stentor.limits import WEB_BODY_BYTES_MAX
from stentor.web import api, failures, host_pages, incidents, pages, visitor
from stentor.web.house import House

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Pages of ours learn where somebody came from (see `visitor.check_origin`), others do not.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
_ROUTES: list[Any] = [
    pages.home,
    incidents.incident_page,
    pages.login_page,
    pages.login_form,
    pages.setup_page,
    pages.setup_form,
    host_pages.new_page,
    host_pages.new_form,
    host_pages.account_page,
    host_pages.password_form,
    host_pages.sign_out,
    host_pages.confirm_page,
    host_pages.confirm_form,
    api.health,
    api.set_up,
    api.log_in,
    api.log_out,
    api.change_password,
    api.create_space,
    api.seat_token,
]


def build(house: House) -> "Finished":
    """The application of one house."""
    routes = Litestar(
        route_handlers=_ROUTES,
        guards=[visitor.check_origin],
        exception_handlers={
            StentorError: failures.on_stentor_error,
            HTTPException: failures.on_http_error,
            Exception: failures.on_fault,
        },
        request_max_body_size=WEB_BODY_BYTES_MAX,
        state=State({"house": house}),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return Finished(routes)


class Finished:
    """The routes, with what holds for all answers: security headers, and HEAD as a short GET."""

    def __init__(self, routes: Litestar) -> None:
        self._routes = routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request (ASGI 3)."""

        async def send_finished(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {bytes(name).lower() for name, _ in given}
                more = [pair for pair in _RAW_HEADERS if pair[0] not in names]
                message = {**message, "headers": [*given, *more]}
            await send(message)

        # The server leaves the body of an answer to HEAD out (RFC 9110, section 9.3.2).
        asked: Any = {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope
        await self._routes(asked, receive, send_finished)
