"""Setup, signing in and out, and changes of passwords, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stentor import social
from stentor.config import Settings
from stentor.errors import Refused, StentorError
from stentor.limits import LOGIN_TRIES_PER_HOUR, SESSION_DAYS, SESSIONS_PER_ACCOUNT_MAX
from stentor.paths import Paths
from stentor.social import Account, Database, SignIn, sessions
from tests.fakes.shifted_clock import ShiftedClock

PASSWORD = "correct horse hat"
HERE = "192.0.2.1"


class People:
    """A data directory and who may sign in there."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=str(folder))
        self.paths = Paths(folder)
        self.paths.create()
        self.clock = ShiftedClock()
        self.database = Database(self.paths.database)
        self.signin = SignIn(self.paths, self.database, self.clock)

    @property
    def secret(self) -> str:
        link = social.setup_link(self.paths, self.settings)
        assert link is not None
        return link.partition("#")[2]

    async def set_up(self) -> tuple[Account, str]:
        return await self.signin.set_up(self.secret, "Ann", PASSWORD)


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    made = People(tmp_path / "data")
    yield made
    await made.database.close()


async def code_of(awaitable: object) -> str:
    with pytest.raises(StentorError) as raised:
        await awaitable  # type: ignore[misc]
    return raised.value.code


async def test_the_first_owner_is_made_once(people: People) -> None:
    secret = people.secret
    assert secret == people.secret, "the link is the same until it is used"
    assert await code_of(people.signin.set_up("wrong", "Ann", PASSWORD)) == "setup.invalid"
    assert await code_of(people.signin.set_up(secret, "Ann", "short")) == "account.invalid"
    account, token = await people.signin.set_up(secret, "  Ann \n Smith ", PASSWORD)
    assert account.name == "Ann Smith"
    assert await people.signin.account_of(token) == account
    assert not (people.paths.secrets / "setup").exists()
    assert social.setup_link(people.paths, people.settings) is None
    assert await code_of(people.signin.set_up(secret, "Eve", PASSWORD)) == "setup.done"


