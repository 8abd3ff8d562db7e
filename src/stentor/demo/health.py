"""What the stage counts, asked over its Unix socket."""

from dataclasses import dataclass
from typing import Any

from stentor.demo.calls import Caller
from stentor.demo.house import House


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of one voice's samples.

    Attributes:
        missing: sent, and not here in time: concealed, or silent.
        left_out: received, and left out where the speaker pauses, to make the delay shorter.
        put_in: invented while waiting for packets that came after all; the delay became longer.
    """

    missing: int
    left_out: int
    put_in: int


async def stage_health(house: House) -> dict[str, Any]:
    """`GET /stage/health`.

    Raises:
        Unavailable: `demo.failed`.
    """
    caller = Caller(house.paths.socket("stage"))
    return (await caller.ask("GET", "/stage/health", expect=200)).json()


async def voices(house: House) -> dict[str, Counted]:
    """What was counted of each connected speaker so far; a new publishing begins at 0.

    Raises:
        Unavailable: `demo.failed`.
    """
    found = (await stage_health(house))["voices"]
    return {
        speaker: Counted(
            one["concealed_samples"] + one["missing_samples"],
            one["cut_samples"],
            one["stretched_samples"],
        )
        for speaker, one in found.items()
    }
