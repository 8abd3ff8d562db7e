"""What a host does from pages: make a Space, get the seat's token, take a recording back."""

import contextlib
import logging
import secrets
from dataclasses import dataclass
from typing import Literal

import msgspec

from stentor import ids, social, tokens
from stentor.clock import Clock
from stentor.errors import Refused, Unavailable
from stentor.ids import SPEAKER_ID_CHARS, SpaceId, SpeakerId, is_space_id, is_speaker_id
from stentor.limits import HOST_TOKEN_S, SERVICE_TOKEN_S
from stentor.paths import Paths
from stentor.social import Account, Database
from stentor.tokens import Claims
from stentor.web.announcement import Announcement
from stentor.web.cards import Cards
from stentor.web.scheduled import scheduled
from stentor.web.stage_client import StageClient

RecordingCommand = Literal["recording.withdraw", "recording.restore", "recording.delete"]
_telemetry = logging.getLogger("stentor.web")


@dataclass(frozen=True, slots=True)
class Seat:
    """A host's seat and the token to sit on it."""

    space: SpaceId
    speaker: SpeakerId
    token: str


class Hosting:
    """Acts for signed-in accounts on the stage."""

    def __init__(self, paths: Paths, clock: Clock, database: Database, cards: Cards) -> None:
        self._paths = paths
        self._clock = clock
        self._database = database
        self._cards = cards
        self._stage = StageClient(paths.socket("stage"))

    async def create(self, account: Account, announcement: Announcement) -> SpaceId:
        """Make a Space whose host is this account.

        Raises:
            Refused: what the stage refused.
            Unavailable: `stage.away`.
        """
        speaker = SpeakerId(ids.encode(secrets.token_bytes(8), SPEAKER_ID_CHARS))
        answer = await self._stage.post(
            "/stage/spaces",
            self._token(Claims("service", "", "service", "", "web", 0), SERVICE_TOKEN_S),
            {
                "title": announcement.title,
                "description": announcement.description,
                "starts_at_ms": announcement.starts_at_ms,
                "starts_itself": announcement.starts_itself,
                "host_id": account.id,
                "host_name": account.name,
                "host_speaker": speaker,
            },
        )
        space = SpaceId(str(answer.get("space")))
        speaker = SpeakerId(str(answer.get("host_speaker")))
        if not is_space_id(space) or not is_speaker_id(speaker):
            raise Unavailable("stage.away", "The stage gave no sensible answer. Try again.", 2.0)
        # The Space exists whatever the database does: its log says the same.
        with contextlib.suppress(Unavailable):
            await social.remember(self._database, space, account.id, speaker, self._now_ms())
        return space

    async def seat(self, account: Account, space: str) -> Seat:
        """The host's seat in a Space, with a new token.

        Raises:
            Refused: `space.unknown` or `space.not_yours`.
            Unavailable: `database.away` when only the database could say, and cannot.
        """
        card = self._cards.one(space)
        first = None if card is not None and card.host_id else scheduled(self._paths, space)
        host_id = card.host_id if card is not None and card.host_id else first and first.host_id
        if not host_id:
            raise Refused("space.unknown", "There is no such Space; look for it on the home page.")
        if host_id != account.id:
            raise Refused("space.not_yours", "Somebody else hosts this Space; sign in as its host.")
        speaker = await self._speaker(SpaceId(space))
        claims = Claims("seat", space, "host", speaker, account.name, 0)
        return Seat(SpaceId(space), speaker, self._token(claims, HOST_TOKEN_S))

    async def recording(self, account: Account, space: str, command: RecordingCommand) -> None:
        """Withdraw, restore or delete the recording of one's own Space.

        Raises:
            Refused: `space.unknown`, `space.not_yours`, or what the stage refused.
            Unavailable: `stage.away`.
        """
        seat = await self.seat(account, space)
        await self._stage.post(f"/stage/{seat.space}/commands", seat.token, {"command": command})

    async def _speaker(self, space: SpaceId) -> SpeakerId:
        with contextlib.suppress(Unavailable):
            stored = await social.host_speaker_of(self._database, space)
            if stored is not None:
                return stored
        first = scheduled(self._paths, space)
        if first is None or not is_speaker_id(first.host_speaker):
            raise Unavailable(
                "space.unreadable", "The beginning of this Space's log cannot be read.", 30.0
            )
        return SpeakerId(first.host_speaker)

    def _token(self, claims: Claims, lasts_s: int) -> str:
        expires_at_s = self._now_ms() // 1000 + lasts_s
        lasting = msgspec.structs.replace(claims, expires_at_s=expires_at_s)
        return tokens.issue(lasting, self._paths.keyring())

    def _now_ms(self) -> int:
        return self._clock.wall_time() // 1_000_000
