"""The command `stentor drill`: its words, and what it prints."""

import argparse
import json
from typing import Any

import msgspec

from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.demo import interruption
from stentor.demo.telling import Telling, finish
from stentor.drill import certificate, fleet, plan, target
from stentor.drill.rehearsal import FORCES, Order, Rehearsal
from stentor.paths import Paths


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Hold the drill; 0 when every promise was kept.

    Raises:
        StentorError: it could not be held; the sentence says why.
    """
    clock, paths = SystemClock(), Paths(settings.data_dir)
    if options.certificate:
        found = certificate.last(paths)
        invalid = certificate.why_invalid(found, settings, clock.wall_time())
        _show(found, invalid, as_json=options.json)
        return 1 if invalid else 0
    if options.scale:
        return _simulate(options, settings, Telling(clock))
    if options.to:
        target.parse(options.to)
    attackers = FORCES[options.attack].count if options.attack in FORCES else 0
    plan.check(options.listeners, options.seconds, attackers)
    order = Order(options.listeners, options.arrival, options.attack, options.seconds, options.to)
    cores, core = fleet.cores()
    telling = Telling(clock)
    rehearsal = Rehearsal(order, settings, clock, telling, cores, core)
    made = interruption.run(rehearsal.run())
    where = certificate.save(made, paths)
    _show(made, "", as_json=False)
    print(f"  Kept in {where}\n", flush=True)
    figures: dict[str, Any] = msgspec.to_builtins(made) | {"ok": made.ok}
    return finish(figures, "drill-certificate.json", as_json=options.json)


def _simulate(options: argparse.Namespace, settings: Settings, telling: Telling) -> int:
    """What `--scale` asks for."""
    from stentor.drill import scale

    edges = settings.edges or scale.EDGES
    played = scale.scenario(options.scale, options.arrival, options.attack, edges)
    found = scale.run(played, options.seed, telling)
    return finish(found, "drill-scale.json", as_json=options.json)


def _show(made: certificate.Certificate, invalid: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.to_builtins(made) | {"valid": not invalid, "why": invalid}))
    else:
        print(certificate.text_of(made, invalid))
