"""Signing in and out, the first setup and changes of passwords: the rules in one place.

An unknown name and a wrong password get the same answer after the same time.
"""

import asyncio

from stentor.clock import Clock, SystemClock
from stentor.errors import Refused
from stentor.limits import PASSWORD_CHARS_MAX
from stentor.paths import Paths
from stentor.social import accounts, passwords, sessions, setup
from stentor.social.accounts import Account
from stentor.social.database import Database
from stentor.social.passwords import Passwords
from stentor.social.throttle import Throttle


class SignIn:
    """What one web process needs to know who somebody is."""

    def __init__(self, paths: Paths, database: Database, clock: Clock) -> None:
        self._paths = paths
        self._database = database
        self._clock = clock
        self._passwords = Passwords()
        self._throttle = Throttle()
        self._setting_up = asyncio.Lock()

    async def set_up(self, secret: str, name: str, password: str) -> tuple[Account, str]:
        """Make the owner's account, once, and sign in.

        Returns:
            The account and its session token.

        Raises:
            Refused: `setup.done`, `setup.invalid` or `account.invalid`.
            Unavailable: `database.away` or `web.busy`.
        """
        # One after the other, so that those who come too late cost no hash. Between processes the
        # database decides, by a row that can be there once.
        async with self._setting_up:
            if await accounts.exist(self._database):
                raise accounts.done()
            if not setup.is_right(self._paths, secret):
                raise Refused(
                    "setup.invalid",
                    "This is not the newest setup link. Open the one that `stentor serve` prints.",
                )
            account = Account(accounts.owner_id(self._paths), accounts.clean_name(name))
            passwords.check_new(password, account.name)
            password_hash = await self._passwords.hash(password)
            await accounts.create_owner(self._database, account, password_hash, self._now_ms())
            setup.forget(self._paths)
        return account, await self._start(account)

    async def _start(self, account: Account) -> str:
        keyring = self._paths.keyring()
        return await sessions.start(self._database, account.id, self._now_ms(), keyring)

    async def open_for_setup(self) -> bool:
        """Whether nobody has an account yet."""
        return not await accounts.exist(self._database)

    async def log_in(
        self, name: str, password: str, prefix: str, old_token: str
    ) -> tuple[Account, str]:
        """Sign in: a session with a new token; the one the browser had before is ended.

        Args:
            prefix: the client's address prefix, for the throttle.
            old_token: what the browser's cookie holds, or nothing.

        Raises:
            Refused: `login.wrong` or `login.too_many`.
            Unavailable: `database.away` or `web.busy`.
        """
        account = await self._check(name, password, prefix)
        await sessions.end(self._database, old_token)
        return account, await self._start(account)

    async def log_out(self, token: str) -> None:
        """End a session."""
        await sessions.end(self._database, token)

    async def account_of(self, token: str) -> Account | None:
        """Whose session this is; None for none."""
        return await sessions.account_of(self._database, token, self._now_ms())

    async def change_password(self, account: Account, old: str, new: str, prefix: str) -> str:
        """Change a password: all sessions end, and this browser gets a new one.

        Raises:
            Refused: `login.wrong`, `login.too_many` or `account.invalid`.
            Unavailable: `database.away` or `web.busy`.
        """
        passwords.check_new(new, account.name)
        await self._check(account.name, old, prefix)
        password_hash = await self._passwords.hash(new)
        await accounts.set_password(self._database, account.id, password_hash, self._now_ms())
        return await self._start(account)

    async def _check(self, name: str, password: str, prefix: str) -> Account:
        # Counted before the hash is made, so that tries at the same time count as well.
        key = accounts.name_key(name)
        self._throttle.take(key, prefix, self._clock.now())
        found = await accounts.by_name(self._database, name)
        stored = None if found is None else found[1]
        if not await self._passwords.fits(password[: PASSWORD_CHARS_MAX + 1], stored):
            raise Refused("login.wrong", "Name or password is wrong.")
        self._throttle.forgive(key, prefix)
        assert found is not None, "what fits belongs to an account"
        return found[0]

    def _now_ms(self) -> int:
        return self._clock.wall_time() // 1_000_000


async def reset_password(paths: Paths, name: str, password: str) -> None:
    """Give an account a new password and end all its sessions, from the command line.

    Raises:
        Refused: `account.unknown` or `account.invalid`.
        Unavailable: `database.away`.
    """
    database = Database(paths.database)
    try:
        found = await accounts.by_name(database, name)
        if found is None:
            raise Refused("account.unknown", f"There is no account named '{name}'.")
        account = found[0]
        passwords.check_new(password, account.name)
        password_hash = await Passwords().hash(password)
        now_ms = SystemClock().wall_time() // 1_000_000
        await accounts.set_password(database, account.id, password_hash, now_ms)
    finally:
        await database.close()
