"""Commands for the operator of a running node: how it stands, its cadence, its ladder."""

import argparse
from collections.abc import Callable

from stentor import ids, node
from stentor.clock import SystemClock
from stentor.config import CADENCES, Settings
from stentor.errors import Refused
from stentor.limits import LADDER_STEP_MAX, NOTICE_STALE_S
from stentor.paths import Paths, write_whole

_CADENCE = (
    "Pin how often the edges of a running node send to their listeners, or let them choose by "
    "load (auto). Longer is cheaper and less live: 1000 ms cost about a fifth of 200 ms. Players "
    "are told first, and nobody hears the change. It holds until it is said again, restarts "
    "included."
)
_LADDER = """\
Force a step of the ladder, or leave it to the load again (auto). What is forced holds until it is
said again, restarts included; it stands in the Space's log as ordered by the operator.

  0  normal
  1  longer cadence: listeners are sent to more seldom
  2  reactions and chat are thinned, whoever joins is asked to compute
  3  everybody hears the low rendition
  4  waiting room; admission is halved
  5  no new live listeners: they are told when the recording will be here

Those who listen are never cut off, stage and recording are untouched at every step. The waiting
room also opens by itself, at any step, when a Space is full.
"""
_LADDER_EXAMPLES = """\
examples:
  stentor ladder                      what is forced, and where each Space stands
  stentor ladder 4                    every Space of this node goes to step 4
  stentor ladder 4f7q2k9x1mzd 5       one Space
  stentor ladder 4f7q2k9x1mzd auto    that Space by load again, or as every other one
  stentor ladder auto                 everything by load again
"""
_STATUS = (
    "Say how many listen to each Space and how many wait, what the node can hold, and on which "
    "step of the ladder it is and why."
)


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    settings: Callable[[argparse.Namespace], Settings],
) -> None:
    """Add them to the command line. Args: settings: reads those a command is given."""

    def paths(options: argparse.Namespace) -> Paths:
        found = Paths(settings(options).data_dir)
        if not found.run.is_dir():
            raise Refused("config.invalid", f"No node has run on {found.data}; give its --data.")
        return found

    def command(
        name: str,
        run: Callable[[Paths, argparse.Namespace], None],
        text: str,
        description: str,
        examples: str = "",
    ) -> argparse.ArgumentParser:
        as_written = argparse.RawDescriptionHelpFormatter
        made = commands.add_parser(
            name,
            help=text,
            description=description,
            epilog=examples,
            formatter_class=as_written if examples else argparse.HelpFormatter,
        )
        made.add_argument("--data", dest="data_dir", metavar="DIR", help="data directory (./data)")
        made.set_defaults(run=lambda options: run(paths(options), options))
        return made

    text = "say how many listen and wait, and what the door does about it"
    status = command("status", _status, text, _STATUS)
    status.add_argument("--json", action="store_true", help="one JSON object a Space")
    text = "force a step of the ladder, by which the door gives way to load"
    ladder = command("ladder", _ladder, text, _LADDER, _LADDER_EXAMPLES)
    ladder.add_argument("space", nargs="?", help="one Space's id; without it, every Space")
    ladder.add_argument("step", nargs="?", help=f"0 to {LADDER_STEP_MAX}, or auto: as load demands")
    text = "say how often the edges of a running node send to their listeners"
    cadence = command("cadence", _cadence, text, _CADENCE)
    cadence.add_argument("value", choices=CADENCES, help="milliseconds, or auto: as load permits")


def _cadence(paths: Paths, options: argparse.Namespace) -> None:
    write_whole(paths.run / "cadence", options.value.encode())
    print(
        f"Edges on {paths.data} go over to {options.value} within seconds; players are told first."
    )


def _ladder(paths: Paths, options: argparse.Namespace) -> None:
    from stentor.usher import orders

    space, text = options.space, options.step
    if text is None:  # one word is the step, and a Space's id is none
        space, text = orders.EVERYWHERE, space
    if text is None:
        _show_orders(paths)
        return
    if space != orders.EVERYWHERE and not (ids.is_space_id(space) and paths.space(space).is_dir()):
        raise Refused("space.unknown", f"No Space '{space}' in {paths.data}; see: stentor spaces")
    if text != "auto" and not (text.isdigit() and int(text) <= LADDER_STEP_MAX):
        raise Refused("config.invalid", f"'{text}' is no step: 0 to {LADDER_STEP_MAX}, or auto.")
    orders.write(paths.run / "ladder", space, None if text == "auto" else int(text))
    _show_orders(paths)
    if node.lock_holder(paths.run / "usher.lock") is None:
        print("No usher runs there now; the next one will do as it says.")


def _show_orders(paths: Paths) -> None:
    from stentor.usher import orders

    try:
        steps = orders.load(paths.run / "ladder")
    except FileNotFoundError:
        steps = {}
    except ValueError as wrong:
        raise Refused("config.invalid", f"{paths.run / 'ladder'}: {wrong}") from wrong
    for space, step in steps.items():
        name = "every Space" if space == orders.EVERYWHERE else space
        print(f"Forced by the operator: {name} to step {step}.")
    if not steps:
        print("Nothing is forced: the ladder goes by load.")


def _status(paths: Paths, options: argparse.Namespace) -> None:
    import msgspec

    from stentor.usher import kept

    found = kept.load(paths.run / "usher.state")
    if options.json:
        for notice in found.notices:
            print(msgspec.json.encode(msgspec.structs.asdict(notice)).decode())
        return
    late_s = SystemClock().wall_time() / 1e9 - found.at_ms / 1e3 if found.notices else 0.0
    if node.lock_holder(paths.run / "usher.lock") is None or late_s > NOTICE_STALE_S:
        print("The usher is away: gates go on by what it said last. What it said last:")
    if not found.notices:
        print("No Space is open.")
    for notice in found.notices:
        step = f"step {notice.step}" + (f" ({notice.why})" if notice.why else "")
        print(
            f"{notice.space}  {notice.mode:<6}  {notice.listeners:,} of {notice.capacity:,} "
            f"listen, {notice.waiting:,} wait, {step}"
        )
