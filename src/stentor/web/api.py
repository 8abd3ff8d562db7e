"""The JSON API: setup, sessions, passwords, Spaces, and the host's seat token."""

import msgspec
from litestar import Response, get, post

from stentor.social import Account
from stentor.web import announcement, bodies, failures, house, visitor
from stentor.web.announcement import Announcement
from stentor.web.bodies import AnyRequest
from stentor.web.visitor import session_cookie, session_token


class SetupBody(msgspec.Struct):
    """The first owner."""

    secret: str
    name: str
    password: str


class LoginBody(msgspec.Struct):
    """Who signs in."""

    name: str
    password: str


class PasswordBody(msgspec.Struct):
    """A change of password."""

    old: str
    new: str


@get("/web/health")
async def health(request: AnyRequest) -> Response[bytes]:
    """Whether this process answers, and whether its database does."""
    return failures.json({"ok": True, "database": await house.of(request).database.answers()})


@post("/api/setup")
async def set_up(request: AnyRequest) -> Response[bytes]:
    """Make the owner's account, once."""
    body = await bodies.json(request, SetupBody)
    account, token = await house.of(request).signin.set_up(body.secret, body.name, body.password)
    return _signed_in(request, account, token, 201)


@post("/api/login")
async def log_in(request: AnyRequest) -> Response[bytes]:
    """Sign in."""
    body = await bodies.json(request, LoginBody)
    prefix, old = visitor.client_prefix(request), session_token(request)
    account, token = await house.of(request).signin.log_in(body.name, body.password, prefix, old)
    return _signed_in(request, account, token, 200)


@post("/api/logout")
async def log_out(request: AnyRequest) -> Response[None]:
    """Sign out; whoever is not signed in has done so already."""
    await house.of(request).signin.log_out(session_token(request))
    return Response(None, status_code=204, cookies=[session_cookie(request, "")])


@post("/api/password")
async def change_password(request: AnyRequest) -> Response[bytes]:
    """Change the password; all other sessions end."""
    account = await house.account_required(request)
    body = await bodies.json(request, PasswordBody)
    prefix = visitor.client_prefix(request)
    signin = house.of(request).signin
    token = await signin.change_password(account, body.old, body.new, prefix)
    return _signed_in(request, account, token, 200)


@post("/api/spaces")
async def create_space(request: AnyRequest) -> Response[bytes]:
    """Make a Space."""
    account = await house.account_required(request)
    here = house.of(request)
    body = announcement.checked(await bodies.json(request, Announcement), here.now_ms())
    space = await here.hosting.create(account, body)
    return failures.json({"space": space, "studio": f"/studio/{space}"}, 201)


@post("/api/spaces/{space:str}/token")
async def seat_token(request: AnyRequest, space: str) -> Response[bytes]:
    """A token for the host's seat."""
    account = await house.account_required(request)
    seat = await house.of(request).hosting.seat(account, space)
    answer = {"token": seat.token, "speaker": seat.speaker, "role": "host", "name": account.name}
    return failures.json(answer)


def _signed_in(request: AnyRequest, account: Account, token: str, status: int) -> Response[bytes]:
    answer = {"account": {"id": account.id, "name": account.name}}
    return failures.json(answer, status, [session_cookie(request, token)])
