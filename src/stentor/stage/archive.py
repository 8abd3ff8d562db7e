"""What can still be asked of a Space that is over: to withdraw, restore or delete its recording."""

import asyncio
from typing import Any

from stentor.errors import Refused, Unavailable
from stentor.log import Disk
from stentor.record import Kind
from stentor.space import card, events, rules
from stentor.space.commands import Command, DeleteRecording
from stentor.space.events import Event
from stentor.space.state import State, card_of, fold
from stentor.stage import erasing
from stentor.stage.house import House
from stentor.stage.takeup import Kept, read_state, take_up
from stentor.tokens import Claims


class Archive:
    """The sealed logs of a stage, opened one at a time and only while something is done to them.

    Args:
        disk: what to write with; tests hand in one that fails.
    """

    def __init__(self, house: House, disk: Disk | None = None) -> None:
        self._house = house
        self._disk = disk
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
            # What was deleted is deleted again: an erasure may have stopped half way.
            deletes = isinstance(command, DeleteRecording)
            if decided or deletes:
                await asyncio.to_thread(self._do, space, decided, deletes=deletes)
        return {"events": decided}

    def _decide(self, state: State, claims: Claims, command: Command) -> list[Event]:
        actor = rules.actor_of(state, claims.seat, claims.role)
        moment = rules.Moment(self._house.wall_time_ms, state.ended_at_media_time)
        return rules.decide(state, actor, command, moment)

    def _do(self, space: str, decided: list[Event], *, deletes: bool) -> None:
        paths = self._house.paths
        kept = take_up(paths.log(space), space, self._house.clock, self._disk)
        if kept is None:
            raise unknown()
        try:
            if deletes:
                erasing.begin(paths.space(space))
            state = self._write(kept, decided)
            if deletes:
                erasing.finish(paths.space(space), kept.writer, state)
        except OSError as error:
            sentence = f"The recording cannot be erased ({error.strerror}); try again."
            raise Unavailable("data.unwritable", sentence) from error
        finally:
            kept.writer.close()

    def _write(self, kept: Kept, decided: list[Event]) -> State:
        state = kept.state
        for event in decided:
            payload = events.encode(event)
            kept.writer.append(Kind.EVENT, payload, media_time=state.ended_at_media_time)
            state = fold(state, event)
        kept.writer.sync()
        self._house.cards.put(self._house.paths.card(state.space), card.encode(card_of(state)))
        return state


def unknown() -> Refused:
    """The refusal for a Space that there is not."""
    return Refused("space.unknown", "There is no Space at this address; check the link.")
