"""A worker of a drill: a share of the people, in one process on a core of its own.

Started as `python -m stentor.drill.crowd`; the crowd (`plan.People`) comes as one line of JSON on
standard input. A line of progress goes out each second, and everything about everybody when the
worker is told to stop, by another line. It ends with its standard input.
"""

import heapq
import os
import random
import resource
import select
import sys
from itertools import count
from typing import Any

import msgspec

from stentor import node
from stentor.clock import Clock, SystemClock
from stentor.drill import answers, plan, target
from stentor.drill.challenge import Solver
from stentor.drill.person import Ask, Person, Stand
from stentor.drill.plan import People
from stentor.drill.wires import Load, Switch, Wire, pin

ANSWER_S = 10.0
"""A question without an answer for so long is given up, and asked again."""
SILENT_S = 20.0
"""A live response that says nothing for so long is dead: heartbeats come every 5 s."""
SWEEP_S = 0.25
WAIT_S = 0.005
NICENESS = -5
"""As edges are: a listener who is kept waiting by other programs would look like one who stalls."""
OPENED_PER_TURN = 64
"""New connections in a row: then it is the turn of those that are there."""
FIRST_S = 0.5
"""From the plan to the first arrival: all workers begin at once."""


class Errand:
    """A person's connection, and what it asks."""

    __slots__ = ("ask", "heard_at", "person")

    def __init__(self, person: Person, ask: Ask) -> None:
        self.person = person
        self.ask = ask
        self.heard_at = 0.0


class Room:
    """The people of this worker."""

    def __init__(self, people: People, clock: Clock, begins_at: float) -> None:
        self.people = people
        self.clock = clock
        self.load = Load(clock)
        self.solver = Solver(people.keys)
        self.switch: Switch[Errand] = Switch(
            clock, (people.host, people.port), self._arrived, self._broken
        )
        self.persons = [self._person(*one, begins_at) for one in self._mine()]
        self._order = count()
        self._due = [(one.due, next(self._order), one) for one in self.persons]
        heapq.heapify(self._due)
        self._swept = 0.0

    def _mine(self) -> list[tuple[int, float]]:
        people = self.people
        index, workers = people.share
        times = plan.arrivals(people.arrival, people.count, people.over_s, people.seed)
        return [(number, at) for number, at in enumerate(times) if number % workers == index]

    def _person(self, number: int, at_s: float, begins_at: float) -> Person:
        people = self.people
        chance = random.Random(people.seed * 1_000_003 + number)  # noqa: S311 - habits of people
        computes = chance.random() < people.computing
        return Person(
            number,
            people.space,
            f"{people.host}:{people.port}",
            begins_at + at_s,
            chance,
            self.solver.solve if computes else None,
            people.rendition,
        )

    def turn(self) -> None:
        """Wait a little for answers, and send out those who are due."""
        self.switch.turn(WAIT_S)
        now = self.clock.now()
        for _ in range(OPENED_PER_TURN):
            if not self._due or self._due[0][0] > now:
                break
            due, _, person = heapq.heappop(self._due)
            self._serve(person, due, now)
        if now - self._swept > SWEEP_S:
            self._swept = now
            self._sweep(now)

    def _serve(self, person: Person, due: float, now: float) -> None:
        if person.renew_at == due and person.streams:
            person.renew_at = float("inf")
            self._open(person, Ask.RENEW)
        elif person.due == due:
            self.load.late(now - due)
            if not person.came_at:
                person.came_at = now
            person.due = float("inf")
            self._open(person, person.next)

    def _open(self, person: Person, ask: Ask) -> None:
        people = self.people
        source = plan.source_of(person.number, people.prefixes, people.network, people.hosts)
        if self.switch.open(Errand(person, ask), source, person.request(ask)) is None:
            person.lost(self.clock.now(), ask)
            self._enter(person)

    def _enter(self, person: Person) -> None:
        """Note when a person acts next."""
        for at in (person.due, person.renew_at):
            if at != float("inf"):
                heapq.heappush(self._due, (at, next(self._order), person))

    def _arrived(self, wire: Wire[Errand]) -> None:
        errand, now = wire.owner, self.clock.now()
        if errand.ask is Ask.STREAM:
            self._hear(wire, now)
            return
        found = answers.whole(wire.data)
        if found is not None:
            self._answered(wire, found, now)

    def _answered(self, wire: Wire[Errand], found: answers.Answered, now: float) -> None:
        person, ask, head = wire.owner.person, wire.owner.ask, found.head
        person.answered(now, ask, now - wire.began, head.status, head.text, found.body)
        goes_on = person.due <= now and not head.closes and ask is not Ask.RENEW
        if goes_on and wire.descriptor in self.switch.wires:
            wire.owner = Errand(person, person.next)
            person.due = float("inf")
            self.switch.ask(wire, person.request(wire.owner.ask))
        else:
            self.switch.close(wire)
        self._enter(person)

    def _hear(self, wire: Wire[Errand], now: float) -> None:
        errand = wire.owner
        person = errand.person
        if not errand.heard_at:
            head = answers.head_of(wire.data)
            if head is None:
                return
            if head.status != 200:
                self._refused(wire, now, ended=False)
                return
            errand.heard_at = now
            person.stream_began(now, 200, "", b"")
            self._enter(person)
            person.hearing.take(now, bytes(wire.data[head.bytes :]))
        else:
            errand.heard_at = now
            person.hearing.take(now, bytes(wire.data))
        wire.data.clear()

    def _refused(self, wire: Wire[Errand], now: float, *, ended: bool) -> bool:
        found = answers.whole(wire.data, ended=ended)
        if found is None:
            return False
        person = wire.owner.person
        person.stream_began(now, found.head.status, found.head.text, found.body)
        self.switch.close(wire)
        self._enter(person)
        return True

    def _broken(self, wire: Wire[Errand]) -> None:
        person, ask, now = wire.owner.person, wire.owner.ask, self.clock.now()
        if ask is Ask.STREAM:
            if not wire.owner.heard_at and self._refused(wire, now, ended=True):
                return
        elif (found := answers.whole(wire.data, ended=True)) is not None:
            self._answered(wire, found, now)
            return
        person.lost(now, ask)
        self._enter(person)

    def _sweep(self, now: float) -> None:
        for wire in list(self.switch.wires.values()):
            heard = wire.owner.heard_at
            if now - (heard or wire.began) > (SILENT_S if heard else ANSWER_S):
                self.switch.close(wire)
                self._broken(wire)

    def look(self) -> dict[str, Any]:
        """A few figures for the line of progress."""
        stands = dict.fromkeys((one.value for one in Stand), 0)
        came = streams = hearing = stalls = pages = breaks = 0
        for person in self.persons:
            if person.came_at:
                came += 1
                stands[person.stand.value] += 1
                pages += person.page_s >= 0
                streams += person.streams
                hearing += person.streams and person.hearing.parts > 0
                stalls += len(person.hearing.playhead.stalls)
                breaks += person.breaks
        return {
            "came": came,
            "pages": pages,
            "waiting": stands[Stand.WAITING.value],
            "turned_away": stands[Stand.TURNED_AWAY.value],
            "inside": streams,
            "hearing": hearing,
            "stalls": stalls,
            "breaks": breaks,
            "opened": self.switch.opened,
            "starved": self.switch.starved,
            "busy": self.load.busy[-1] if self.load.busy else 0.0,
            "lag_s": self.load.lag_s[-1] if self.load.lag_s else 0.0,
        }

    def report(self) -> dict[str, Any]:
        """Everything about everybody."""
        now = self.clock.now()
        for person in self.persons:
            if person.streams:
                person.hearing.playhead.close(now)
        return {
            "now": now,
            "persons": [_account(one) for one in self.persons if one.came_at],
            "opened": self.switch.opened,
            "starved": self.switch.starved,
            "busy": self.load.busy,
            "lag_s": self.load.lag_s,
            "is_limit": self.load.is_limit,
        }


