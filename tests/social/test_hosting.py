"""Who hosts which Space, remembered in the database."""

from pathlib import Path

from stentor.ids import AccountId, SpaceId, SpeakerId
from stentor.social import Database, host_speaker_of, remember

SPACE = SpaceId("0123456789ab")


async def test_what_the_stage_said_last_is_remembered(tmp_path: Path) -> None:
    database = Database(tmp_path / "stentor.db")
    assert await host_speaker_of(database, SPACE) is None
    for seat in ["aaaaaaaa", "bbbbbbbb"]:
        await remember(database, SPACE, AccountId("cccccccccccc"), SpeakerId(seat), 1)
        assert await host_speaker_of(database, SPACE) == seat
    await database.close()
