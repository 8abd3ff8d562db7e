"""The kernel's drop list: one nftables table that only new connections to the door ever meet.

The table belongs to one running `nft` (its flag `owner`): when that ends, however it ends, the
kernel removes the table. Nothing is left behind, and no other program can change it meanwhile.
"""

import contextlib
import ipaddress
import os
import select
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from typing import IO

from stentor.errors import Unavailable
from stentor.limits import (
    BAN_TRICKLE_ALL_PER_S,
    BAN_TRICKLE_BURST,
    BAN_TRICKLE_PER_S,
    BANS_MAX,
    KERNEL_ANSWER_S,
    KERNEL_SOURCE_BURST,
    KERNEL_SOURCE_PER_S,
    KERNEL_SOURCES_MAX,
)
from stentor.shield import capabilities
from stentor.shield.prefixes import Network

PLACES = "/usr/sbin:/sbin:/usr/bin:/bin"
_SETS = {(4, 32): "hosts4", (4, 24): "prefixes4", (6, 64): "hosts6", (6, 56): "prefixes6"}
_FAMILIES = {4: "ip", 6: "ip6"}


def program() -> str:
    """Where `nft` is; empty when it is not."""
    return shutil.which("nft", path=PLACES) or ""


def obstacle() -> str:
    """Why there can be no drop list here; empty when there can be one."""
    if not program():
        return "the program nft is not installed"
    if not capabilities.has(capabilities.CAP_NET_ADMIN):
        return "this user has no CAP_NET_ADMIN"
    return ""


def table_of(port: int) -> str:
    """The table's name: several nodes on one machine have one each."""
    return f"stentor-{port}"


