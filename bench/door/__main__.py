"""`make bench-door`: what a gate can do for each second of a core, beside nginx with a static page.

Both get the same requests from the same load client, and answers of the same length; nginx has its
in a file. The server has one core, the client another; processor time is what the kernel counted
for all of a server's processes. Kinds, which ARGS="--only KIND,KIND" chooses from:

  page       the Space's page with the waiting room, compressed as browsers ask for it
  admitting  the document that everybody who waits asks for again and again, 50 times a connection
  ticket     a ticket is shown, checked, and the next one issued (join)
  forged     a ticket that is not genuine is refused (live)

Beside `ticket` runs the least that Python needs for it (`bench/door/floor.py`): how far a gate
written in Python is from what it could be.

Except for `admitting` each is a connection of its own, as a crowd and a flood come. Ratios are
medians of runs side by side. The last line is one JSON object, also in build/bench-door.json; the
exit code is 1 when a promise was not kept.
"""

import argparse
import contextlib
import itertools
import os
import re
import socket
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.edge import ours, rivals
from bench.edge.__main__ import raise_descriptors, rounded
from bench.edge.crowd import crowd, flags
from bench.edge.joins import per_core, write_tickets
from bench.edge.processes import SERVER_CORE, Server, start, until_listening
from bench.edge.programme import SPACE
from stentor.clock import SystemClock
from stentor.demo.telling import Telling, finish, table
from stentor.errors import StentorError

RATIO_MIN = 0.6
TICKETS = 10_000
IN_FLIGHT = 400
_TICKET = re.compile(rb"stentor-ticket=([^;\r]+)")
BROWSER = (
    "Host: stentor.example\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
)
"""What a browser says; both servers read it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request.

    Attributes:
        start: its first line and headers beyond a browser's; `@` is a ticket.
        status: of a right answer.
        body: of the request.
        requests: on one connection.
        forged: whether tickets are not genuine.
    """

    name: str
    text: str
    start: str
    status: str = "200"
    body: str = ""
    requests: int = 1
    forged: bool = False

    @property
    def request(self) -> str:
        """The whole of it."""
        line, *more = self.start.split("\n")
        return "\r\n".join([line, *more, BROWSER, self.body])


KINDS = (
    Kind("page", "Waiting page", f"GET /s/{SPACE} HTTP/1.1"),
    Kind("admitting", "Now-admitting document", f"GET /s/{SPACE}/admitting HTTP/1.1", requests=50),
    Kind(
        "ticket",
        "Ticket checked and issued",
        f"POST /s/{SPACE}/join HTTP/1.1\nContent-Type: application/json\nContent-Length: 2\n"
        "Cookie: stentor-ticket=@",
        body="{}",
    ),
    Kind(
        "forged",
        "Bad ticket refused",
        f"GET /s/{SPACE}/live/opus HTTP/1.1\nCookie: stentor-ticket=@",
        status="403",
        forged=True,
    ),
)


def forge(genuine: Path) -> Path:
    """Tickets that look right; each one's signature is another's."""
    lines = genuine.read_text().split()
    path = genuine.with_name("forged")
    path.write_text("\n".join(one[:-8] + two[-8:] for one, two in itertools.pairwise(lines)))
    return path


def whole_answer(port: int, request: str) -> bytes:
    """One answer, to know how long it is."""
    with socket.create_connection(("127.0.0.1", port)) as asking:
        asking.sendall(request.encode())
        data = asking.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        while len(body) < int(length):
            body += asking.recv(65_536)
    return head + b"\r\n\r\n" + body


def least(folder: Path, template: Path) -> Server:
    """The floor, on the server's core."""
    port = rivals.free_port()
    command = [sys.executable, "-m", "bench.door.floor", str(folder / "data"), str(port)]
    process = start([*command, str(template)], core=SERVER_CORE)
    until_listening(port, process)
    return Server("floor", port, [process])


def ask(
    server: Server, kind: Kind, request: str, lines: Path | None, folder: Path
) -> dict[str, Any]:
    """One run; what each answer cost."""
    file = folder / f"{server.name}-{kind.name}"
    file.write_bytes(request.encode())
    heard = crowd(
        server,
        *flags(
            request=file,
            lines=lines,
            in_flight=IN_FLIGHT,
            requests=kind.requests,
            settle=0.7,
            seconds=3,
        ),
        client="ask",
    )
    return {"server": server.name, "kind": kind.name, **per_core(heard)}


