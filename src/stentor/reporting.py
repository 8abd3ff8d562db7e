"""The command `stentor report`: what a Space's logs tell afterwards."""

import argparse
from collections.abc import Callable
from pathlib import Path

from stentor.paths import Paths

_INCIDENT = """\
Say what happened at the door of a Space, from its log and its join ledger alone.

What speaks for a crowd, for an attack and for a fault of our own stands side by side as shares,
with every figure and what it is made of, what is usual, what would have happened without some of
those who came, which promises were kept, and what cannot be known. It is evidence and no verdict;
that it cannot be told is an answer as well.
"""


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    space_of: Callable[[argparse.Namespace], Paths],
) -> None:
    """Add it to the command line.

    Args:
        space_of: the data directory of the Space a command is about.
    """
    text = "report on a Space from its log and ledger"
    report = commands.add_parser("report", help=text, description=text[0].upper() + text[1:] + ".")
    actions = report.add_subparsers(title="reports", metavar="REPORT", required=True)
    incident = actions.add_parser(
        "incident",
        help="crowd, attack or own fault: what speaks for which",
        description=_INCIDENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    incident.add_argument("space", help="the Space's id, as in its address")
    incident.add_argument("--data", dest="data_dir", metavar="DIR", help="data directory (./data)")
    incident.add_argument("--json", action="store_true", help="one JSON object with every figure")
    incident.add_argument("--out", type=Path, metavar="FILE", help="write the page (HTML) there")

    def run(options: argparse.Namespace) -> None:
        from stentor.audience.incident import command

        found = space_of(options)
        print(command.run(found, options.space, as_json=options.json, out=options.out))

    incident.set_defaults(run=run)
