"""What the stage counts, asked over its Unix socket."""

from typing import Any

from stentor.demo.calls import Caller
from stentor.demo.house import House


async def stage_health(house: House) -> dict[str, Any]:
    """`GET /stage/health`.

    Raises:
        Unavailable: `demo.failed`.
    """
    caller = Caller(house.paths.socket("stage"))
    return (await caller.ask("GET", "/stage/health", expect=200)).json()


async def absent_samples(house: House) -> dict[str, int]:
    """Of each connected speaker: samples that nobody heard as they were said, so far.

    Concealed, missing and cut ones; a new publishing begins at 0.
    """
    voices = (await stage_health(house))["voices"]
    kinds = ("concealed_samples", "missing_samples", "cut_samples")
    return {speaker: sum(one[kind] for kind in kinds) for speaker, one in voices.items()}
