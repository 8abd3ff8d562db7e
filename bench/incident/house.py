"""The house in a drawn incident: what edges, gates and the stage can give, and what breaks."""

import heapq
import math
import random

from bench.incident.actors import Actor
from bench.incident.draw import Fault, Incident
from stentor.audience.tally import Tally

Seats = list[tuple[float, int, Actor]]


class House:
    """What there is to give, moment by moment."""

    def __init__(self, incident: Incident, chance: random.Random) -> None:
        self.incident, self.chance = incident, chance
        self.begun = self.ended = 0
        self.pressed = False
        self.cap = int(incident.people.usual * chance.uniform(0.2, 0.45))
        self.rate = chance.uniform(300, 4_000)  # attempts a second that the gates can take
        self.noise = chance.uniform(0, 12)
        self.stays_calm = chance.random() < 0.6
        self.step = 0
        self.overload = 0.0
        self.away = [0.0, 0.0]

    def fault(self, kind: str, now: float) -> Fault | None:
        """The fault of a kind that is going on."""
        for fault in self.incident.faults:
            if fault.kind == kind and fault.from_s <= now < fault.until_s:
                return fault
        return None

    def edges(self, now: float) -> int:
        """Edges that are alive."""
        fault = self.fault("edges", now)
        whole = self.incident.edges
        return whole - max(1, round(fault.depth * whole)) if fault else whole

    def capacity(self, now: float) -> int:
        """Listeners that can be held."""
        if self.fault("cap", now):
            return self.cap
        return self.incident.capacity * self.edges(now) // self.incident.edges

    def failing(self, now: float) -> float:
        """The share of attempts that end with an error of ours."""
        fault = self.fault("errors", now)
        if fault:
            return 0.05 + 0.7 * fault.depth
        if self.fault("loop", now):
            return 0.02
        return 0.03 * min(1.0, self.overload) if self.overload > 0 and not self.stays_calm else 0.0

    def displaced(self, now: float, seated: Seats) -> list[Actor]:
        """Those who lost their seats because there are fewer."""
        gone: list[Actor] = []
        while len(seated) > self.capacity(now):
            gone.append(seated.pop()[2])
        heapq.heapify(seated)
        return gone

    def supply(
        self,
        begin_s: float,
        seated: Seats,
        waiting: int,
        tally: Tally,
        gaps: list[tuple[float, float, str]],
        steps: list[tuple[float, int, str]],
    ) -> dict[str, object]:
        """The figures of a span, and what happened to the programme in it."""
        chance, now = self.chance, begin_s + 9.9
        kernel = self._floods(now, tally)
        arrivals = sum(tally._outcomes.values())
        self.overload = max(0.0, (arrivals + sum(kernel.values()) / 40) / 10 / self.rate - 0.7)
        late = 800 * min(3.0, self.overload) if not self.stays_calm else 60 * self.overload
        edges, capacity = self.edges(now), self.capacity(now)
        capped = self.fault("cap", now) is not None
        figures: dict[str, object] = {
            "capacity": capacity,
            "measured": max(capacity, self.incident.measured * edges // self.incident.edges),
            "binding": "operator" if capped else "cpu",
            "edges": edges,
            "edges_wanted": self.incident.edges,
            "gates": 2,
            "gates_wanted": 2,
            "listeners": len(seated),
            "waiting": waiting,
            "mode": "places" if waiting else "open",
            "begun": self.begun,
            "stayed": int(self.begun * 0.9),
            "ended": self.ended,
            "gate_cpu": min(1.0, arrivals / 10 / self.rate + 0.05),
            "edge_cpu": min(1.0, 0.1 + 0.6 * len(seated) / max(1, capacity)),
            "gate_lag_ms": chance.uniform(1, 15) + late,
            "edge_lag_ms": chance.uniform(1, 10),
            "stage_late_ms": chance.uniform(0, 6),
            "kernel": kernel,
            "sent": len(seated) * 45_000,
        }
        self._break(begin_s, figures, seated, gaps)
        self._ladder(begin_s, waiting, capacity, arrivals, steps)
        figures["step"] = self.step
        self.pressed = waiting > 0 or self.overload > 0
        self.begun = self.ended = 0
        return figures

    def _ladder(
        self,
        now: float,
        waiting: int,
        capacity: int,
        arrivals: int,
        steps: list[tuple[float, int, str]],
    ) -> None:
        wanted = 4 if waiting > 0.5 * capacity else 2 if self.overload > 0 else 1 if waiting else 0
        if wanted != self.step:
            self.step += 1 if wanted > self.step else -1
            steps.append((now, self.step, "capacity" if waiting else "arrivals"))

    def _floods(self, now: float, tally: Tally) -> dict[str, int]:
        """What is refused before it is understood: noise, and attacks of that kind."""
        chance, kernel = self.chance, {}
        tally.count_in("malformed", "request", int(chance.uniform(0, self.noise)))
        tally.count_in("shield", "rate", int(chance.uniform(0, self.noise)))
        for attack in self.incident.attacks:
            if (
                attack.bots
                or not attack.from_s <= now < attack.until_s
                or self._pausing(attack, now)
            ):
                continue
            amount = int(10 * attack.per_s * chance.uniform(0.7, 1.3))
            if attack.kind == "half_heads":
                tally.count_in("malformed", "half_head", amount)
            elif attack.kind == "shielded":
                tally.count_in("shield", "rate", amount)
            else:
                kernel[chance.choice(["syn", "udp"])] = amount * 30
        return kernel

    def _pausing(self, attack: object, now: float) -> bool:
        waves = getattr(attack, "waves", 0)
        if not waves:
            return False
        whole = attack.until_s - attack.from_s  # type: ignore[attr-defined]
        place = (now - attack.from_s) / whole * waves % 1.0  # type: ignore[attr-defined]
        return place > 0.7

    def _break(
        self,
        begin_s: float,
        figures: dict[str, object],
        seated: Seats,
        gaps: list[tuple[float, float, str]],
    ) -> None:
        """What faults do beside what the door already does."""
        chance, now, count = self.chance, begin_s + 9.9, len(seated)
        if (fault := self.fault("edges", now)) and now - fault.from_s < 10:
            figures["dropped"] = {"fault": int(count * fault.depth * 0.9)}
            figures["restarts"] = {"edge-0": 1} if chance.random() < 0.5 else {}
        fault = self.fault("stage", now)
        if fault and chance.random() < 0.3 + 0.3 * fault.depth:
            begin = begin_s + chance.uniform(0, 4)
            gaps.append((begin, begin + chance.uniform(0.8, 5.5), "stage"))
            figures["restarts"] = {"stage": 1}
            figures["stalled"] = int(count * chance.uniform(0, 0.3))
        if fault := self.fault("disk", now):
            figures["stage_late_ms"] = chance.uniform(30, 60 + 300 * fault.depth)
            if chance.random() < 0.4 + 0.5 * fault.depth:
                begin = begin_s + chance.uniform(0, 5)
                gaps.append((begin, begin + chance.uniform(0.4, 4.0) * (0.5 + fault.depth), "disk"))
        if fault := self.fault("stalls", now):
            figures["stalled"] = math.ceil(count * fault.depth * chance.uniform(0.04, 0.15))
        if fault := self.fault("loop", now):
            figures["gate_lag_ms"] = chance.uniform(700, 1_000 + 4_000 * fault.depth)
