"""Pages that everybody may see: home, sign in, and the first owner's setup."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post

from stentor import problem
from stentor.errors import StentorError
from stentor.space.card import Card
from stentor.web import bodies, house, listing, views, visitor
from stentor.web.bodies import AnyRequest
from stentor.web.visitor import session_cookie, session_token

_NEXT = re.compile(r"^/(?:new|account|studio/[0-9a-z]{12})?$")
"""Where somebody may be led after signing in: our own pages, by name."""


class LoginForm(msgspec.Struct):
    """The sign-in form."""

    name: str = ""
    password: str = ""
    next: str = "/"


class SetupForm(msgspec.Struct):
    """The setup form; a script fills in the secret from the link's fragment."""

    secret: str = ""
    name: str = ""
    password: str = ""


@dataclass(slots=True)
class _Rendered:
    """The home page that everybody who is not signed in sees, until a card changes."""

    cards: Sequence[Card] | None = None
    minute: int = 0
    text: str = ""


@get("/")
async def home(request: AnyRequest) -> Response[str]:
    """Live now, coming up, past. Without a session neither database nor template is touched."""
    here = house.of(request)
    cards = await here.cards.newest()
    account = await house.account_if_known(request)
    if account is not None:
        return views.page("home.html", account, home=listing.home(cards, here.now_ms()))
    kept: _Rendered = request.app.state.setdefault("rendered_home", _Rendered())
    minute = here.now_ms() // 60_000
    if kept.cards is not cards or kept.minute != minute:
        lists = listing.home(cards, here.now_ms())
        kept.text = views.render("home.html", None, home=lists)
        kept.cards, kept.minute = cards, minute
    return views.html(kept.text)


@get("/login")
async def login_page(request: AnyRequest) -> Response[str]:
    """The sign-in form; whoever is signed in is led on."""
    after = _after(request.query_params.get("next", "/"))
    if await house.account_of(request) is not None:
        return views.go_to(after)
    return views.page("login.html", None, error=None, name="", next=after)


@post("/login", status_code=200)
async def login_form(request: AnyRequest) -> Response[str]:
    """Sign in; an error is said above the same form."""
    form = await bodies.form(request, LoginForm)
    prefix, old = visitor.client_prefix(request), session_token(request)
    signin = house.of(request).signin
    try:
        _, token = await signin.log_in(form.name, form.password, prefix, old)
    except StentorError as error:
        status = problem.status_of(error)
        values: dict[str, Any] = {
            "error": error.sentence,
            "name": form.name[:200],
            "next": _after(form.next),
        }
        return views.page("login.html", None, status=status, **values)
    return views.go_to(_after(form.next), [session_cookie(request, token)])


@get("/setup")
async def setup_page(request: AnyRequest) -> Response[str]:
    """The first owner's form; afterwards there is only the way to sign in."""
    if not await house.of(request).signin.open_for_setup():
        return views.go_to("/login")
    return views.page("setup.html", None, error=None, name="", secret="")


@post("/setup", status_code=200)
async def setup_form(request: AnyRequest) -> Response[str]:
    """Make the owner's account; an error is said above the same form."""
    form = await bodies.form(request, SetupForm)
    signin = house.of(request).signin
    try:
        _, token = await signin.set_up(form.secret.strip(), form.name, form.password)
    except StentorError as error:
        status = problem.status_of(error)
        values: dict[str, Any] = {
            "error": error.sentence,
            "name": form.name[:200],
            "secret": form.secret[:200],
        }
        return views.page("setup.html", None, status=status, **values)
    return views.go_to("/new", [session_cookie(request, token)])


def _after(address: str) -> str:
    return address if _NEXT.match(address) else "/"
