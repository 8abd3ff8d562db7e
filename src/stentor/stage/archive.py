"""What can still be asked of a Space that is over: to withdraw, restore or delete its recording."""

import asyncio
from typing import Any

from stentor.errors import Refused
from stentor.record import Kind
from stentor.space import card, events, rules
from stentor.space.commands import Command
from stentor.space.events import Event, RecordingDeleted
from stentor.space.state import State, card_of, fold
from stentor.stage.house import House
from stentor.stage.takeup import Kept, read_state, take_up
from stentor.tokens import Claims


class Archive:
    """The sealed logs of a stage, opened one at a time and only while something is done to them."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._one = asyncio.Lock()

    async def command(self, claims: Claims, command: Command) -> dict[str, Any]:
        """Do what somebody asks of a Space that is over.

        Returns:
            The answer's body.

        Raises:
            Refused: by the rules, or `space.unknown`.
            Unavailable: the log is held by somebody else, or the disk refuses.
        """
        space, folder = claims.space, self._house.paths.log(claims.space)
        async with self._one:
            state = await asyncio.to_thread(read_state, folder, space)
            if state is None:
                raise unknown()
            decided = self._decide(state, claims, command)
            if decided:
                kept = await asyncio.to_thread(take_up, folder, space, self._house.clock)
                if kept is None:
                    raise unknown()
                await asyncio.to_thread(self._write, kept, decided)
        return {"events": decided}

    def _decide(self, state: State, claims: Claims, command: Command) -> list[Event]:
        actor = rules.actor_of(state, claims.seat, claims.role)
        moment = rules.Moment(self._house.wall_time_ms, state.ended_at_media_time)
        return rules.decide(state, actor, command, moment)

    def _write(self, kept: Kept, decided: list[Event]) -> None:
        state = kept.state
        try:
            for event in decided:
                payload = events.encode(event)
                kept.writer.append(Kind.EVENT, payload, media_time=state.ended_at_media_time)
                state = fold(state, event)
            kept.writer.sync()
            path = self._house.paths.card(state.space)
            self._house.cards.put(path, card.encode(card_of(state)))
            if any(isinstance(event, RecordingDeleted) for event in decided):
                kept.writer.erase()
        finally:
            kept.writer.close()


def unknown() -> Refused:
    """The refusal for a Space that there is not."""
    return Refused("space.unknown", "There is no Space at this address; check the link.")
