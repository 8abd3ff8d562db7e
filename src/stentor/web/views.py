"""Templates made into answers: HTML pages whose every value is escaped."""

import hashlib
from importlib.resources import files
from typing import Any

import jinja2
from litestar import Response
from litestar.datastructures import Cookie

from stentor.limits import (
    DESCRIPTION_CHARS_MAX,
    NAME_CHARS_MAX,
    PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN,
    TITLE_CHARS_MAX,
)
from stentor.social import Account
from stentor.web import listing

HTML = "text/html"


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("stentor.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(iso=listing.iso, plain=listing.plain)
    made.globals.update(
        static=_static,
        name_chars_max=NAME_CHARS_MAX,
        title_chars_max=TITLE_CHARS_MAX,
        description_chars_max=DESCRIPTION_CHARS_MAX,
        password_chars_min=PASSWORD_CHARS_MIN,
        password_chars_max=PASSWORD_CHARS_MAX,
    )
    return made


def _static(name: str) -> str:
    """The address of a static file, which changes with its content so that it can be cached."""
    return f"/static/{name}?v={_HASHES.get(name, '0')}"


def _hashes() -> dict[str, str]:
    folder = files("stentor").joinpath("static")
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for file in folder.iterdir()
        if file.is_file()
    }


_HASHES = _hashes()
_ENVIRONMENT = _environment()


def render(template: str, account: Account | None, **values: Any) -> str:
    """A page as HTML; `account` is who is signed in, for the header."""
    return _ENVIRONMENT.get_template(template).render(account=account, **values)


def page(
    template: str,
    account: Account | None,
    *,
    status: int = 200,
    cookies: list[Cookie] | None = None,
    **values: Any,
) -> Response[str]:
    """A page as an answer."""
    text = render(template, account, **values)
    return html(text, status, cookies)


def html(text: str, status: int = 200, cookies: list[Cookie] | None = None) -> Response[str]:
    """HTML as an answer."""
    return Response(text, media_type=HTML, status_code=status, cookies=cookies or [])


def go_to(address: str, cookies: list[Cookie] | None = None) -> Response[str]:
    """Send the browser to another page of this site, after a form was taken (303, RFC 9110)."""
    made = html("", 303, cookies)
    made.headers["Location"] = address
    return made
