"""`stentor drill --scale N`: what no machine here can show, simulated with the door's rules."""

from typing import Any

import msgspec

from stentor.demo.telling import Telling, table
from stentor.drill.plan import Arrival, Attack
from stentor.errors import Refused
from stentor.limits import DRILL_SCALE_MAX
from stentor.simulation import scenario as scenarios
from stentor.simulation.evening import Evening
from stentor.simulation.scenario import Scenario
from stentor.simulation.verdict import FAIR_P, PAGE_AGE_MAX_S, WAIT_ERROR_MAX, Seen, judge

EDGES = 20
CHAIRS_PER_ARRIVAL = 0.3
"""All edges together hold so much of those who come: most have to wait."""
ARRIVE_S = 60.0
PLAYED_S = 2_400
MOVED_AT_LEAST = 20
BOT_PREFIXES = 50


def scenario(arrivals: int, arrival: Arrival, attack: Attack, edges: int) -> Scenario:
    """The evening to be simulated.

    Raises:
        Refused: `drill.size`, or `drill.attack` for one that is not simulated.
    """
    if not 1_000 <= arrivals <= DRILL_SCALE_MAX:
        raise Refused(
            "drill.size", f"Between 1,000 and {DRILL_SCALE_MAX:,} arrivals are simulated."
        )
    chairs = max(50, round(arrivals * CHAIRS_PER_ARRIVAL / edges))
    return Scenario(
        name="drill",
        arrivals=arrivals,
        arrive_s=ARRIVE_S,
        before_s=ARRIVE_S if arrival == "shuffle" else 0.0,
        shape="peak" if arrival == "ramp" else "even",
        edges=edges,
        chairs=chairs,
        joins_per_s=max(MOVED_AT_LEAST, chairs // 10),
        last_s=PLAYED_S,
        attack=_attack(arrivals, attack),
    )


def _attack(arrivals: int, attack: Attack) -> scenarios.Attack:
    match attack:
        case "none":
            return scenarios.Attack()
        case "flood":
            return scenarios.Attack(flood_per_s=arrivals // 300, hoarders=arrivals // 20)
        case "listening-bots":
            return scenarios.Attack(bots=arrivals // 10, bot_prefixes=BOT_PREFIXES, solves=True)
        case "tickets":
            return scenarios.Attack(replays_per_s=200)
        case "slow" | "udp":
            raise Refused("drill.attack", f"'{attack}' is about sockets: that is not simulated.")


def run(played: Scenario, seed: int, telling: Telling) -> dict[str, Any]:
    """Play it; the figures, and whether what is promised of waiting was kept."""
    chairs = played.edges * played.chairs
    telling.say(
        f"{played.arrivals:,} people come within {played.arrive_s:g} s to {played.edges} edges "
        f"with {chairs:,} chairs; {played.last_s / 60:g} minutes are simulated"
    )
    evening = Evening(played, seed).play()
    seen = judge(evening, seed, evening.minutes[-1].from_s + 60)
    rows = promises(seen)
    print("\n" + table(rows) + "\n", flush=True)
    figures: dict[str, Any] = msgspec.to_builtins(seen)
    return figures | {
        "scenario": msgspec.to_builtins(played),
        "took_s": round(telling.elapsed_s, 1),
        "ok": all(good for _, _, good in rows if good is not None),
    }


def promises(seen: Seen) -> list[tuple[str, str, bool | None]]:
    """What came of it, for a person."""
    waited = seen.estimates > 0
    return [
        ("Let in", f"{seen.in_share:.1%} of {seen.arrivals:,}", None),
        ("Lost patience", f"{seen.gave_up:.1%}", None),
        ("Listeners at once", f"{seen.most:,} of {seen.capacity:,} chairs", seen.overdrawn == 0),
        ("Fair within a second", f"p = {seen.fair_p:g} (one seed)", seen.fair_p >= FAIR_P),
        (
            "Estimate of the wait",
            f"off by {seen.wait_error:.0%} in the middle",
            seen.wait_error <= WAIT_ERROR_MAX if waited else None,
        ),
        (
            "Oldest thing a visible page showed",
            f"{seen.page_age_s:g} s",
            seen.page_age_s <= PAGE_AGE_MAX_S,
        ),
        ("Bots among the listeners at the end", f"{seen.bots_share:.1%}", None),
    ]
