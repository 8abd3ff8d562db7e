"""`make abuse`: do everything to a node that strangers may, while 2,000 people listen.

Each offence of offences.py in turn, and slowhttptest's four, with a quiet moment before each. The
others' p99 delay moves by less than 50 ms, none of them stalls or is let go, pages are answered,
each offender hears the status it should and is closed at its bound, and memory stays where it was.
An offence that seems to slow others down is done again, at most twice, and the best try counts: on
a machine that does other things as well a single moment proves nothing.

The last line is one JSON object, also written to build/abuse.json. Nothing leaves this machine.
"""

import argparse
import contextlib
import json
import re
import resource
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.abuse import verdict, watch
from bench.abuse.grounds import CLOCK, Attack, Audience, audience, node
from bench.abuse.offences import LIVE, OFFENCES, REPLAY, SLOW_READERS, Offence
from bench.abuse.verdict import Before, Verdict
from bench.abuse.watch import Watch
from bench.edge import tools
from stentor import limits
from stentor.demo.house import House
from stentor.demo.telling import Telling, finish, table
from stentor.errors import StentorError
from tests.edge.test_tls import make_certificate

LISTENERS = 2_000
TLS_LISTENERS = 500
TRIES_MAX = 3
QUIET_S = 2.0
FIRST_QUIET_S = 6.0
CALM_S = 10.0
HANDSHAKES = "handshakes without a pause"
HANDSHAKES_S = 5.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SLOW_TESTS = {
    "slow heads": ("HEADER_DEADLINE_S", ["-H", "-c", "5000", "-r", "2500"], LIVE),
    "slow bodies": ("BODY_DEADLINE_S", ["-B", "-c", "1000", "-r", "1000"], "/api/login"),
    "slow reads": ("ANSWER_STUCK_S", ["-X", "-c", "1000", "-r", "1000", "-k", "10"], REPLAY),
    "many ranges": ("ANSWER_STUCK_S", ["-R", "-c", "1000", "-r", "1000"], REPLAY),
}


class Drill:
    """A node under attack."""

    def __init__(self, house: House, people: Audience, telling: Telling) -> None:
        self.house = house
        self.people = people
        self.telling = telling
        self.tls: ssl.SSLContext | None = None
        self.found: list[Verdict] = []

    def quiet(self, seconds: float) -> Before:
        """A moment without an attack, to compare with; what the last one left has to go first."""
        doors = watch.doors_of(self.house)
        port = self.house.settings.address[1]
        until = time.monotonic() + CALM_S
        while watch.held(port, watch.ATTACKERS) and time.monotonic() < until:
            time.sleep(0.1)
        self.people.heard()
        time.sleep(seconds)
        return Before(self.people.heard(), watch.memory_mb(doors), watch.kernel_mb())

    @contextlib.contextmanager
    def watched(self, ends: str) -> Iterator[Watch]:
        """Look at the doors meanwhile."""
        with Watch(self.house, ends, self.tls) as looking:
            yield looking

    def commit(self, offence: Offence) -> None:
        """One offence, and what became of it; if it seems to slow others down, once more."""
        found = [self.attempt(offence)]
        while found[-1].moved_ms >= verdict.MOVED_MS_MAX and len(found) < TRIES_MAX:
            found.append(self.attempt(offence))
        one = min(found, key=lambda tried: tried.moved_ms)
        one.figures["tries"] = len(found)
        self.note(one)

    def attempt(self, offence: Offence) -> Verdict:
        """One offence, once."""
        before = self.quiet(QUIET_S)
        with self.watched(watch.ATTACKERS) as looking:
            attack = Attack.swarm(offence.name, self.house, offence.seconds)
            said = attack.end(offence.seconds + 20.0)
            looking.settle()
            heard = self.people.heard()
        told = json.loads(said.splitlines()[-1])
        figures, broken = verdict.noticed(before, heard, looking)
        how, wrong = verdict.ended(offence, told, looking)
        figures |= told | {"ended": how}
        return Verdict(offence.name, offence.bound, figures, broken + wrong)

    def slow_test(self, name: str) -> None:
        """One of slowhttptest's."""
        bound, flags, path = SLOW_TESTS[name]
        most_s = getattr(limits, bound) + 10.0
        before = self.quiet(QUIET_S)
        with self.watched(watch.LOOPBACK) as looking:
            url = f"{self.house.url}{path}"
            attack = Attack.begin(
                *("slowhttptest", *flags, "-u", url, "-i", "2", "-p", "2", "-l", f"{most_s:.0f}")
            )
            said = _COLOURS.sub("", attack.end(most_s + 10.0))
            looking.settle()
            heard = self.people.heard()
        figures, broken = verdict.noticed(before, heard, looking)
        how, wrong = verdict.of_slow_test(name, said, looking, most_s)
        bound = f"{bound} = {getattr(limits, bound)}"
        figures["ended"] = how
        self.note(Verdict(f"slowhttptest: {name}", bound, figures, broken + wrong))

    def handshakes(self) -> None:
        """As many new TLS connections as a core can shake hands with."""
        before = self.quiet(QUIET_S)
        host, port = self.house.settings.address
        with self.watched(watch.ATTACKERS) as looking:
            attack = Attack.begin(
                *(str(tools.program("crowd")), "--to", f"{host}:{port}", "--tls", "--path", LIVE),
                *("--until", "connected", "--rate", "0", "--seconds", str(HANDSHAKES_S)),
            )
            told = json.loads(attack.end(HANDSHAKES_S + 10.0))
            heard = self.people.heard()
        figures, broken = verdict.noticed(before, heard, looking)
        figures["ended"] = f"{told['handshakes']} handshakes in {HANDSHAKES_S:g} s"
        self.note(Verdict(HANDSHAKES, f"ARRIVALS_MAX = {limits.ARRIVALS_MAX}", figures, broken))

    def slow_readers(self, attack: Attack, began: float, before: Before) -> None:
        """Those who have been reading too slowly all the time."""
        told = json.loads(
            attack.end(SLOW_READERS.seconds - (time.monotonic() - began)).splitlines()[-1]
        )
        with self.watched(watch.ATTACKERS) as looking:
            time.sleep(1.0)
            heard = self.people.heard()
        figures, broken = verdict.noticed(before, heard, looking)
        how, wrong = verdict.ended(SLOW_READERS, told, looking)
        figures |= told | {"ended": how}
        self.note(Verdict(SLOW_READERS.name, SLOW_READERS.bound, figures, broken + wrong))

    def note(self, one: Verdict) -> None:
        """Say and keep a verdict."""
        self.found.append(one)
        name, text, good = one.row
        self.telling.say(f"{name}: {text}{'' if good else '  (NOT as promised)'}")


