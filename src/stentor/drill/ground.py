"""Where a drill takes place: a node of its own or one that runs here, with a Space of the drill's.

The Space is made over the stage's Unix socket with the node's own keys, as web makes one: whoever
may read the data directory may rehearse, and no account is needed.
"""

import asyncio
import contextlib
import itertools
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stentor import ids, node, tokens
from stentor.clock import Clock
from stentor.demo import marks, speech
from stentor.demo.calls import Caller
from stentor.demo.house import House, free_port
from stentor.demo.network import Network
from stentor.demo.speech import Said
from stentor.demo.studio import Studio
from stentor.errors import Unavailable
from stentor.gate import signing
from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE, SERVICE_TOKEN_S
from stentor.paths import Paths
from stentor.tokens import Claims

HOST_ID = "drill"
COUNTED_NOT = "127.0.0.1,::1"
"""Nobody else of this machine is spared by a node of the drill's own: 127.x.y.z is the world."""
VOICE_S = 20
TONE_HZ = 220.0
FRAMES_A_SECOND = SAMPLE_RATE // FRAME_SAMPLES


@dataclass(frozen=True, slots=True)
class Endless(Said):
    """A voice that says the same again and again."""

    def from_packet(self, number: int) -> Iterable[bytes]:
        """The packets from one on, without an end."""
        begin = max(0, number) % len(self.packets)
        return itertools.chain(self.packets[begin:], itertools.cycle(self.packets))


