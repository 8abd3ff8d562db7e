"""Who is asking: the session's cookie, the client's address prefix, and the page they come from.

The Unix socket is reached by the edge alone, so that what its headers say is trusted.
"""

import ipaddress
import urllib.parse

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler

from stentor.config import Settings
from stentor.errors import Refused
from stentor.limits import SESSION_DAYS
from stentor.web.bodies import AnyRequest

_SAFE = {"GET", "HEAD", "OPTIONS"}
_IPV6_PREFIX = 56
"""What one household is commonly given (RFC 6177)."""


def is_secure(request: AnyRequest) -> bool:
    """Whether the browser speaks HTTPS with the door."""
    return str(request.headers.get("x-forwarded-proto", "")).lower() == "https"


def session_token(request: AnyRequest) -> str:
    """What the session's cookie holds; empty without one."""
    return request.cookies.get(_cookie_name(request), "")


def session_cookie(request: AnyRequest, token: str) -> Cookie:
    """The cookie that keeps a session; one with an empty token ends it."""
    return Cookie(
        key=_cookie_name(request),
        value=token,
        max_age=SESSION_DAYS * 24 * 3600 if token else 0,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )


def _cookie_name(request: AnyRequest) -> str:
    # The prefix makes browsers refuse such a cookie from plain HTTP or from a neighbour's name
    # (RFC 6265bis, section 4.1.3.2).
    return "__Host-stentor" if is_secure(request) else "stentor"


def client_prefix(request: AnyRequest) -> str:
    """The part of the client's address that is counted as one: all of IPv4, 56 bits of IPv6."""
    text = str(request.headers.get("x-forwarded-for", "")).rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped
    return str(address)


def check_origin(connection: ASGIConnection, _handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Refuse a request that changes something when another site's page sent it.

    Browsers say where a request comes from in `Sec-Fetch-Site`, on plain HTTP in `Origin`, the
    oldest in `Referer`. Without any of these only JSON is taken, which no page can send to another
    site without being asked for permission first.

    Raises:
        Refused: `request.origin`.
    """
    if connection.scope.get("method") in _SAFE:
        return
    headers = connection.headers
    site = headers.get("sec-fetch-site")
    source = headers.get("origin") or headers.get("referer")
    if site is not None:
        fine = site in {"same-origin", "none"}
    elif source is not None:
        settings: Settings = connection.app.state.house.settings
        own = headers.get("x-forwarded-host") or headers.get("host") or ""
        fine = _host(source) in {own.lower(), _host(settings.url)} - {""}
    else:
        fine = (headers.get("content-type") or "").lower().startswith("application/json")
    if not fine:
        raise Refused(
            "request.origin", "This came from another site's page; do it on Stentor's own page."
        )


def _host(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).netloc.lower()
    except ValueError:
        return ""
