"""What all handlers of one web process share."""

from dataclasses import dataclass

from stentor.clock import Clock
from stentor.config import Settings
from stentor.errors import Refused, Unavailable
from stentor.paths import Paths
from stentor.social import Account, Database, SignIn
from stentor.web import visitor
from stentor.web.bodies import AnyRequest
from stentor.web.cards import Cards
from stentor.web.hosting import Hosting
from stentor.web.incident_pages import Incidents


@dataclass(frozen=True, slots=True)
class House:
    """The settings and everything that lives as long as the process."""

    settings: Settings
    clock: Clock
    database: Database
    signin: SignIn
    cards: Cards
    hosting: Hosting
    incidents: Incidents

    def now_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return self.clock.wall_time() // 1_000_000


def build(settings: Settings, paths: Paths, clock: Clock) -> House:
    """A house on one data directory; nothing is opened before it is needed."""
    database = Database(paths.database)
    cards = Cards(paths, clock)
    signin = SignIn(paths, database, clock)
    hosting = Hosting(paths, clock, database, cards)
    return House(settings, clock, database, signin, cards, hosting, Incidents(paths))


def of(request: AnyRequest) -> House:
    """The house a request came to."""
    house: House = request.app.state.house
    return house


async def account_of(request: AnyRequest) -> Account | None:
    """Who is signed in.

    Raises:
        Unavailable: `database.away`, when there is a session to look up.
    """
    token = visitor.session_token(request)
    return await of(request).signin.account_of(token) if token else None


async def account_if_known(request: AnyRequest) -> Account | None:
    """Who is signed in; nobody while the database is away, for pages that everybody may see."""
    try:
        return await account_of(request)
    except Unavailable:
        return None


async def account_required(request: AnyRequest) -> Account:
    """Who is signed in.

    Raises:
        Refused: `login.required`.
        Unavailable: `database.away`.
    """
    account = await account_of(request)
    if account is None:
        raise Refused("login.required", "Sign in first.")
    return account