def voice(number: int = 0) -> Said:
    """A hum with a mark in each second: no recording and no synthesizer is needed for it."""
    samples = np.arange(VOICE_S * SAMPLE_RATE, dtype=np.float32)
    hum = 0.1 * np.sin(2 * np.pi * TONE_HZ * (1 + number) * samples / SAMPLE_RATE)
    mark = marks.MARKS[number % len(marks.MARKS)]
    pcm = marks.stamp(hum.astype(np.float32), mark, SAMPLE_RATE // 4 + number * SAMPLE_RATE // 2)
    packets = speech.packets_of(pcm)[: VOICE_S * FRAMES_A_SECOND]
    return Endless(pcm, mark, packets)


@dataclass(slots=True)
class Ground:
    """A node and what the drill has made in it.

    Attributes:
        house: the node of the drill's own; None: one that runs anyway.
        stage_port: where hosts and speakers come (`stage_listen`); 0: to the public door.
    """

    paths: Paths
    host: str
    port: int
    clock: Clock
    house: House | None = None
    stage_port: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _seat: str = ""

    @property
    def pids(self) -> dict[str, int]:
        """The node's processes that are alive, by name."""
        locks = sorted(self.paths.run.glob("*.lock"))
        return {lock.stem: pid for lock in locks if (pid := node.lock_holder(lock))}

    async def create_space(self, title: str, starts_in_s: float = 0.0) -> str:
        """A Space of the drill's; its id.

        Args:
            starts_in_s: when it is to start by itself; 0: by its host.

        Raises:
            Unavailable: `demo.failed`.
        """
        now_ms = self.clock.wall_time() // 1_000_000
        body = {
            "title": title,
            "description": "A drill of this node.",
            "starts_at_ms": now_ms + round(starts_in_s * 1_000) if starts_in_s else 0,
            "host_id": HOST_ID,
            "host_name": "Drill",
            "host_speaker": ids.encode(secrets.token_bytes(8), ids.SPEAKER_ID_CHARS),
        }
        stage = Caller(self.paths.socket("stage"))
        token = self._token(Claims("service", "", "service", "", "web", 0))
        answer = await stage.ask("POST", "/stage/spaces", body=body, token=token, expect=201)
        self._seat = str(answer.json()["host_speaker"])
        return str(answer.json()["space"])

    async def take_host_seat(
        self, space: str, said: Said | None, network: Network | None = None
    ) -> Studio:
        """The host goes into the studio; `follow` begins what they do there.

        Raises:
            Unavailable: `demo.failed`.
        """
        claims = Claims("seat", space, "host", self._seat, "Drill", 0)
        return await self.take_seat(space, self._token(claims), "Drill", said, network)

    async def take_seat(
        self, space: str, token: str, name: str, said: Said | None, network: Network | None = None
    ) -> Studio:
        """Join the stage with an invitation or a seat token.

        Raises:
            Unavailable: `demo.failed`.
        """
        port = self.stage_port or self.port
        visitor = Caller(f"http://{self.host}:{port}")
        body = {"name": name, "consent": True}
        answer = await visitor.ask(
            "POST", f"/stage/{space}/join", body=body, token=token, expect=201
        )
        seat = answer.json()
        return Studio(
            visitor, self.host, port, space, seat["speaker"], seat["token"], self.clock, said,
            network=network,
        )  # fmt: skip

    def follow(self, *studios: Studio) -> None:
        """Let them speak and hear until the drill is over."""
        self._tasks += [asyncio.create_task(one.run()) for one in studios]

    async def leave(self) -> None:
        """End what goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def health(self) -> dict[str, Any]:
        """The stage's figures.

        Raises:
            Unavailable: `demo.failed`.
        """
        stage = Caller(self.paths.socket("stage"))
        return (await stage.ask("GET", "/stage/health", expect=200)).json()

    def door_keys(self) -> dict[str, str]:
        """The keys of tickets, places and challenges that are valid now, as hexadecimal."""
        keys = signing.day_keys(self.paths.keyring(), self.clock.wall_time() / 1e9)
        return {kid.hex(): key.hex() for kid, key in keys.valid.items()}

    async def missing_ms(self) -> dict[str, float]:
        """Of each voice's sound: how much was concealed or silent so far."""
        voices = (await self.health())["voices"]
        return {
            speaker: (one["concealed_samples"] + one["missing_samples"]) * 1_000 / SAMPLE_RATE
            for speaker, one in voices.items()
        }

    def _token(self, claims: Claims) -> str:
        seconds = 3_600 if claims.kind == "seat" else SERVICE_TOKEN_S
        expires_at_s = self.clock.wall_time() // 1_000_000_000 + seconds
        lasting = Claims(
            claims.kind, claims.space, claims.role, claims.seat, claims.name, expires_at_s
        )
        return tokens.issue(lasting, self.paths.keyring())


@contextlib.asynccontextmanager
async def fresh(
    folder: Path, clock: Clock, cores: set[int], *flags: str, edges: int = 2, listen: str = ""
) -> AsyncIterator[Ground]:
    """A node of the drill's own, on these cores; gone afterwards.

    Args:
        listen: where its door is; a free port of this machine's if empty.

    Raises:
        Unavailable: `demo.failed`.
    """
    stage_port = free_port()
    flags = ("--uncounted", COUNTED_NOT, "--stage-listen", f"127.0.0.1:{stage_port}", *flags)
    house = House(folder / "data", clock, edges, listen, extra=flags)
    ground = Ground(house.paths, "127.0.0.1", house.settings.address[1], clock, house, stage_port)
    try:
        with _on(cores):
            house.start()
        yield ground
    finally:
        await ground.leave()
        await asyncio.to_thread(house.stop)


@contextlib.asynccontextmanager
async def running(paths: Paths, address: tuple[str, int], clock: Clock) -> AsyncIterator[Ground]:
    """A node that runs on this machine.

    Raises:
        Unavailable: `drill.nobody`.
    """
    if not paths.run.is_dir() or not Ground(paths, *address, clock).pids:
        raise Unavailable(
            "drill.nobody",
            f"No node runs on {paths.data}. Give its --data, or leave --to out: a drill then "
            "starts a node of its own.",
        )
    ground = Ground(paths, *address, clock)
    try:
        yield ground
    finally:
        await ground.leave()


@contextlib.contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """What is started meanwhile stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def stage_ports(pid: int, ports: range) -> list[int]:
    """The UDP ports on which a stage hears its speakers just now (proc(5))."""
    inodes = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(re.sub(r"\D", "", str(link.readlink())))
    found = set()
    for table in ("udp", "udp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rpartition(":")[2], 16)
                if fields[9] in inodes and port in ports:
                    found.add(port)
    return sorted(found)
