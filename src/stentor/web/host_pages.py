"""Pages for those who are signed in: a new Space, the account, and what to do with recordings."""

import re
from typing import Literal, get_args

import msgspec
from litestar import Response, get, post

from stentor import problem
from stentor.errors import Refused, StentorError
from stentor.social import Account
from stentor.web import announcement, bodies, house, listing, views, visitor
from stentor.web.announcement import Announcement
from stentor.web.bodies import AnyRequest
from stentor.web.hosting import RecordingCommand
from stentor.web.visitor import session_cookie, session_token

_Verb = Literal["withdraw", "restore", "delete"]
_COMMANDS: dict[str, RecordingCommand] = {
    "withdraw": "recording.withdraw",
    "restore": "recording.restore",
    "delete": "recording.delete",
}
assert set(_COMMANDS) == set(get_args(_Verb))
_WHOLE_NUMBER = re.compile(r"^-?\d{1,4}$")


class SpaceForm(msgspec.Struct):
    """The form for a new Space; `when` is `now` or `later`, `starts_itself` empty or not."""

    title: str = ""
    description: str = ""
    when: str = "now"
    starts_at: str = ""
    utc_offset_minutes: str = "0"
    starts_itself: str = ""


class PasswordForm(msgspec.Struct):
    """The form to change the password."""

    old: str = ""
    new: str = ""


@get("/new")
async def new_page(request: AnyRequest) -> Response[str]:
    """The form for a new Space."""
    account = await house.account_of(request)
    if account is None:
        return views.go_to("/login?next=/new")
    return views.page("new.html", account, error=None, form=SpaceForm(starts_itself="yes"))


@post("/new", status_code=200)
async def new_form(request: AnyRequest) -> Response[str]:
    """Make the Space and go to its studio; an error is said above the same form."""
    account = await house.account_of(request)
    if account is None:
        return views.go_to("/login?next=/new")
    form = await bodies.form(request, SpaceForm)
    here = house.of(request)
    try:
        space = await here.hosting.create(account, _announced(form, here.now_ms()))
    except StentorError as error:
        status = problem.status_of(error)
        return views.page("new.html", account, status=status, error=error.sentence, form=form)
    return views.go_to(f"/studio/{space}")


@get("/account")
async def account_page(request: AnyRequest) -> Response[str]:
    """One's own Spaces, the password, and the way out."""
    account = await house.account_of(request)
    if account is None:
        return views.go_to("/login?next=/account")
    return await _account(request, account)


@post("/account/password", status_code=200)
async def password_form(request: AnyRequest) -> Response[str]:
    """Change the password; all other sessions end."""
    account = await house.account_of(request)
    if account is None:
        return views.go_to("/login?next=/account")
    form = await bodies.form(request, PasswordForm)
    prefix = visitor.client_prefix(request)
    signin = house.of(request).signin
    try:
        token = await signin.change_password(account, form.old, form.new, prefix)
    except StentorError as error:
        return await _account(request, account, error)
    return views.go_to("/account?done=password", [session_cookie(request, token)])


@post("/account/signout", status_code=200)
async def sign_out(request: AnyRequest) -> Response[str]:
    """Sign out and go home."""
    await house.of(request).signin.log_out(session_token(request))
    return views.go_to("/", [session_cookie(request, "")])


@get("/account/spaces/{space:str}/{verb:str}")
async def confirm_page(request: AnyRequest, space: str, verb: str) -> Response[str]:
    """Ask before a recording is withdrawn, restored or deleted."""
    account = await house.account_of(request)
    if account is None:
        return views.go_to("/login?next=/account")
    return await _confirm(request, account, space, verb)


@post("/account/spaces/{space:str}/{verb:str}", status_code=200)
async def confirm_form(request: AnyRequest, space: str, verb: str) -> Response[str]:
    """Do what was confirmed; an error is said on the same page."""
    account = await house.account_required(request)
    command = _command(verb)
    try:
        await house.of(request).hosting.recording(account, space, command)
    except StentorError as error:
        return await _confirm(request, account, space, verb, error)
    return views.go_to("/account?done=recording")


def _announced(form: SpaceForm, now_ms: int) -> Announcement:
    start_ms = 0
    if form.when == "later":
        known = _WHOLE_NUMBER.match(form.utc_offset_minutes)
        offset = int(form.utc_offset_minutes) if known else 0
        start_ms = announcement.starts_at_ms(form.starts_at, offset)
    itself = bool(form.starts_itself)
    announced = Announcement(form.title, form.description, start_ms, itself)
    return announcement.checked(announced, now_ms)


async def _account(
    request: AnyRequest, account: Account, error: StentorError | None = None
) -> Response[str]:
    spaces = listing.hosted_by(await house.of(request).cards.newest(), account.id)
    return views.page(
        "account.html",
        account,
        status=problem.status_of(error) if error else 200,
        error=error.sentence if error else None,
        done=request.query_params.get("done", ""),
        spaces=spaces,
    )


async def _confirm(
    request: AnyRequest,
    account: Account,
    space: str,
    verb: str,
    error: StentorError | None = None,
) -> Response[str]:
    _command(verb)
    card = house.of(request).cards.one(space)
    if card is None:
        raise Refused("space.unknown", "There is no such Space; look for it in your account.")
    if card.host_id != account.id:
        raise Refused("space.not_yours", "Somebody else hosts this Space; sign in as its host.")
    return views.page(
        "confirm.html",
        account,
        status=problem.status_of(error) if error else 200,
        error=error.sentence if error else None,
        item=listing.item(card),
        verb=verb,
    )


def _command(verb: str) -> RecordingCommand:
    command = _COMMANDS.get(verb)
    if command is None:
        raise Refused("page.unknown", "There is no page at this address.")
    return command
