"""What an usher is told of a Space beforehand: by its host, and by an usher before. Pure."""

from dataclasses import dataclass

import msgspec

from stentor.gate import places
from stentor.gate.mark import MarkMemory
from stentor.limits import MARK_TRAIL_US, SHUFFLE_US


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a Space beforehand.

    Attributes:
        opens_us: when the doors open; 0: they always were open.
        seed_hash: of what shuffles the turns.
        recording_at_ms: when the recording will probably be here.
        expected_per_s: arrivals a second the host expects; 0: nobody said.
        waiting_room: `auto`, `always` or `never`.
        is_open: the doors are open already, whatever the time is.
    """

    opens_us: int = 0
    seed_hash: str = ""
    recording_at_ms: int = 0
    expected_per_s: float = 0.0
    waiting_room: str = "auto"
    is_open: bool = False

    def limit_us(self, now_us: int) -> int:
        """What the mark must stay behind: turns there are still being given, or are not yet due."""
        if self.is_open and now_us < self.opens_us:  # earlier than announced: they are drawn still
            return self.opens_us + SHUFFLE_US
        return places.front_us(now_us, self.opens_us) - MARK_TRAIL_US

    def is_before_doors(self, now_us: int) -> bool:
        """Whether nobody is let in yet."""
        return now_us < self.opens_us and not self.is_open


class Memory(msgspec.Struct, frozen=True, array_like=True):
    """What an usher must know of a Space that begins anew.

    Attributes:
        since_s: how long ago the step was taken; `forced`: the step the host wants.
        share: of one prefix. Who asked for how much is not kept, for it is about people: until
            that is known again the share stays as it was.
    """

    mark: MarkMemory
    step: int = 0
    why: str = ""
    figures: dict[str, float] = {}
    since_s: float = 0.0
    forced: int | None = None
    share: int = 0