def plain(folder: Path, listeners: int, telling: Telling, only: str) -> list[Verdict]:
    """Everything that is done to a door without TLS."""
    with node(folder) as house, audience(house, listeners) as people:
        drill = Drill(house, people, telling)
        telling.say(f"{listeners} listen at {house.url}")
        before = drill.quiet(FIRST_QUIET_S)
        telling.say(f"quiet: p99 {before.heard['delay_p99']} ms, {before.memory_mb:.0f} MB")
        slow, began = None, time.monotonic()
        if only in SLOW_READERS.name:
            slow = Attack.swarm(SLOW_READERS.name, house, SLOW_READERS.seconds)
        for offence in OFFENCES:
            if not offence.tls and only in offence.name:
                drill.commit(offence)
        for name in SLOW_TESTS:
            if shutil.which("slowhttptest") and only in f"slowhttptest: {name}":
                drill.slow_test(name)
        if slow:
            drill.slow_readers(slow, began, before)
        return drill.found


def encrypted(folder: Path, listeners: int, telling: Telling, only: str) -> list[Verdict]:
    """What is done to a door with TLS."""
    offences = [offence for offence in OFFENCES if offence.tls and only in offence.name]
    if not offences and only not in HANDSHAKES:
        return []
    folder.mkdir()
    names = make_certificate(folder, 1)
    flags = ["--tls-cert", names["tls_cert"], "--tls-key", names["tls_key"]]
    with node(folder, *flags) as house, audience(house, listeners, "--tls") as people:
        drill = Drill(house, people, telling)
        drill.tls = ssl.create_default_context()
        drill.tls.check_hostname, drill.tls.verify_mode = False, ssl.CERT_NONE
        telling.say(f"{listeners} listen over TLS")
        drill.quiet(FIRST_QUIET_S)
        for offence in offences:
            drill.commit(offence)
        if only in HANDSHAKES:
            drill.handshakes()
        return drill.found


def main() -> int:
    """Run the drill; the exit code is 0 when every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.abuse",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listeners", type=int, default=LISTENERS, help="honest ones (2000)")
    parser.add_argument("--only", default="", help="offences whose name has this in it")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    telling = Telling(CLOCK)
    try:
        with tempfile.TemporaryDirectory(prefix="stentor-abuse-") as folder:
            found = plain(Path(folder, "plain"), options.listeners, telling, options.only)
            count = min(TLS_LISTENERS, options.listeners)
            found += encrypted(Path(folder, "tls"), count, telling, options.only)
    except StentorError as error:
        print(f"abuse: {error.sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print("\n" + table([one.row for one in found]) + "\n")
    figures = {
        "listeners": options.listeners,
        "moved_ms_max": max(one.moved_ms for one in found),
        "stalls": sum(one.figures["stalls"] for one in found),
        "memory_mb_max": max(one.figures["memory_mb"] for one in found),
        "offences": {
            one.name: {**one.figures, "bound": one.bound, "broken": one.broken} for one in found
        },
        "took_s": round(telling.elapsed_s, 1),
        "ok": not any(one.broken for one in found),
    }
    return finish(figures, "abuse.json", as_json=True)


if __name__ == "__main__":
    sys.exit(main())
