"""SOURCE: one host that connects and asks as fast as it can, from a network namespace of its own.

The node refuses it with the kernel's help, and then again without, to compare. It comes over a veth
pair like the flood of `syn.py`, and cannot leave this machine. Needs root and nftables.

    python -m bench.drill.source       within the namespace: `source` runs it there
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from bench.abuse.watch import cpu_s
from bench.drill.case import CLOCK, Found, program, run_within
from bench.drill.evening import Evening, evening
from bench.drill.slow import PAGE_S_MAX, Visits
from bench.drill.syn import DOOR_ADDRESS, HERE, SEA, namespaces
from bench.edge import tools
from stentor.demo.house import free_port
from stentor.demo.telling import Telling
from stentor.drill.figures import Crowd, percentile, summary
from stentor.shield.kernel import table_of

FLOOD_PLACES = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where `nft` is."""
AUDIENCE = 300
JOINERS = 200
BEFORE_S = 5.0
QUIET_S = 5.0
FLOOD_S = 15.0
IN_FLIGHT = 2_000
GATE_SHARE_MAX = 0.20
JOIN_S_MAX = 0.100
PORTS = ("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1")


async def source(telling: Telling) -> Found:
    """In the namespaces."""
    if os.geteuid() or not shutil.which("nft", path=FLOOD_PLACES):
        return Found(checks={"it could be run: this needs root and nftables": False})
    with namespaces():
        code, told = await program("bench.drill.source", prefix=("ip", "netns", "exec", HERE))
    if not told:
        return Found(checks={f"the case gave figures (it ended with {code})": False})
    kernel, alone = told["kernel"], told["alone"]
    found = Found(told)
    found.checks = {
        f"the flood cost the gates {kernel['gate_cost']:.3f} of a core": (
            kernel["gate_cost"] < GATE_SHARE_MAX
        ),
        f"honest joins p99 {kernel['join_p99_s'] * 1e3:.0f} ms": (
            0 <= kernel["join_p99_s"] <= JOIN_S_MAX
        ),
        f"{kernel['joins']} of {JOINERS} joined meanwhile": kernel["joins"] >= 0.95 * JOINERS,
        f"Space page p99 {kernel['page_p99_s']} s": (
            0 <= kernel["page_p99_s"] < PAGE_S_MAX and not kernel["visits_failed"]
        ),
        f"{kernel['stalls']} stalls of the admitted": kernel["stalls"] == 0,
        f"the kernel dropped {kernel['dropped']:,} packets": kernel["dropped"] > 0,
    }
    found.notes.append(
        f"without the kernel it costs the gates {alone['gate_cost']:.3f} of a core, and joins have "
        f"a p99 of {alone['join_p99_s'] * 1e3:.0f} ms"
    )
    return found


async def inside(telling: Telling) -> dict[str, Any]:
    """Within the namespace: the same twice."""
    return {
        "kernel": await flooded(telling, "auto"),
        "alone": await flooded(telling, "off"),
    }


async def flooded(telling: Telling, kernel_shield: str) -> dict[str, Any]:
    """People listen, others join and load the page, and one host floods."""
    port = free_port()
    async with (
        evening(
            telling, "--kernel-shield", kernel_shield, live=True, listen=f"0.0.0.0:{port}"
        ) as there,
        there.fleet(there.people(AUDIENCE, over_s=3.0)) as crowd,
    ):
        await there.watch(CLOCK.now() + BEFORE_S, crowd)
        gates = [pid for name, pid in there.place.pids.items() if name.startswith("gate")]
        quiet = await busy(gates, there.watch(CLOCK.now() + QUIET_S, crowd))
        visits = Visits(there)
        late = there.people(JOINERS, over_s=FLOOD_S - 2.0, network=80, seed=2)
        async with flooding(there, port), visits.going_on(), there.fleet(late) as coming:
            share = await busy(gates, there.watch(CLOCK.now() + FLOOD_S, crowd, coming))
            came = Crowd.of(await coming.report())
            packets = await dropped(port)
        people = summary(Crowd.of(await crowd.report()))
    joined = [one["join_s"] for one in came.persons if one["join_s"] >= 0]
    return visits.figures() | {
        "audience": people["heard"],
        "stalls": people["stalls"],
        "joins": len(joined),
        "join_p50_s": round(percentile(joined, 0.5), 4),
        "join_p99_s": round(percentile(joined, 0.99), 4),
        "gate_quiet": round(quiet, 3),
        "gate_flooded": round(share, 3),
        "gate_cost": round(share - quiet, 3),
        "dropped": packets,
    }


@contextlib.asynccontextmanager
async def flooding(there: Evening, port: int) -> AsyncIterator[None]:
    """One host asks for the Space's page on connection after connection, for as long as it goes."""
    sea = ("ip", "netns", "exec", SEA)
    await (await asyncio.create_subprocess_exec(*sea, *PORTS)).wait()
    flood = await asyncio.create_subprocess_exec(
        *sea, "taskset", "-c", str(there.core or 0), "nice", "-n", "10",
        str(tools.program("crowd")), "--to", f"{DOOR_ADDRESS}:{port}", "--path",
        f"/s/{there.space}", "--until", "body", "--rate", "0", "--in-flight", str(IN_FLIGHT),
        "--seconds", "60", "--settle", "0",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            flood.kill()
        await flood.wait()


async def busy(pids: list[int], waiting: Awaitable[None]) -> float:
    """What share of one core some processes take meanwhile, all together."""
    began, before = CLOCK.now(), sum(map(cpu_s, pids))
    await waiting
    return (sum(map(cpu_s, pids)) - before) / (CLOCK.now() - began)


async def dropped(port: int) -> int:
    """Packets the shield's table has dropped; 0 without one."""
    nft = await asyncio.create_subprocess_exec(
        *("nft", "--json", "list", "table", "inet", table_of(port)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await nft.communicate()
    rules = (
        [one["rule"]["expr"] for one in json.loads(said)["nftables"] if "rule" in one]
        if said
        else []
    )
    return sum(part["counter"]["packets"] for rule in rules for part in rule if "counter" in part)


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.exit(run_within(inside))
