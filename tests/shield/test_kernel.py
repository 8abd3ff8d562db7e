"""The helper and a real kernel: who is dropped, who is not, and what is left when it ends."""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stentor import node
from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.limits import STANDING_PASSES
from stentor.paths import Paths
from stentor.shield import Shield, serve
from stentor.shield.capabilities import NOBODY
from stentor.shield.line import Line
from stentor.shield.words import Ban, Listed, Unban
from stentor.supervisor import Supervisor
from tests.shield.ground import Ground, ground

PORT = 8_080
NET_ADMIN = 1 << 12


def wait_for(happened: Callable[[], object], what: str) -> None:
    until = time.monotonic() + 10.0
    while not happened():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.02)


@pytest.fixture
def here() -> Iterator[Ground]:
    with ground() as made:
        yield made


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "data")
    made.create()
    return made


def helper(here: Ground, paths: Paths, *flags: str) -> int:
    """Start one; its process."""
    lock = paths.run / "shield.lock"
    command = [sys.executable, "-m", "stentor", "shield", "--data", str(paths.data)]
    here.start(*command, "--listen", f"0.0.0.0:{PORT}", *flags)
    wait_for(lambda: "stentor-8080" in here.tables(), "the table")
    held = node.lock_holder(lock)
    assert held
    return held


def ask(paths: Paths, said: serve.words.Asked) -> serve.Standing:
    return serve.ask(paths.socket("shield"), said)


def elements(here: Ground) -> str:
    return here.run("nft", "list", "table", "inet", "stentor-8080")


def banned(here: Ground) -> str:
    """Whom the kernel keeps out; the sets of rates name everybody who came."""
    names = ("hosts4", "prefixes4", "hosts6", "prefixes6")
    lists = (("nft", "list", "set", "inet", f"stentor-{PORT}", name) for name in names)
    return "".join(here.run(*command, check=False) for command in lists)


def kept_out(here: Ground, paths: Paths, *whom: str) -> None:
    answer = ask(paths, Ban([(one, 60.0) for one in whom]))
    assert not answer.refused
    firsts = [one.partition("/")[0] for one in whom]
    wait_for(lambda: all(first in banned(here) for first in firsts), "the ban")


def test_new_connections_are_dropped_and_nobody_who_is_connected(
    here: Ground, paths: Paths
) -> None:
    here.echo(PORT)
    here.echo(PORT + 1)
    helper(here, paths)
    listener = here.stay(PORT, "10.77.3.3")
    assert here.call(PORT, "10.77.3.3", "10.77.4.4", "10.77.4.5") == ["in"] * 3
    assert here.call(PORT, "fd77:0:0:105::1") == ["in"]
    kept_out(here, paths, "10.77.3.0/24", "10.77.4.4/32", "fd77:0:0:100::/56")
    assert here.call(PORT, "10.77.3.9", "10.77.4.4", "10.77.4.5") == ["out", "out", "in"]
    assert here.call(PORT, "fd77:0:0:105::1", "fd77:0:0:205::1") == ["out", "in"]
    assert here.call(PORT + 1, "10.77.3.3") == ["in"], "only the door is shut"
    listener.stdin.write("\n")
    listener.stdin.flush()
    assert listener.stdout.readline() == "x\n", "who is connected already goes on"
    ask(paths, Unban("10.77.3.0/24"))
    wait_for(lambda: "10.77.3.0" not in banned(here), "the pardon")
    assert here.call(PORT, "10.77.3.9", "10.77.4.4") == ["in", "out"]
    assert [whom for whom, _ in ask(paths, Listed()).bans] == ["10.77.4.4/32", "fd77:0:0:100::/56"]


def test_it_has_one_capability_and_leaves_nothing_behind(here: Ground, paths: Paths) -> None:
    held = helper(here, paths)
    [nft] = Path(f"/proc/{held}/task/{held}/children").read_text().split()
    for process in (str(held), nft):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert set(status["Uid"].split() + status["Gid"].split()) == {"65534"}
        assert not status["Groups"].strip()
        assert {int(status[f"Cap{name}"], 16) for name in ("Prm", "Eff", "Bnd", "Amb")} == {
            NET_ADMIN
        }
        assert status["NoNewPrivs"] == "1"
    assert paths.socket("shield").stat().st_mode & 0o777 == 0o600
    os.kill(held, signal.SIGTERM)
    wait_for(lambda: not here.tables(), "the end of the table")