def side_by_side(
    kind: Kind, node: Server, folder: Path, holding: Path, runs: int
) -> dict[str, Any]:
    """One kind, Stentor and nginx in turn; the medians."""
    lines = None
    if "@" in kind.request:
        lines = forge(holding) if kind.forged else holding
    first = lines.read_text().split()[0] if lines else ""
    whole = whole_answer(node.port, kind.request.replace("@", first))
    body = whole.partition(b"\r\n\r\n")[2]
    found: dict[str, list[dict[str, Any]]] = {"stentor": [], "nginx": []}
    ticket = _TICKET.search(whole)
    floor = None
    if kind.name == "ticket" and ticket is not None:
        template = folder / "answer"
        template.write_bytes(whole.replace(ticket[1], b"@"))
        floor, found["floor"] = least(folder, template), []
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as place:
        nginx = rivals.nginx(body, Path(place))
        plain = f"GET /page.html HTTP/1.1\r\n{BROWSER}\r\n"
        try:
            for _ in range(runs):
                found["stentor"].append(ask(node, kind, kind.request, lines, folder))
                found["nginx"].append(ask(nginx, kind, plain, None, folder))
                if floor is not None:
                    found["floor"].append(ask(floor, kind, kind.request, lines, folder))
        finally:
            nginx.stop()
            if floor is not None:
                floor.stop()
    us = {name: statistics.median(row["us_each"] for row in rows) for name, rows in found.items()}
    ratio = statistics.median(
        theirs["us_each"] / own["us_each"]
        for own, theirs in zip(found["stentor"], found["nginx"], strict=True)
    )
    right = sum(row["statuses"].get(kind.status, 0) for row in found["stentor"])
    every = sum(sum(row["statuses"].values()) for row in found["stentor"])
    return {
        "kind": kind.name,
        "answer_bytes": len(body),
        "stentor_us": us["stentor"],
        "nginx_us": us["nginx"],
        "floor_us": us.get("floor"),
        "per_core": round(1e6 / us["stentor"]),
        "ratio": ratio,
        "right": right / max(1, every),
        "failed": sum(row["failed"] for row in found["stentor"]),
        "client_busy": max(row["client_busy"] for row in found["stentor"]),
    }


def measure(kinds: list[Kind], runs: int, telling: Telling) -> list[dict[str, Any]]:
    """All kinds."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as place:
        folder = Path(place)
        node = ours.stentor(folder)
        try:
            holding = write_tickets(folder, TICKETS)
            for kind in kinds:
                rows.append(side_by_side(kind, node, folder, holding, runs))
                telling.say(line(rows[-1]))
        finally:
            node.stop()
    return rows


def line(row: dict[str, Any]) -> str:
    """A row for a person."""
    floor = f"the least in Python {row['floor_us']:.1f} us; " if row["floor_us"] else ""
    return (
        f"{row['kind']:<10} {row['stentor_us']:.1f} us each, {row['per_core']:,} per core; nginx "
        f"{row['nginx_us']:.1f} us; {floor}ratio {row['ratio']:.2f} "
        f"({row['answer_bytes']:,} bytes, {row['right']:.2%} as they should be, "
        f"client {row['client_busy']:.0%})"
    )


def main() -> int:
    """Measure, print, and say whether all is as promised (exit code 0)."""
    parser = argparse.ArgumentParser(
        prog="make bench-door",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [kind.name for kind in KINDS]
    parser.add_argument("--only", default=",".join(names), help="kinds, comma separated")
    parser.add_argument("--runs", type=int, default=3, help="of each (3)")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if not set(wanted) <= set(names):
        parser.error(f"kinds are {', '.join(names)}")
    if len(os.sched_getaffinity(0)) < 2:
        print("bench-door: needs two processor cores, one for a server alone.", file=sys.stderr)
        return 2
    raise_descriptors()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            kinds = [kind for kind in KINDS if kind.name in wanted]
            rows = measure(kinds, options.runs, Telling(SystemClock()))
    except StentorError as error:
        print(f"bench-door: {error.sentence}", file=sys.stderr)
        return 2
    texts = {kind.name: kind.text for kind in KINDS}
    told = []
    for row in rows:
        row["ok"] = row["ratio"] >= RATIO_MIN and row["right"] == 1 and not row["failed"]
        text = f"{texts[row['kind']]}, of what nginx does"
        told.append((text, f"{row['ratio']:.2f} (at least {RATIO_MIN})", bool(row["ok"])))
    print("\n" + table(told) + "\n")
    figures = {f"{row['kind']}_ratio_nginx": row["ratio"] for row in rows}
    ok = all(row["ok"] for row in rows)
    return finish(rounded(figures | {"rows": rows, "ok": ok}), "bench-door.json", as_json=True)


if __name__ == "__main__":
    sys.exit(main())
