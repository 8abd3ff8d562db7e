"""What may be said to `stentor drill`: light, since every command reads it."""

import argparse

from stentor.drill import plan

SECONDS = 40.0
LISTENERS = 1_000
TEXT = """\
Rehearse an evening on this machine, before the show, with real connections.

People come from thousands of addresses of this machine (127.x.y.z) and do what the Space's page
does: they load it, join, wait with a place in hand, listen, and renew their tickets; a playhead for
each of them counts what would have been heard as a stall. A host speaks meanwhile. Attackers come
too, if that is wished. Without --to a node of the drill's own is started with your settings, and
removed afterwards; with --to a node that runs here is rehearsed with, in a Space of its own.
At the end stands a capacity certificate, which is also kept in the data directory. A drill refuses
any other target than this machine's loopback addresses. Ctrl-C ends it and cleans up.
"""


def add(command: argparse.ArgumentParser) -> None:
    """What may be said to it."""
    word = command.add_argument
    word("--listeners", type=int, default=LISTENERS, metavar="N", help="people who come (1000)")
    word("--arrival", choices=plan.ARRIVALS, default="step", help="how they come (step)")
    word("--attack", choices=plan.ATTACKS, default="none", help="who comes besides (none)")
    word("--seconds", type=float, default=SECONDS, metavar="S", help="how long it lasts (40)")
    word("--to", default="", metavar="URL", help="a node that runs here: http://127.0.0.1:8080")
    word(
        "--scale",
        type=int,
        default=0,
        metavar="N",
        help="instead: simulate N arrivals, for what no machine here can show",
    )
    word("--seed", type=int, default=1, metavar="N", help="of a simulation's chance (1)")
    word(
        "--certificate", action="store_true", help="show the last certificate, and whether it holds"
    )
    word("--json", action="store_true", help="one JSON line at the end")
