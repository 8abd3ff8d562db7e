"""What all floors of one stage share."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from stentor.clock import Clock
from stentor.config import Settings
from stentor.paths import Paths
from stentor.stage.cards import Cards
from stentor.stage.ports import Ports
from stentor.tokens import Keyring


@dataclass(frozen=True, slots=True)
class House:
    """What all floors of a stage share.

    Attributes:
        room: raises when the stage can take no more WHIP sessions.
        spawn: runs something to its end beside everything else; the stage waits for it.
    """

    settings: Settings
    paths: Paths
    clock: Clock
    keyring: Keyring
    ports: Ports
    cards: Cards
    room: Callable[[], None]
    spawn: Callable[[Coroutine[Any, Any, None]], None]

    @property
    def wall_time_ms(self) -> int:
        """UTC milliseconds."""
        return self.clock.wall_time() // 1_000_000
