"""The command `stentor`: every command says what it does, and errors say what to do."""

import argparse
import asyncio
import getpass
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from stentor import __version__, config, ids, operating, reporting
from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.drill import words
from stentor.errors import Refused, StentorError
from stentor.limits import BAN_MAX_S
from stentor.paths import Paths

EXIT_REFUSED = 2
BYTES_PER_HOUR = 60_000_000
"""What an hour of a Space takes: 112 kbit/s of renditions, headers, boxes and checkpoints."""

_EXAMPLES = """\
examples:
  stentor serve                              try it on this machine: http://localhost:8080
  stentor serve --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem \\
                --public-url https://radio.example
                                             serve the world (microphones need HTTPS)
  stentor demo                               a whole evening in a minute, with real audio
  stentor status                             how many listen and wait, and what the door does
  stentor log verify 4f7q2k9x1mzd            is this recording complete and unaltered?

Settings also stand in DATA/stentor.toml; see docs/configuration.md.
"""

_DEMO = """\
Play a whole Space on this machine, in about a minute, and prove what came of it.

A node of real processes is started in a temporary directory. Two speakers with human voices come
by WebRTC, hundreds of listeners by HTTP, one of them in Chromium where that is installed. In the
middle one speaker's network drops for five seconds, and one edge is killed (kill -9). Afterwards
the replay is compared with what was live, byte for byte, and with what was said, sample by sample.
The exit code is 0 when every promise was kept. Nothing leaves this machine; all is removed.
"""

