"""The capacity certificate: what a drill has shown, of what, and until when that holds.

It is evidence for whoever plans an evening, and nothing more: what was not tried is listed too.
"""

import hashlib
import os
import platform
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from stentor import __version__
from stentor.config import Settings
from stentor.errors import Refused
from stentor.limits import CERTIFICATE_BYTES_MAX, CERTIFICATE_DAYS
from stentor.paths import Paths, write_whole

FILE = "certificate.json"
_ELSEWHERE = frozenset(
    {
        "data_dir",
        "listen",
        "stage_listen",
        "public_url",
        "udp_ports",
        "udp_listen",
        "udp_public",
        "telemetry",
    }
)
"""Settings that say where a node is, and not what it can hold."""
NEVER_TESTED = (
    "networks: all clients were on this machine, at loopback speed",
    "TLS, and whatever proxy or CDN stands before the door",
    "other programs and other Spaces that share the machine on the night",
)


class Certificate(msgspec.Struct, frozen=True):
    """A certificate.

    Attributes:
        settings: names the configuration; see `settings_hash`.
        drill: what was done: listeners, arrival, attack, seconds, where.
        arrivals_per_s: how many came in each second.
        measured: figures (`figures.summary` and what the drill adds).
        promises: what each drill is held to: name -> kept.
        not_tested: sentences.
    """

    made_at: str
    valid_until: str
    version: str
    settings: str
    machine: dict[str, Any]
    drill: dict[str, Any]
    arrivals_per_s: list[int]
    measured: dict[str, Any]
    promises: dict[str, bool]
    not_tested: list[str]

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return all(self.promises.values())


def settings_hash(settings: Settings) -> str:
    """A short name of everything that decides what a node can hold."""
    told = {
        name: value
        for name, value in sorted(msgspec.structs.asdict(settings).items())
        if name not in _ELSEWHERE
    }
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]


def machine() -> dict[str, Any]:
    """What a drill ran on."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_mb": round(pages * page / 1e6),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def valid_until(wall_time_ns: int) -> str:
    """The last moment of a certificate made at this time."""
    return _when(wall_time_ns, CERTIFICATE_DAYS)


def made_at(wall_time_ns: int) -> str:
    """A moment as a certificate writes it."""
    return _when(wall_time_ns, 0)


def _when(wall_time_ns: int, days: int) -> str:
    moment = datetime.fromtimestamp(wall_time_ns // 1_000_000_000, UTC) + timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def save(certificate: Certificate, paths: Paths) -> Path:
    """Keep it in the data directory; where it is."""
    paths.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = paths.data / FILE
    write_whole(path, msgspec.json.format(msgspec.json.encode(certificate), indent=2) + b"\n")
    return path


def last(paths: Paths) -> Certificate:
    """The last one.

    Raises:
        Refused: `drill.no_certificate`.
    """
    path = paths.data / FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(CERTIFICATE_BYTES_MAX), type=Certificate)
    except (OSError, ValueError) as wrong:
        raise Refused(
            "drill.no_certificate",
            f"There is no certificate in {paths.data}. Make one: stentor drill --listeners 1000",
        ) from wrong


def why_invalid(certificate: Certificate, settings: Settings, wall_time_ns: int) -> str:
    """Why it does not hold any more; empty: it does."""
    if certificate.version != __version__:
        return f"Stentor is {__version__} now, and was {certificate.version}"
    if certificate.settings != settings_hash(settings):
        return "the settings have changed since"
    if certificate.valid_until < made_at(wall_time_ns):
        return "it is too old"
    return ""


def text_of(certificate: Certificate, invalid: str = "") -> str:
    """A certificate for a person."""
    told, drill, on = certificate.measured, certificate.drill, certificate.machine
    kept = "".join(
        f"\n    {'yes' if good else 'NO ':<4} {name}" for name, good in certificate.promises.items()
    )
    curve = " ".join(str(one) for one in certificate.arrivals_per_s[:60])
    limits = "\n  The generator was at its limit: the node may hold more than this."
    missing = "".join(f"\n    {sentence}" for sentence in certificate.not_tested)
    return f"""
  Capacity certificate of {certificate.made_at}
    {"NO LONGER VALID: " + invalid if invalid else "valid until " + certificate.valid_until}
    Stentor {certificate.version}, settings {certificate.settings}
    {on["cores"]} cores ({on["processor"]}), {on["memory_mb"]:,} MB, Linux {on["kernel"]}

  Tested: {drill["listeners"]:,} people ({drill["arrival"]}), attack: {drill["attack"]},
    on {drill["where"]}
    came in each second: {curve}

  Measured
    joins answered in a second, at most    {told["joins_per_s_max"]:>10,}
    listeners at once, at most             {told["listeners_max"]:>10,}
    Space page, 99 of 100 within           {told["page_p99_s"] * 1_000:>10.0f} ms
    stalls of those inside                 {told["stalls"]:>10,}
    had neither sound nor a place          {told["with_neither"]:>10,}
    missing of the speaker's sound         {told["missing_ms"]:>10.0f} ms

  Promises{kept}
{limits if told["generator_limits"] else ""}
  Not tested{missing}
"""