def test_as_a_service_of_its_own_it_needs_no_root(here: Ground) -> None:
    """As systemd starts it: an ordinary user with one ambient capability, and some more to lose."""
    with tempfile.TemporaryDirectory(prefix="stentor-") as folder:
        os.chown(folder, NOBODY, NOBODY)
        paths = Paths(Path(folder) / "data")
        caps = "-all,+net_admin,+net_raw"
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if subprocess.run(
            [*user, sys.executable, "-c", ""], check=False, capture_output=True
        ).returncode:
            pytest.skip("another user may not run the interpreter that runs the tests")
        rights = [f"--inh-caps={caps}", f"--ambient-caps={caps}"]
        command = [sys.executable, "-m", "stentor", "shield", "--data", str(paths.data)]
        here.start(*user, *rights, *command, "--listen", f"0.0.0.0:{PORT}")
        wait_for(lambda: f"stentor-{PORT}" in here.tables(), "the table")
        held = node.lock_holder(paths.run / "shield.lock")
        lines = Path(f"/proc/{held}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        for name in ("Inh", "Prm", "Eff", "Amb"):
            assert int(status[f"Cap{name}"], 16) == NET_ADMIN
        kept_out(here, paths, "10.77.3.3/32")
        settings = Settings(data_dir=str(paths.data), listen=f"0.0.0.0:{PORT}")
        supervisor = Supervisor(settings, paths, SystemClock(), [])
        assert not supervisor._shields(), "the node finds it, and starts none"


def test_killed_it_takes_its_bans_along_and_a_gate_tells_the_next_one(
    here: Ground, paths: Paths
) -> None:
    here.echo(PORT)
    shield = Shield(frozenset())
    line = Line(paths.socket("shield"), shield)
    for number in range(50_000):
        shield.connected("10.77.3.3", 10.0 + number / 5e3)
    line.tend(20.0)
    assert not line.is_up, "nobody is there yet"
    held = helper(here, paths)
    line.tend(30.0)
    assert line.is_up
    wait_for(lambda: "10.77.3.3" in banned(here), "the ban")
    assert here.call(PORT, "10.77.3.3") == ["out"]
    os.kill(held, signal.SIGKILL)
    wait_for(lambda: not here.tables(), "the end of the table")
    assert here.call(PORT, "10.77.3.3") == ["in"], "without a helper the gate refuses alone"
    line.tend(31.0)
    assert not line.is_up
    helper(here, paths)
    for moment in (32.0, 33.0, 34.0, 35.0):  # it looks again every so often, and often enough
        line.tend(moment)
    wait_for(lambda: "10.77.3.3" in banned(here), "the ban")
    line.tend(36.0)
    assert line.kept_out == 1
    for number in range(STANDING_PASSES):
        shield.vouched("10.77.3.3", number, 36.5)
    line.tend(37.0)
    wait_for(lambda: "10.77.3.3" not in banned(here), "the pardon of who is many people")
    line.tend(38.0)
    assert line.kept_out == 0
    for number in range(20_000):
        shield.connected("10.77.4.4", 40.0 + number / 5e3)
    line.tend(45.0)
    wait_for(lambda: "10.77.4.4" in banned(here), "the ban")
    ask(paths, Unban("10.77.4.4/32"))
    line.tend(46.0)
    assert not shield.bans(46.0), "the gate forgets whom the operator forgives"
    line.close()


def test_it_refuses_what_is_not_its_business(here: Ground, paths: Paths) -> None:
    helper(here, paths, "--trusted-proxy", "10.77.9.9", "--uncounted", "10.77.8.0/24,127.0.0.0/8")
    spared = ["10.77.9.9/32", "10.77.9.0/24", "10.77.8.7/32"]
    nonsense = ["127.0.0.1/32", "10.0.0.0/8", "10.77.3.3; flush ruleset", "", "x" * 900]
    for whom in (*spared, *nonsense):
        assert ask(paths, Ban([(whom, 60.0)])).refused == 1, whom
        assert ask(paths, Unban(nonsense[2])).refused == 1
    for said in (b"", b"\xff" * 5_000, b"\x92\xa3ban\x91\x92\xa1x\xcb\x7f\xf0\0\0\0\0\0\0"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as rude:
            rude.settimeout(5.0)
            rude.connect(str(paths.socket("shield")))
            rude.recv(100)
            rude.send(said or b"\0")
            assert not rude.recv(100), "who speaks another language is hung up on"
    assert ask(paths, Listed()).kept_out == 0


def test_one_host_that_connects_without_a_pause_is_slowed_by_the_kernel(
    here: Ground, paths: Paths, tmp_path: Path
) -> None:
    here.echo(PORT)
    helper(here, paths)
    flood = (
        "import socket, sys\n"
        "raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)\n"
        "packet = bytes.fromhex(sys.argv[1])\n"
        "for _ in range(60_000): raw.sendto(packet, ('10.77.0.1', 0))\n"
    )
    here.run(sys.executable, "-c", flood, syn("10.77.3.3", "10.77.0.1", PORT).hex())
    [dropped] = [line for line in elements(here).splitlines() if "update @rates4 {" in line]
    assert int(dropped.split("packets ")[-1].split()[0]) > 5_000
    assert here.call(PORT, "10.77.3.4") == ["in"]


def syn(source: str, target: str, port: int) -> bytes:
    """A packet that asks for a connection; the kernel fills in what is zero of the IP header."""
    pack, address = struct.pack, socket.inet_aton
    ends = address(source) + address(target)
    tcp = pack(">HHIIBBHHH", 40_000, port, 1, 0, 5 << 4, 2, 1_024, 0, 0)
    summed = sum(struct.unpack(">16H", ends + pack(">BBH", 0, 6, len(tcp)) + tcp))
    summed = (summed & 0xFFFF) + (summed >> 16)
    tcp = tcp[:16] + pack(">H", ~(summed + (summed >> 16)) & 0xFFFF) + tcp[18:]
    return pack(">BBHHHBBH", 0x45, 0, 0, 0, 0, 64, 6, 0) + ends + tcp


def test_without_rights_or_nft_it_says_why(paths: Paths) -> None:
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "stentor"]
    if os.geteuid() != 0:
        command = command[3:]
    command += ["shield", "--data", str(paths.data)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert "nft" in ended.stderr or "CAP_NET_ADMIN" in ended.stderr
