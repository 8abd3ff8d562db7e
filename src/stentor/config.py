"""Settings: every knob, its default and its meaning. Docs: docs/configuration.md.

Order of precedence: command line, then `stentor.toml` in the data directory, then the default.
"""

import ipaddress
import math
import os
import ssl
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from stentor.errors import Refused
from stentor.limits import (
    ABANDONED_S,
    CADENCES_MS,
    CHALLENGE_BITS_MAX,
    DOORS_BEFORE_S,
    KNOWN_DAYS,
    KNOWN_DAYS_MAX,
    LEASE_S,
    LEASE_S_MAX,
    LEASE_S_MIN,
    TICKETLESS_SHARE,
)

CADENCES = ("auto", *map(str, CADENCES_MS))
CHALLENGES = ("auto", "off")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs of a node; the same for all its processes."""

    data_dir: str = "data"
    """Where everything is kept; created with mode 0700."""
    listen: str = "127.0.0.1:8080"
    """Address and port of the public door; `0.0.0.0:443` to serve the world."""
    stage_listen: str = ""
    """Another address and port of the same door, to be told to hosts and speakers alone: no crowd
    at the public one keeps them waiting."""
    public_url: str = ""
    """The address people type, when it differs from `listen` (behind a proxy, with a name)."""
    trusted_proxy: str = ""
    """Addresses or prefixes of proxies before the door, comma separated: their X-Forwarded-For and
    X-Forwarded-Proto are believed."""
    proxy_protocol: Literal["off", "on"] = "off"
    """Whether those proxies say in a PROXY header for whom they connect; then each connection of
    theirs begins with one, and nobody's X-Forwarded headers are believed."""
    uncounted: str = "127.0.0.0/8,::1"
    """Addresses or prefixes, comma separated, that no bound for each client and no shield is meant
    for, beside the trusted proxies: this machine, whoever watches it."""
    tls_cert: str = ""
    """Certificate chain (PEM). With `tls_key`, the door speaks HTTPS."""
    tls_key: str = ""
    """Private key (PEM) of `tls_cert`."""
    edges: int = 0
    """Edge processes; 0 means one for each core."""
    cadence: str = "auto"
    """How often listeners are sent to: `auto` (every 200 ms, more seldom under pressure), or always
    every 200, 500, 1000 or 2000 ms. `stentor cadence` changes it while running."""
    egress_mbit: float = 0.0
    """What one edge may send, in Mbit/s, before listeners are sent to more seldom; 0: no bound."""
    listeners_max: int = 0
    """Whom this node holds at most, over all its edges, whatever they measure; 0: no such bound."""
    ticketless_share: float = TICKETLESS_SHARE
    """Of an edge's places, those for players that can show no ticket, radio among them."""
    lease_s: float = LEASE_S
    """How long a ticket is good for before it has to be renewed."""
    known_days: float = KNOWN_DAYS
    """For how many days prefixes of those who listened are taken into one memory; it is kept for as
    long again. 0: none is kept."""
    challenge: str = "auto"
    """Computing asked of those who join: `auto` (under pressure, as much as that needs), `off`, or
    always so many bits of it."""
    waiting_room: Literal["auto", "always", "never"] = "auto"
    """Places before tickets: `auto` when a Space is full or its doors are shut, `always`, or
    `never`: chairs that become free go to whoever asks next."""
    kernel_shield: Literal["auto", "off"] = "auto"
    """Whether floods may be handed to the kernel's packet filter, where that is permitted."""
    udp_ports: str = "40000-40199"
    """UDP ports on which speakers' audio arrives; open them in the firewall."""
    udp_listen: str = ""
    """Address to bind those ports on; empty: all, but only this machine is listened to if `listen`
    is loopback and neither `public_url` nor `udp_public` is set."""
    udp_public: str = ""
    """Addresses announced to speakers, comma separated; empty: found from the interfaces."""
    abandoned_after_s: float = ABANDONED_S
    """A live Space with nobody connected on its stage for so long is ended."""
    doors_before_s: float = DOORS_BEFORE_S
    """Doors open so long before a scheduled start."""
    telemetry: str = "INFO"
    """Level of diagnostics on standard error: DEBUG, INFO, WARNING or ERROR."""

    @property
    def edge_count(self) -> int:
        """Edge processes to run."""
        return self.edges or max(1, os.cpu_count() or 1)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return parse_address(self.listen)

    @property
    def url(self) -> str:
        """The address to print and to put into links, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host, port = self.address
        host = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::", "::1"} else host  # noqa: S104
        scheme = "https" if self.tls_cert else "http"
        tail = "" if port == (443 if self.tls_cert else 80) else f":{port}"
        return f"{scheme}://{host}{tail}"

    @property
    def udp_range(self) -> range:
        """The UDP ports as a range."""
        low, _, high = self.udp_ports.partition("-")
        return range(int(low), int(high or low) + 1)


def parse_address(text: str) -> tuple[str, int]:
    """Split `host:port`; IPv6 hosts in brackets.

    Raises:
        Refused: `config.invalid`.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise Refused("config.invalid", f"'{text}' is not an address; write 127.0.0.1:8080.")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - ":8080" means everywhere


