"""Which Space is whose, and the seat its host speaks from: what the stage said at its creation.

The log is the truth; these rows save looking into it, and can be lost.
"""

from sqlalchemy import delete, insert, select

from stentor.ids import AccountId, SpaceId, SpeakerId
from stentor.social import schema
from stentor.social.database import Database

_spaces = schema.spaces


async def remember(
    database: Database, space: SpaceId, account: AccountId, host_speaker: SpeakerId, now_ms: int
) -> None:
    """Store who made a Space and where they sit."""
    row = {
        "space": space,
        "account_id": account,
        "host_speaker": host_speaker,
        "created_at_ms": now_ms,
    }
    async with database.write() as connection:
        await connection.execute(delete(_spaces).where(_spaces.c.space == space))
        await connection.execute(insert(_spaces), row)


async def host_speaker_of(database: Database, space: SpaceId) -> SpeakerId | None:
    """The host's seat in a Space; None when it is not stored here."""
    query = select(_spaces.c.host_speaker).where(_spaces.c.space == space)
    async with database.read() as connection:
        found = await connection.scalar(query)
    return None if found is None else SpeakerId(found)
