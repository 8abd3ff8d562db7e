"""B16K: people behind the very host that floods, when the kernel keeps that host out already.

B16 is at loopback, which the kernel spares. Here the flood of `source.py` has gone on for a while
when the people come, from the same address, over the same wire. Needs root and nftables.

    python -m bench.drill.behind                       within the first namespace
    python -m bench.drill.behind people PORT SPACE     the people, within the second
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import sys
from typing import Any

from bench.drill.case import CLOCK, Found, program
from bench.drill.evening import Evening, evening
from bench.drill.source import FLOOD_PLACES, flooding
from bench.drill.syn import DOOR_ADDRESS, HERE, SEA, namespaces
from stentor.demo import interruption
from stentor.demo.calls import Caller
from stentor.demo.house import free_port
from stentor.demo.telling import Telling
from stentor.drill import answers
from stentor.drill.figures import percentile
from stentor.errors import Unavailable

PEOPLE = 500
OVER_S = 5.0
LEAD_S = 6.0
"""The flood is there so long before the people, and kept out."""
PATIENCE_S = 30.0
SHARE_MIN = 0.95
ANSWER_S = 15.0
AGAIN_S = (0.5, 2.0)
"""Who was not let in tries again after a moment between these."""


async def b16k(telling: Telling) -> Found:
    """In the namespaces."""
    if os.geteuid() or not shutil.which("nft", path=FLOOD_PLACES):
        return Found(checks={"it could be run: this needs root and nftables": False})
    with namespaces():
        code, told = await program("bench.drill.behind", prefix=("ip", "netns", "exec", HERE))
    if not told:
        return Found(checks={f"the case gave figures (it ended with {code})": False})
    found = Found(told)
    found.checks = {
        f"{told['inside']} of {PEOPLE} hear it within {PATIENCE_S:g} s, p95 {told['p95_s']} s": (
            told["inside"] >= SHARE_MIN * PEOPLE
        ),
        f"the flood was kept out before they came ({told['shut_out']:,} connections)": (
            told["shut_out"] > 0
        ),
    }
    return found


async def inside(telling: Telling) -> dict[str, Any]:
    """Within the first namespace: the node, the flood, and after a while the people."""
    port = free_port()
    async with (
        evening(telling, live=True, capacity=0, listen=f"0.0.0.0:{port}") as there,
        flooding(there, port),
    ):
        await asyncio.sleep(LEAD_S)
        before = await _shield(there)
        people = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", SEA, sys.executable, "-m", "bench.drill.behind"),
            *("people", str(port), there.space),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await people.communicate()
        after = await _shield(there)
    return json.loads(said) | {"shut_out": before["shut_out"], "before": before, "after": after}


async def _shield(there: Evening) -> dict[str, int]:
    """What the gates' shields have refused, all of them added up as far as they answer."""
    found: dict[str, dict[str, int]] = {}
    for _ in range(12):  # whichever gate is there answers
        visitor = Caller(f"http://{there.place.host}:{there.place.port}")
        told = (await visitor.ask("GET", "/healthz", expect=200)).json()
        found[json.dumps(told["shield"])] = told["shield"]
    sums: dict[str, int] = {}
    for one in found.values():
        for name, count in one.items():
            sums[name] = max(sums.get(name, 0), count)
    return sums


async def people(port: int, space: str) -> dict[str, Any]:
    """Within the second namespace: they come, and try again when they are not let in."""
    chance = random.Random(1)
    delays = [chance.uniform(0.0, OVER_S) for _ in range(PEOPLE)]
    took = await asyncio.gather(*(_person(port, space, delay) for delay in delays))
    heard = [one for one in took if one is not None]
    return {
        "inside": len(heard),
        "p50_s": round(percentile(heard, 0.5), 2),
        "p95_s": round(percentile(heard, 0.95), 2),
        "max_s": round(max(heard, default=-1.0), 2),
    }


async def _person(port: int, space: str, delay: float) -> float | None:
    """How long it took until somebody heard it; None: it was too long."""
    await asyncio.sleep(delay)
    began, ticket = CLOCK.now(), ""
    post = f"POST /s/{space}/join HTTP/1.1\r\nHost: a\r\nStentor-Client: headers\r\n"
    get = f"GET /s/{space}/live/opus HTTP/1.1\r\nHost: a\r\n"
    while CLOCK.now() - began < PATIENCE_S:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            if not ticket:
                status, body = await _ask(port, f"{post}Content-Length: 2\r\n\r\n{{}}")
                ticket = json.loads(body)["ticket"] if status == 200 else ""
            if ticket:
                status, _ = await _ask(port, f"{get}Stentor-Ticket: {ticket}\r\n\r\n")
                if status == 200:
                    return CLOCK.now() - began
        await asyncio.sleep(random.uniform(*AGAIN_S))
    return None


async def _ask(port: int, said: str) -> tuple[int, bytes]:
    """An answer's status, and its body if it has a length."""
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection(DOOR_ADDRESS, port)
        try:
            writer.write(said.encode())
            head = answers.head_of(await reader.readuntil(b"\r\n\r\n"))
            assert head is not None, "a head was read to its end"
            body = await reader.readexactly(head.body_bytes) if head.body_bytes > 0 else b""
            return head.status, body
        finally:
            writer.close()


def main() -> int:
    """Run one side; the last line is one JSON object."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    try:
        if sys.argv[1:2] == ["people"]:
            told = asyncio.run(people(int(sys.argv[2]), sys.argv[3]))
        else:
            told = interruption.run(inside(Telling(CLOCK)))
    except Unavailable as error:
        print(error.sentence, file=sys.stderr)
        return 2
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