def load(overrides: dict[str, object]) -> Settings:
    """Settings from the data directory's `stentor.toml` and the command line's overrides.

    Raises:
        Refused: `config.invalid`, naming the knob and what it should look like.
    """
    data_dir = str(overrides.get("data_dir") or Settings.__struct_defaults__[0])
    values: dict[str, object] = {}
    file = Path(data_dir) / "stentor.toml"
    try:
        if file.exists():
            values = tomllib.loads(file.read_text())
        values.update(overrides)
        settings = msgspec.convert(values, Settings)
        _check(settings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError, OSError) as wrong:
        raise Refused("config.invalid", f"Settings: {wrong} (see docs/configuration.md)") from wrong
    return settings


def _check(settings: Settings) -> None:
    settings.address  # noqa: B018 - raises when it is malformed
    if settings.stage_listen:
        parse_address(settings.stage_listen)
    ports = settings.udp_range
    if not len(ports) or ports[0] < 1 or ports[-1] > 65_535:
        raise ValueError(f"udp_ports '{settings.udp_ports}' should look like 40000-40199")
    if settings.edges < 0:
        raise ValueError("edges is a number of processes; 0 means one for each core")
    if settings.cadence not in CADENCES:
        raise ValueError(f"cadence '{settings.cadence}' is none of {', '.join(CADENCES)}")
    if not 0 <= settings.egress_mbit < math.inf:
        raise ValueError("egress_mbit is a number of Mbit/s; 0 means no bound")
    for name in ("abandoned_after_s", "doors_before_s"):
        if not 0 <= getattr(settings, name) < math.inf:
            raise ValueError(f"{name} is a number of seconds, 0 or more")
    _check_door(settings)
    if settings.telemetry not in LEVELS:
        raise ValueError(f"telemetry '{settings.telemetry}' is none of {', '.join(LEVELS)}")
    for name in ("udp_listen", "udp_public"):
        for address in filter(None, getattr(settings, name).split(",")):
            try:
                ipaddress.ip_address(address.strip())
            except ValueError as wrong:
                raise ValueError(f"{name}: {wrong}") from wrong
    for prefix in filter(None, settings.trusted_proxy.split(",")):
        try:
            ipaddress.ip_network(prefix.strip(), strict=False)
        except ValueError as wrong:
            raise ValueError(f"trusted_proxy: {wrong}") from wrong
    if settings.proxy_protocol == "on" and not settings.trusted_proxy:
        raise ValueError("proxy_protocol wants the proxies to be listed in trusted_proxy")
    _check_certificate(settings)


def _check_door(settings: Settings) -> None:
    if settings.listeners_max < 0:
        raise ValueError("listeners_max is a number of listeners; 0 means no bound")
    if not 0 <= settings.ticketless_share <= 1:
        raise ValueError("ticketless_share is a share of all places: 0 to 1")
    if not LEASE_S_MIN <= settings.lease_s <= LEASE_S_MAX:
        raise ValueError(f"lease_s is {LEASE_S_MIN:g} to {LEASE_S_MAX:g} seconds")
    if not 0 <= settings.known_days <= KNOWN_DAYS_MAX:
        raise ValueError(f"known_days is up to {KNOWN_DAYS_MAX:g} days; 0 keeps nothing")
    asked = settings.challenge
    if asked not in CHALLENGES and not (asked.isdigit() and int(asked) <= CHALLENGE_BITS_MAX):
        raise ValueError(f"challenge is auto, off, or up to {CHALLENGE_BITS_MAX} bits")


def _check_certificate(settings: Settings) -> None:
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise ValueError("tls_cert and tls_key go together")
    for name in ("tls_cert", "tls_key"):
        if getattr(settings, name) and not Path(getattr(settings, name)).is_file():
            raise ValueError(f"{name}: no file '{getattr(settings, name)}'")
    if settings.tls_cert:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except ssl.SSLError as wrong:
            raise ValueError(
                "tls_cert and tls_key are no certificate (PEM) with its key"
            ) from wrong