class Kernel:
    """The table, while it stands."""

    def __init__(self, port: int, spared: Iterable[Network]) -> None:
        """Make the table.

        Args:
            port: the door's.
            spared: whose connections are let through unlooked at: proxies, this machine.

        Raises:
            Unavailable: `shield.kernel`: the kernel or `nft` will not.
        """
        self._table = table_of(port)
        self._process = subprocess.Popen(  # noqa: S603 - a program of the system's
            [program(), "--interactive"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={"PATH": PLACES, "HOME": "/nonexistent", "TERM": "dumb", "LC_ALL": "C"},
        )
        try:
            self._say(*table(port, spared), "list tables inet")
            self._await(f"table inet {self._table}\n".encode())
            os.set_blocking(_open(self._process.stderr).fileno(), False)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """What becomes readable when the table is gone, to be looked at with `errors`."""
        return _open(self._process.stderr).fileno()

    def ban(self, whom: Iterable[tuple[Network, float]]) -> None:
        """Drop new connections of hosts and prefixes, each for so many seconds from now."""
        for name, members in _by_set(whom):
            timed = ", ".join(f"{first} timeout {seconds:.0f}s" for first, seconds in members)
            # An element that is there keeps its old timeout: it is taken out, within one change.
            self._say(f"{self._out(name, members)}; add element {self._set(name)} {{ {timed} }}")

    def unban(self, whom: Network) -> None:
        """Let somebody through again."""
        for name, members in _by_set([(whom, 1.0)]):
            self._say(self._out(name, members))

    def _out(self, name: str, members: list[tuple[str, float]]) -> str:
        # Taking out what is not there is an error, adding what is there is none: both, in turn.
        timed = ", ".join(f"{first} timeout 60s" for first, _ in members)
        firsts = ", ".join(first for first, _ in members)
        place = self._set(name)
        return f"add element {place} {{ {timed} }}; delete element {place} {{ {firsts} }}"

    def _set(self, name: str) -> str:
        return f"inet {self._table} {name}"

    def errors(self) -> str:
        """What `nft` has complained of since the last call, its first line.

        Raises:
            Unavailable: `shield.kernel`: it has ended, and the table with it.
        """
        try:
            said = os.read(self.fileno(), 65_536)
        except BlockingIOError:
            return ""
        if not said:
            raise Unavailable("shield.kernel", "nft has ended; there is no list.")
        return said.decode(errors="replace").partition("\n")[0]

    def close(self) -> None:
        """Remove the table, by ending the program it belongs to."""
        with contextlib.suppress(OSError):
            _open(self._process.stdin).close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            _open(pipe).close()

    def _say(self, *lines: str) -> None:
        pipe = _open(self._process.stdin)
        data = "".join(f"{line}\n" for line in lines).encode()
        try:
            while data:
                data = data[pipe.write(data) :]
        except OSError as error:
            raise Unavailable("shield.kernel", "nft has ended; there is no list.") from error

    def _await(self, said: bytes) -> None:
        """Wait until it has said this; it says nothing else unless it complains."""
        heard = b""
        answers, complaints = _open(self._process.stdout), _open(self._process.stderr)
        while said not in heard:
            ready, _, _ = select.select([answers, complaints], [], [], KERNEL_ANSWER_S)
            if complaints in ready or not ready:
                why = complaints.read(4_096).decode(errors="replace") if ready else "no answer"
                first = why.partition("\n")[0] or "it ended"
                raise Unavailable("shield.kernel", f"nft does not make the drop list: {first}")
            heard += answers.read(4_096) or b""


def table(port: int, spared: Iterable[Network]) -> Iterator[str]:
    """What makes the table, a line each.

    Only packets that ask for a new connection (SYN without ACK) to the door's port meet its rules;
    whoever is connected already is never touched, and connections are not tracked for it.
    """
    name = table_of(port)
    yield f"add table inet {name} {{ flags owner; }}"
    for (version, _), members in _SETS.items():
        kind = f"ipv{version}_addr"
        yield f"add set inet {name} {members} {{ type {kind}; flags timeout; size {BANS_MAX}; }}"
    for version in _FAMILIES:
        yield (
            f"add set inet {name} rates{version} {{ type ipv{version}_addr; flags dynamic,timeout; "
            f"size {KERNEL_SOURCES_MAX}; timeout 10s; }}"
        )
    for version, bits in _SETS:
        yield (
            f"add set inet {name} trickle{version}_{bits} {{ type ipv{version}_addr; "
            f"flags dynamic,timeout; size {KERNEL_SOURCES_MAX}; timeout 10s; }}"
        )
    yield f"add chain inet {name} banned"
    for version, bits in _SETS:
        yield (
            f"add rule inet {name} banned update @trickle{version}_{bits} "
            f"{{ {_masked(version, bits)} limit rate over "
            f"{BAN_TRICKLE_PER_S}/second burst {BAN_TRICKLE_BURST} packets }} counter drop"
        )
    yield (
        f"add rule inet {name} banned limit rate over {BAN_TRICKLE_ALL_PER_S}/second "
        f"burst {BAN_TRICKLE_ALL_PER_S} packets counter drop"
    )
    yield f"add rule inet {name} banned accept"
    yield f"add chain inet {name} fresh"
    rule = f"add rule inet {name} fresh"
    for network in spared:
        yield f"{rule} {_FAMILIES[network.version]} saddr {network} return"
    for (version, bits), members in _SETS.items():
        yield f"{rule} {_masked(version, bits)} @{members} jump banned"
    for version, bits in ((4, 32), (6, 64)):
        yield (
            f"{rule} update @rates{version} {{ {_masked(version, bits)} limit rate over "
            f"{KERNEL_SOURCE_PER_S}/second burst {KERNEL_SOURCE_BURST} packets }} counter drop"
        )
    yield f"add chain inet {name} door {{ type filter hook input priority -10; policy accept; }}"
    asks = "tcp flags & (syn | ack | rst | fin) == syn"
    yield f"add rule inet {name} door tcp dport {port} {asks} jump fresh"


def _masked(version: int, bits: int) -> str:
    """The source of a packet, as much of it as is in a set."""
    field = f"{_FAMILIES[version]} saddr"
    if (version, bits) == (4, 32):
        return field
    zero = "0.0.0.0" if version == 4 else "::"  # noqa: S104 - a mask is made of it
    return f"{field} & {ipaddress.ip_network(f'{zero}/{bits}').netmask}"


def _by_set(whom: Iterable[tuple[Network, float]]) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    members: dict[str, dict[str, float]] = {}
    for network, seconds in whom:
        name = _SETS[network.version, network.prefixlen]
        members.setdefault(name, {})[str(network.network_address)] = max(1.0, seconds)
    for name, firsts in members.items():
        yield name, list(firsts.items())


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "nft is started with pipes"
    return pipe
