"""The owner's evening over the real HTTP API: account, Space, invitation, seats."""

from urllib.parse import urlsplit

from stentor.clock import Clock
from stentor.demo.calls import Caller
from stentor.demo.house import House
from stentor.demo.network import Network
from stentor.demo.speech import Said
from stentor.demo.studio import Studio

NAME = "Ada"
PASSWORD = "the herald with the voice of fifty"  # noqa: S105 - of a node that lives for a minute


async def sign_up(house: House) -> Caller:
    """Make the owner's account with the printed link, as its page does; signed in afterwards.

    Raises:
        Unavailable: `demo.failed`.
    """
    caller = Caller(house.url)
    secret = urlsplit(house.setup_link).fragment
    body = {"secret": secret, "name": NAME, "password": PASSWORD}
    await caller.ask("POST", "/api/setup", body=body, expect=201)
    return caller


async def create_space(caller: Caller, title: str) -> str:
    """A new Space, to be started by its host; its id.

    Raises:
        Unavailable: `demo.failed`.
    """
    body = {"title": title, "description": "A drill.", "starts_at_ms": 0}
    answer = await caller.ask("POST", "/api/spaces", body=body, expect=201)
    return str(answer.json()["space"])


async def take_host_seat(
    house: House, caller: Caller, space: str, clock: Clock, said: Said | None
) -> Studio:
    """The host goes into the studio.

    Raises:
        Unavailable: `demo.failed`.
    """
    answer = await caller.ask("POST", f"/api/spaces/{space}/token", body={}, expect=200)
    token = str(answer.json()["token"])
    return await take_seat(house, space, token, NAME, clock, said)


async def take_seat(
    house: House,
    space: str,
    token: str,
    name: str,
    clock: Clock,
    said: Said | None,
    network: Network | None = None,
) -> Studio:
    """Join a stage with an invitation or a seat token, agreeing to be recorded.

    Raises:
        Unavailable: `demo.failed`.
    """
    body = {"name": name, "consent": True}
    visitor = Caller(house.url)
    answer = await visitor.ask("POST", f"/stage/{space}/join", body=body, token=token, expect=201)
    seat = answer.json()
    host, port = house.settings.address
    return Studio(
        visitor, host, port, space, seat["speaker"], seat["token"], clock, said, network=network
    )


async def invite(host: Studio, name: str) -> str:
    """An invitation for one speaker.

    Raises:
        Unavailable: `demo.failed`.
    """
    answer = await host.commanded("invite.create", name=name, role="speaker")
    return str(answer["invite"])
