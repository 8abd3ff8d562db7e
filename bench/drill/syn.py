"""B11: a SYN flood from addresses of chance, in network namespaces of its own.

The node, its people and its visitor live in one namespace, the flood comes from another over a veth
pair, and every answer to an invented address goes back into the second one and ends there: nothing
can leave this machine. Needs root and hping3.

    python -m bench.drill.syn       within the first namespace: `b11` runs it there
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.drill.case import CLOCK, Found, program, run_within
from bench.drill.evening import evening
from bench.drill.slow import ATTACK_S, AUDIENCE, BEFORE_S, PAGE_S_MAX, Visits
from stentor.demo.house import free_port
from stentor.demo.telling import Telling
from stentor.drill.figures import Crowd, summary
from stentor.errors import Unavailable

_OWN = os.environ.setdefault("STENTOR_DRILL_NETWORK", str(os.getpid()))
HERE, SEA = f"stentor-door-{_OWN}", f"stentor-sea-{_OWN}"
"""Of this run alone; programs that are started within are told by their environment."""
DOOR_ADDRESS, SEA_ADDRESS = "10.99.77.1", "10.99.77.2"
PACKETS_MIN = 100_000
NEWCOMERS = 300
"""People who come while the flood goes on."""


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable("bench.failed", f"{' '.join(command)}: {done.stderr.strip()}")


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    """Two namespaces and the wire between them; gone afterwards.

    Raises:
        Unavailable: `bench.failed`: this user may make none.
    """
    try:
        for name in (HERE, SEA):
            _run("ip", "netns", "add", name)
        pair = ("type", "veth", "peer", "name", "sea0", "netns", SEA)
        _run("ip", "-n", HERE, "link", "add", "door0", *pair)
        ends = ((HERE, "door0", DOOR_ADDRESS), (SEA, "sea0", SEA_ADDRESS))
        for name, link, address in ends:
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", link)
            _run("ip", "-n", name, "link", "set", link, "up")
            _run("ip", "-n", name, "link", "set", "lo", "up")
        # Answers to invented addresses go where the flood came from, and no farther.
        _run("ip", "-n", HERE, "route", "add", "default", "via", SEA_ADDRESS)
        yield
    finally:
        for name in (HERE, SEA):
            subprocess.run(("ip", "netns", "delete", name), check=False, capture_output=True)


async def b11(telling: Telling) -> Found:
    """In the namespaces."""
    if os.geteuid() or not shutil.which("hping3"):
        return Found(checks={"it could be run: this needs root and hping3": False})
    with namespaces():
        code, figures = await program("bench.drill.syn", prefix=("ip", "netns", "exec", HERE))
    if not figures:
        return Found(checks={f"the case gave figures (it ended with {code})": False})
    telling.say(f"{figures['flood']}")
    found = Found(figures)
    found.checks = {
        f"Space page p99 {figures['page_p99_s']} s": (
            0 <= figures["page_p99_s"] < PAGE_S_MAX and not figures["visits_failed"]
        ),
        f"{figures['stalls']} stalls of the admitted": figures["stalls"] == 0,
        f"{figures['newcomers_heard']} of {NEWCOMERS} newcomers let in": (
            figures["newcomers_heard"] >= 0.95 * NEWCOMERS
        ),
        f"{figures['packets']:,} SYNs were sent": figures["packets"] >= PACKETS_MIN,
    }
    return found


async def inside(telling: Telling) -> dict[str, Any]:
    """Within the namespace: people listen, a visitor and newcomers come, and SYNs rain."""
    port = free_port()
    async with (
        evening(telling, live=True, listen=f"0.0.0.0:{port}") as there,
        there.fleet(there.people(AUDIENCE, over_s=4.0)) as crowd,
    ):
        await there.watch(CLOCK.now() + BEFORE_S, crowd)
        flood = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", SEA, "taskset", "-c", str(there.core or 0), "nice", "-n", "10",
            "hping3", "--flood", "--rand-source", "-q", "-S", "-p", str(port), DOOR_ADDRESS,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        visits = Visits(there)
        try:
            async with visits.going_on():
                late = there.people(NEWCOMERS, over_s=ATTACK_S / 2, network=80)
                async with there.fleet(late) as newcomers:
                    await there.watch(CLOCK.now() + ATTACK_S, crowd, newcomers)
                    came = summary(Crowd.of(await newcomers.report()))
        finally:
            with contextlib.suppress(ProcessLookupError):
                flood.send_signal(2)
            said, _ = await flood.communicate()
        people = summary(Crowd.of(await crowd.report()))
    lines = [line for line in said.decode().splitlines() if "transmitted" in line]
    return visits.figures() | {
        "audience": people["heard"],
        "stalls": people["stalls"] + came["stalls"],
        "newcomers_heard": came["heard"],
        "newcomers_audio_p99_s": came["audio_p99_s"],
        "flood": lines[0].strip() if lines else said.decode()[-200:],
        "packets": int(lines[0].split()[0]) if lines else 0,
    }


if __name__ == "__main__":
    sys.exit(run_within(inside))