def _account(person: Person) -> dict[str, Any]:
    hearing = person.hearing
    return {
        "number": person.number,
        "stand": person.stand.value,
        "came_at": person.came_at,
        "page_s": person.page_s,
        "join_s": person.join_s,
        "place_at": person.place_at,
        "inside_at": person.inside_at,
        "back_at": person.back_at,
        "first_at": hearing.first_at,
        "last_at": hearing.last_at,
        "streams": person.streams,
        "parts": hearing.parts,
        "lost": hearing.lost,
        "stalls": [[one.at, one.seconds] for one in hearing.playhead.stalls],
        "breaks": person.breaks,
        "silent": person.silent,
        "renewals": person.renewals,
        "told": person.told,
    }


def main() -> None:
    """Be a share of the crowd until told to stop, or until standard input ends."""
    people = msgspec.json.decode(sys.stdin.readline(), type=People)
    if not target.is_own(people.host):  # whoever started this: it is aimed at nobody else
        raise SystemExit(2)
    pin(people.core)
    node.set_niceness(NICENESS)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clock = SystemClock()
    room = Room(people, clock, people.begins_at or clock.now() + FIRST_S)
    orders = select.poll()
    orders.register(sys.stdin.fileno(), select.POLLIN)
    while True:
        room.turn()
        if room.load.look(clock.now()):
            say(room.look())
            if not orders.poll(0):
                continue
            if not os.read(sys.stdin.fileno(), 4096):
                return
            say(room.report())
            room.switch.close_all()
            return


def say(document: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