async def test_of_twenty_who_try_at_the_same_time_one_is_owner(people: People) -> None:
    secret = people.secret
    tries = [people.signin.set_up(secret, f"Ann {n}", PASSWORD) for n in range(20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    owners = [result for result in results if not isinstance(result, BaseException)]
    assert len(owners) == 1
    refused = {result.code for result in results if isinstance(result, Refused)}
    assert refused == {"setup.done"}
    assert await people.signin.account_of(owners[0][1]) == owners[0][0]


async def test_a_new_setup_link_makes_the_old_one_void(people: People) -> None:
    old = people.secret
    new = (await social.create_setup_link(people.paths, people.settings)).partition("#")[2]
    assert new != old
    assert await code_of(people.signin.set_up(old, "Ann", PASSWORD)) == "setup.invalid"
    await people.signin.set_up(new, "Ann", PASSWORD)
    made = social.create_setup_link(people.paths, people.settings)
    assert await code_of(made) == "setup.done"


async def test_a_lost_database_does_not_change_who_the_owner_is(people: People) -> None:
    before, _ = await people.set_up()
    await people.database.close()
    for file in people.paths.data.glob("stentor.db*"):
        file.unlink()
    again = People(people.paths.data)
    after, _ = await again.set_up()
    await again.database.close()
    assert after.id == before.id


async def test_a_name_is_found_however_it_is_typed(people: People) -> None:
    account, _ = await people.set_up()
    for name in ["Ann", "ANN", "  ann ", "Ａｎｎ"]:
        assert (await people.signin.log_in(name, PASSWORD, HERE, ""))[0] == account


async def test_signing_in_ends_the_session_the_browser_had(people: People) -> None:
    account, first = await people.set_up()
    _, second = await people.signin.log_in("Ann", PASSWORD, HERE, first)
    assert second != first
    assert await people.signin.account_of(first) is None
    assert await people.signin.account_of(second) == account
    await people.signin.log_out(second)
    assert await people.signin.account_of(second) is None


async def test_an_unknown_name_and_a_wrong_password_look_the_same(people: People) -> None:
    await people.set_up()
    sentences = set()
    for name in ["Ann", "Nobody"]:
        with pytest.raises(Refused) as refused:
            await people.signin.log_in(name, "not the password", HERE, "")
        sentences.add((refused.value.code, refused.value.sentence))
    assert len(sentences) == 1


async def test_the_throttle_counts_tries_made_at_the_same_time(people: People) -> None:
    await people.set_up()
    tries = [
        people.signin.log_in("Ann", "not the password", HERE, "")
        for _ in range(LOGIN_TRIES_PER_HOUR + 5)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    codes = [result.code for result in results if isinstance(result, Refused)]
    assert codes.count("login.wrong") == LOGIN_TRIES_PER_HOUR
    assert codes.count("login.too_many") == 5
    assert await code_of(people.signin.log_in("Ann", PASSWORD, HERE, "")) == "login.too_many"
    await people.signin.log_in("Ann", PASSWORD, "198.51.100.7", "")
    people.clock.ahead_s = 3600
    await people.signin.log_in("Ann", PASSWORD, HERE, "")


async def test_a_new_password_ends_all_sessions_but_this_one(people: People) -> None:
    account, first = await people.set_up()
    _, second = await people.signin.log_in("Ann", PASSWORD, HERE, "")
    wrong = people.signin.change_password(account, "not the password", "another horse", HERE)
    assert await code_of(wrong) == "login.wrong"
    weak = people.signin.change_password(account, PASSWORD, "password123", HERE)
    assert await code_of(weak) == "account.invalid"
    assert await people.signin.account_of(second) == account
    third = await people.signin.change_password(account, PASSWORD, "another horse", HERE)
    assert await people.signin.account_of(first) is None
    assert await people.signin.account_of(second) is None
    assert await people.signin.account_of(third) == account
    assert await code_of(people.signin.log_in("Ann", PASSWORD, HERE, "")) == "login.wrong"


async def test_a_reset_from_the_command_line_ends_all_sessions(people: People) -> None:
    _, token = await people.set_up()
    unknown = social.reset_password(people.paths, "Bob", "another horse")
    assert await code_of(unknown) == "account.unknown"
    weak = social.reset_password(people.paths, "Ann", "short")
    assert await code_of(weak) == "account.invalid"
    await social.reset_password(people.paths, "ann", "another horse")
    assert await people.signin.account_of(token) is None
    await people.signin.log_in("Ann", "another horse", HERE, "")


async def test_a_session_ends_by_itself(people: People) -> None:
    account, token = await people.set_up()
    people.clock.ahead_s = SESSION_DAYS * 86_400 - 60
    assert await people.signin.account_of(token) == account
    people.clock.ahead_s = SESSION_DAYS * 86_400 + 1
    assert await people.signin.account_of(token) is None


async def test_an_account_s_oldest_session_makes_room(people: People) -> None:
    account, first = await people.set_up()
    now_ms = people.clock.wall_time() // 1_000_000
    later = [
        await sessions.start(people.database, account.id, now_ms + n)
        for n in range(1, SESSIONS_PER_ACCOUNT_MAX + 1)
    ]
    assert await people.signin.account_of(first) is None
    for token in later:
        assert await people.signin.account_of(token) == account


async def test_tokens_and_passwords_are_nowhere_in_the_data(people: People) -> None:
    secret = people.secret
    _, token = await people.set_up()
    await people.database.close()
    stored = b"".join(path.read_bytes() for path in people.paths.data.rglob("*") if path.is_file())
    for text in [token, PASSWORD, secret]:
        assert text.encode() not in stored


@pytest.mark.parametrize("token", ["", "x", "é" * 20, "x" * 10_000, "'; DROP TABLE sessions --"])
async def test_no_other_text_is_a_session(people: People, token: str) -> None:
    await people.set_up()
    assert await people.signin.account_of(token) is None
    await people.signin.log_out(token)


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 61, "with \0 zero", "half \ud800 pair", "a\u202eb"]
)
async def test_such_a_name_is_refused(people: People, name: str) -> None:
    made = people.signin.set_up(people.secret, name, PASSWORD)
    assert await code_of(made) == "account.invalid"