_KNOBS: tuple[tuple[str, str, Callable[[str], object]], ...] = (
    ("listen", "address and port of the public door (default 127.0.0.1:8080)", str),
    ("stage-listen", "another address of the door, for hosts and speakers (default: none)", str),
    ("public-url", "the address people type, if it differs from --listen", str),
    ("trusted-proxy", "proxies whose X-Forwarded-For is believed, comma separated", str),
    ("proxy-protocol", "on: those proxies begin with a PROXY header instead (default off)", str),
    ("uncounted", "who no bound for each client is meant for (default: this machine)", str),
    ("tls-cert", "certificate chain, PEM; the door then speaks HTTPS", str),
    ("tls-key", "private key of the certificate, PEM", str),
    ("edges", "edge processes (default: one for each core)", int),
    ("cadence", "auto, 200, 500, 1000 or 2000: ms between sends to a listener", str),
    ("egress-mbit", "what one edge may send, in Mbit/s (default: no bound)", float),
    ("listeners-max", "whom the node holds at most, measured or not (default: no bound)", int),
    ("ticketless-share", "share of places for players without tickets (default 0.25)", float),
    ("lease-s", "how long a ticket is good for before it is renewed (default 120)", float),
    ("challenge", "auto, off, or bits of computing asked of whoever joins (default auto)", str),
    ("waiting-room", "auto, always or never: places before tickets (default auto)", str),
    ("kernel-shield", "auto or off: floods are handed to the kernel (default auto)", str),
    ("udp-ports", "UDP ports for speakers' audio (default 40000-40199); open them", str),
    ("udp-listen", "address to bind the UDP ports on", str),
    ("udp-public", "addresses announced to speakers, comma separated (behind NAT)", str),
    ("abandoned-after-s", "end a live Space nobody is connected to (default 600)", float),
    ("doors-before-s", "open doors so long before the start (default 900)", float),
    ("telemetry", "DEBUG, INFO, WARNING or ERROR (default INFO)", str),
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 when all went well."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except StentorError as error:
        print(f"stentor: {error.sentence}", file=sys.stderr)
        return EXIT_REFUSED
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the interpreter's last flush
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"stentor: {where}{error.strerror or error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stentor",
        description="Live audio Spaces before very large audiences.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stentor {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(
        name: str, run: Callable[[argparse.Namespace], object], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(run=run)
        _add_settings(command)
        return command

    add("serve", _serve, "run the whole node on this machine")
    add("stage", _stage, "run only the stage: speakers, mixing, the log")
    add("web", _web, "run only the web process: pages, accounts, API")
    add("radio", _radio, "run only the radio process: MP3, AAC and Ogg Opus for the edges")
    add("usher", _usher, "run only the usher: who waits, who comes in, the ladder, the ledger")
    gate = add("gate", _gate, "run only one gate: the public door, which hands listeners to edges")
    edge = add("edge", _edge, "run only one edge: the listeners")
    for name, one in (("gate", gate), ("edge", edge)):
        one.add_argument("--index", type=int, default=0, help=f"which {name} of this node, from 0")
    gate.add_argument("--door-fd", type=int, help=argparse.SUPPRESS)
    shield = add("shield", _shield, "run only the shield, which tells the kernel whom to refuse")
    shield.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    shield.add_argument(
        "verb", nargs="?", choices=("ban", "unban", "list"), help="say this to the one that runs"
    )
    shield.add_argument("whom", nargs="?", help="a host (/32, /64) or prefix (/24, /56)")
    shield.add_argument("--seconds", type=float, default=BAN_MAX_S, help="of a ban (3600)")
    operating.add(commands, _settings)
    _add_demo(commands)
    _add_drill(commands)
    _add_log(commands)
    reporting.add(commands, _space)
    spaces = add("spaces", _spaces, "list the Spaces of this node")
    spaces.add_argument("--json", action="store_true", help="one JSON object a line")
    disk = add("disk", _disk, "say how many hours of recording the disk still holds")
    disk.add_argument("--json", action="store_true", help="one JSON object")
    password = add("password", _password, "set a new password for an account")
    password.add_argument("name", help="the account's name")
    backup = add("backup", _backup, "write everything to one archive, while running")
    backup.add_argument("target", type=Path, help="the .tar file to write; must not exist")
    backup.add_argument("--secrets", action="store_true", help="include secrets (keep it safe!)")
    return parser


def _add_settings(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("settings")
    group.add_argument("--data", dest="data_dir", metavar="DIR", help="data directory (./data)")
    for name, text, kind in _KNOBS:
        group.add_argument(
            f"--{name}", dest=name.replace("-", "_"), type=kind, help=text, metavar="X"
        )


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "play a whole Space on this machine: two speakers, 300 listeners, faults, replay"
    demo = commands.add_parser(
        "demo",
        help=text,
        description=_DEMO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument("--listeners", type=int, default=300, help="how many listen (default 300)")
    demo.add_argument("--seconds", type=float, default=40.0, help="length of the programme")
    demo.add_argument("--json", action="store_true", help="one JSON line at the end")
    demo.set_defaults(run=_demo)


def _add_drill(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    drill = commands.add_parser(
        "drill",
        help="rehearse before the show: a crowd, attackers, and a capacity certificate",
        description=words.TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words.add(drill)
    _add_settings(drill)
    drill.set_defaults(run=_drill)


def _add_log(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "read and check the log of a Space"
    log = commands.add_parser("log", help=text, description=text[0].upper() + text[1:] + ".")
    actions = log.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="is it complete and unaltered?")
    verify.add_argument("--head", help="the head you were told (hex, or CURSOR:hex)")
    show = actions.add_parser("show", help="its events, one JSON object a line")
    for action, run in ((verify, _log_verify), (show, _log_show)):
        action.add_argument("space", help="the Space's id, as in its address")
        action.add_argument("--data", dest="data_dir", metavar="DIR", help="data directory")
        action.add_argument("--json", action="store_true", help="one JSON object")
        action.set_defaults(run=run)


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    names = Settings.__struct_fields__
    given = {name: getattr(options, name, None) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _settings(options: argparse.Namespace) -> Settings:
    return config.load(_overrides(options))


def _flags(options: argparse.Namespace) -> list[str]:
    """The command line that gives another process the same settings."""
    flags = []
    for name, value in _overrides(options).items():
        flags += ["--data" if name == "data_dir" else f"--{name.replace('_', '-')}", str(value)]
    return flags


def _serve(options: argparse.Namespace) -> None:
    from stentor import social, telemetry
    from stentor.supervisor import Supervisor

    settings = _settings(options)
    paths = Paths(settings.data_dir)
    telemetry.start("serve", settings.telemetry)

    def ready() -> None:
        print(f"\n  Stentor is open at  {settings.url}/", flush=True)
        link = social.setup_link(paths, settings)
        if link:
            print(f"  Set up the owner's account, once:  {link}", flush=True)
        if settings.address[0] in {"127.0.0.1", "::1"}:
            print("  Only this machine can reach it; for others: stentor serve --help")
        elif not settings.tls_cert and not settings.public_url.startswith("https:"):
            print("  Without HTTPS, browsers give microphones on this machine only: --tls-cert")
        print(f"  Data in {paths.data}; stop with Ctrl-C.\n", flush=True)

    Supervisor(settings, paths, SystemClock(), _flags(options)).run(ready)


def _stage(options: argparse.Namespace) -> None:
    from stentor import node

    node.run_stage(_settings(options))


def _radio(options: argparse.Namespace) -> None:
    from stentor import node

    node.run_radio(_settings(options))


def _web(options: argparse.Namespace) -> None:
    from stentor import node

    node.run_web(_settings(options))


def _usher(options: argparse.Namespace) -> None:
    from stentor import node

    node.run_usher(_settings(options))


def _gate(options: argparse.Namespace) -> None:
    from stentor import node

    node.run_gate(_settings(options), options.index, options.door_fd)


def _edge(options: argparse.Namespace) -> None:
    from stentor import node

    node.run_edge(_settings(options), options.index)


def _shield(options: argparse.Namespace) -> int:
    from stentor import node
    from stentor.shield import serve, words

    settings = _settings(options)
    if options.verb is None:
        node.run_shield(settings, with_parent=options.with_parent)
        return 0
    whom = options.whom or ""
    said: words.Asked = words.Listed()
    if options.verb == "ban":
        said = words.Ban([(whom, options.seconds)])
    elif options.verb == "unban":
        said = words.Unban(whom)
    answer = serve.ask(Paths(settings.data_dir).socket("shield"), said)
    if answer.refused:
        raise Refused("shield.whom", f"'{whom}' is no host or prefix that may be kept out.")
    for text, seconds in answer.bans:
        print(f"{text}  {seconds:.0f} s")
    print(f"{answer.kept_out} kept out")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from stentor.demo import evening

    return evening.run(options.listeners, options.seconds, as_json=options.json)


def _drill(options: argparse.Namespace) -> int:
    from stentor.drill import command

    return command.run(options, _settings(options))


def _space(options: argparse.Namespace) -> Paths:
    paths = Paths(_settings(options).data_dir)
    if not ids.is_space_id(options.space) or not paths.log(options.space).is_dir():
        raise Refused(
            "space.unknown", f"No Space '{options.space}' in {paths.data}; see: stentor spaces"
        )
    return paths


def _log_verify(options: argparse.Namespace) -> int:
    from stentor import log

    paths = _space(options)
    return log.verify_command(paths.log(options.space), options.space, options.head, options.json)


def _log_show(options: argparse.Namespace) -> None:
    from stentor.log import Reader
    from stentor.record import Kind

    reader = Reader(_space(options).log(options.space), options.space)
    reader.refresh()
    for header in reader.headers(kind=Kind.EVENT):  # events are there even when the sound is not
        event = json.loads(reader.record(header.offset).payload)
        head = {"cursor": str(header.cursor), "media_time": header.media_time}
        print(json.dumps(head | event, ensure_ascii=False))


def _spaces(options: argparse.Namespace) -> None:
    from stentor.space import card

    paths = Paths(_settings(options).data_dir)
    for file in sorted(paths.spaces.glob("*/card.json")):
        try:
            found = card.decode(file.read_bytes())
        except ValueError as error:
            print(f"stentor: {file}: {error}", file=sys.stderr)
            continue
        if options.json:
            print(card.encode(found).decode())
        else:
            print(f"{found.space}  {found.phase:<10} {found.title} ({found.host_name})")


def _disk(options: argparse.Namespace) -> None:
    paths = Paths(_settings(options).data_dir)
    where = next(folder for folder in (paths.data, *paths.data.parents) if folder.exists())
    usage = shutil.disk_usage(where)
    hours = usage.free / BYTES_PER_HOUR
    if options.json:
        print(json.dumps({"free_bytes": usage.free, "hours": round(hours, 1)}))
    else:
        print(f"{hours:,.0f} hours of recording ({usage.free / 1e9:,.1f} GB free)")


def _password(options: argparse.Namespace) -> None:
    from stentor import social

    paths = Paths(_settings(options).data_dir)
    if sys.stdin.isatty():
        password = getpass.getpass("New password: ")
        if getpass.getpass("Once more: ") != password:
            raise Refused("account.invalid", "The two differ; nothing was changed.")
    else:
        password = sys.stdin.readline().rstrip("\n")
    asyncio.run(social.reset_password(paths, options.name, password))
    print(f"The password of {options.name} is changed; all its sessions are signed out.")


def _backup(options: argparse.Namespace) -> None:
    from stentor import social

    social.backup(
        Paths(_settings(options).data_dir),
        options.target,
        include_secrets=options.secrets,
        progress=print,
    )
