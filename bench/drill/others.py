"""G1, GATE and SIM: benchmarks of their own, held to their promises here."""

from typing import Any

from bench.drill.beside import Beside
from bench.drill.case import Found, program
from stentor.demo.telling import Telling

RIGHT_MIN = 0.95
CANNOT_TELL_MAX = 0.10
GATE_SHARE_MIN = 0.6


INCIDENTS = Beside("bench.incident")
SIMULATION = Beside("bench.simulation", ("--whole", "2", "--attacks", "0"))
"""These compute beside other cases, if there are any (`beside.py`)."""


async def g1(telling: Telling) -> Found:
    """Reports of seeded incidents, and whether their leading evidence is right."""
    return judged(INCIDENTS.module, *await INCIDENTS.result(), telling)


async def gate(telling: Telling) -> Found:
    """A gate's answers beside nginx."""
    return await whole("bench.door", telling)


async def sim(telling: Telling) -> Found:
    """A million arrivals, simulated."""
    return judged(SIMULATION.module, *await SIMULATION.result(), telling)


async def whole(module: str, telling: Telling) -> Found:
    """A benchmark that judges itself: its figures, and its own `ok`."""
    return judged(module, *await program(module), telling)


def judged(module: str, code: int, figures: dict[str, Any], telling: Telling) -> Found:
    """The same of one that has ended."""
    if not figures:
        return Found(checks={f"{module} gave figures (it ended with {code})": False})
    found = Found(figures)
    promises: dict[str, Any] = figures.get("promises") or figures.get("checks") or {}
    for name, one in promises.items():
        good = one.get("kept", one.get("ok")) if isinstance(one, dict) else one
        found.checks[f"{name}: {_value(one)}"] = bool(good)
    found.checks[f"{module} found every promise kept"] = bool(figures.get("ok")) and code == 0
    telling.say(f"{module} has ended with {code}")
    return found


def _value(one: Any) -> Any:
    if isinstance(one, dict):
        return one.get("value", one.get("found", one))
    return one
