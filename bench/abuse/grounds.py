"""A node with an audience that does no harm: what is attacked, and who is to notice nothing."""

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.abuse.offences import LIVE, PAST_SPACE
from bench.edge import tools
from stentor.clock import SystemClock
from stentor.demo.house import House
from stentor.errors import Unavailable
from tests.edge.programme import Programme

PAST_PARTS = 1_500
"""Five minutes: a replay of 2 MB."""
PATIENCE_S = 60.0
CLOCK = SystemClock()


@dataclass(slots=True)
class Audience:
    """Honest listeners, in the load client."""

    process: "subprocess.Popen[str]"
    lines: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.put(line.strip())

    def wait_for(self, word: str) -> str:
        """The next line that begins with `word`.

        Raises:
            Unavailable: `demo.failed`.
        """
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise Unavailable("demo.failed", f"The load client did not say {word}.") from None
            if line.startswith(word):
                return line

    def heard(self) -> dict[str, Any]:
        """What they heard since the last time: delay_p50, delay_p99 (ms); stalls and ended in all.

        Raises:
            Unavailable: `demo.failed`.
        """
        self.process.send_signal(signal.SIGUSR1)
        found: dict[str, Any] = json.loads(self.wait_for("{"))
        return found


@contextlib.contextmanager
def audience(house: House, listeners: int, *flags: str) -> Iterator[Audience]:
    """Honest listeners of the live Space, once all of them hear it."""
    host, port = house.settings.address
    command = [str(tools.program("crowd")), "--to", f"{host}:{port}", "--path", LIVE]
    command += ["--listeners", str(listeners), "--rate", "1000", "--seconds", "900", *flags]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        there = Audience(process)
        there.wait_for("begin")
        yield there
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def node(folder: Path, *extra: str) -> Iterator[House]:
    """`stentor serve` with a Space that is live and one that is over."""
    # Delays can be compared while the cadence is the same.
    house = House(folder / "data", CLOCK, extra=("--cadence", "200", *extra))
    house.data.mkdir(mode=0o700, parents=True)
    house.paths.create()
    past = Programme(house.paths, PAST_SPACE)
    past.begin()
    past.play(PAST_PARTS)
    past.end()
    past.close()
    house.start()
    command = [sys.executable, "-m", "bench.edge.programme", str(house.data)]
    stage = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert stage.stdout is not None
        if stage.stdout.readline().strip() != "ready":
            raise Unavailable("demo.failed", "The programme did not begin.")
        yield house
    finally:
        stage.kill()
        stage.wait()
        house.stop()


@dataclass(slots=True)
class Attack:
    """A program that attacks, with less right to a core than everybody else."""

    process: "subprocess.Popen[str]"

    @classmethod
    def begin(cls, *command: str) -> "Attack":
        """Start it."""
        process = subprocess.Popen(
            ["nice", "-n", "10", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return cls(process)

    @classmethod
    def swarm(cls, name: str, house: House, seconds: float) -> "Attack":
        """Start an offence of offences.py."""
        port = str(house.settings.address[1])
        return cls.begin(sys.executable, "-m", "bench.abuse.swarm", name, port, str(seconds))

    def end(self, timeout_s: float) -> str:
        """Wait for it; what it said."""
        try:
            said, _ = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said, _ = self.process.communicate()
        return said

    def stop(self) -> None:
        """End it now."""
        self.process.kill()
        self.process.wait()
