"""Who publishes on one Space's stage: at most one WHIP session for each seat."""

import logging
from collections.abc import Callable

from stentor.clock import Clock
from stentor.errors import Refused
from stentor.limits import SPEAKER_TAKEOVER_S
from stentor.stage.ports import Ports
from stentor.stage.programme import Microphone, Programme
from stentor.stage.publisher import Publisher

_telemetry = logging.getLogger(__name__)


class Sessions:
    """The publishers of one Space, and the microphones they feed.

    Args:
        room: raises when the stage as a whole can take no more sessions.
    """

    def __init__(
        self, programme: Programme, ports: Ports, clock: Clock, room: Callable[[], None]
    ) -> None:
        self._programme = programme
        self._ports = ports
        self._clock = clock
        self._room = room
        self._publishers: dict[str, Publisher] = {}
        self._opening: set[str] = set()
        self._heard_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._publishers) + len(self._opening)

    def publishes(self, speaker: str) -> bool:
        """Whether this seat has a session, connected or not."""
        return speaker in self._publishers

    def heard_at(self, speaker: str) -> float | None:
        """When the last packet of this seat came, in whichever session."""
        microphone = self._programme.microphones.get(speaker)
        if microphone is not None and microphone.heard_at is not None:
            self._heard_at[speaker] = microphone.heard_at
        return self._heard_at.get(speaker)

    def owner(self, session: str) -> str | None:
        """The seat that publishes by this session."""
        for speaker, publisher in self._publishers.items():
            if publisher.session == session:
                return speaker
        return None

    async def open(self, speaker: str, offer: str, replaces: str) -> Publisher:
        """Begin a session for a seat; a session it has already is closed if that is allowed.

        Args:
            offer: the SDP.
            replaces: the session that the speaker says this one takes the place of, or empty.

        Raises:
            Refused: `speaker.already`, and what reading the offer raises.
            Unavailable: no port, or no room.
        """
        present = self._publishers.get(speaker)
        if present is not None and present.session != replaces:
            heard_at = self.heard_at(speaker)
            if heard_at is not None and self._clock.now() - heard_at < SPEAKER_TAKEOVER_S:
                raise _already()
        if speaker in self._opening:
            raise _already()
        if present is None:
            self._room()
        self._opening.add(speaker)
        try:
            microphone = Microphone(speaker, self._clock)
            publisher = await Publisher.open(offer, self._ports, self._clock, microphone.packet)
        finally:
            self._opening.discard(speaker)
        await self.close(speaker)
        microphone.line = publisher
        publisher.on_close = lambda closed: self._forget(speaker, closed)
        self._publishers[speaker] = publisher
        self._programme.microphones[speaker] = microphone
        return publisher

    async def close(self, speaker: str) -> None:
        """End the session of a seat, if it has one; its voice is in no mix from now on."""
        publisher = self._publishers.get(speaker)
        if publisher is not None:
            self._forget(speaker, publisher)
            await publisher.close()

    async def close_all(self) -> None:
        """End all sessions."""
        for speaker in list(self._publishers):
            await self.close(speaker)

    def loss(self, speaker: str) -> float:
        """Which share of a seat's packets is missing, from 0 to 1."""
        publisher = self._publishers.get(speaker)
        if publisher is None:
            return 0.0
        figures = publisher.stats()
        sent = figures["packets_in"] + figures["packets_lost"]
        return round(float(figures["packets_lost"] / sent), 4) if sent else 0.0

    def _forget(self, speaker: str, publisher: Publisher) -> None:
        if self._publishers.get(speaker) is not publisher:
            return
        self.heard_at(speaker)
        del self._publishers[speaker]
        self._programme.microphones.pop(speaker, None)
        _telemetry.info("a session ended: %s", publisher.close_reason or "closed by the stage")


def _already() -> Refused:
    return Refused(
        "speaker.already",
        "Somebody speaks with this link already; close the other window, or wait two seconds.",
    )
