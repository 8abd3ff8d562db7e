"""Measures what a speaker's packets cost, and what strangers who attack the port cost the speaker.

The speaker and the attackers are processes of their own; attackers, kernel and stage share the same
cores, so the figures are worse than what the same rates do from outside. An attack begins with the
connection (the port is open to all) and goes on after it (the kernel keeps strangers out).

    python -m bench.stage_under_fire [--seconds 10] [--races 100]

Last answer (2 cores, Debian 12, CPython 3.11.7): see docs/decisions/0003-own-hardened-ice.md.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import uvloop

from tests.fakes.attacker import Address, Attacker
from tests.fakes.raw_speaker import RawSpeaker, client_hello
from tests.fakes.shifted_clock import ShiftedClock
from tests.fakes.whip_door import WhipDoor

FRAME_S = 0.02
PAYLOAD = bytes(100)
"""As many bytes as 20 ms of Opus at 40 kbit/s."""
GAP_MS_MAX = 60.0


def speak(offers: Any, answers: Any, seconds: float) -> None:
    """The speaker's process: connect, then send a packet every 20 ms."""

    async def main() -> None:
        speaker = RawSpeaker()
        offers.put(speaker.offer())
        answer = answers.get()
        began = time.monotonic()
        await speaker.connect(answer)
        offers.put(time.monotonic() - began)
        began = time.monotonic()
        for sequence in range(int(seconds / FRAME_S)):
            await asyncio.sleep(max(0.0, began + sequence * FRAME_S - time.monotonic()))
            speaker.send(speaker.packet(sequence, PAYLOAD))
        speaker.close()

    asyncio.run(main())


def attack(kind: str, to: Address, per_s: int, stop: Event, sent: Any) -> None:
    """An attacker's process: one kind of datagram at a rate, until told to stop."""
    stranger = RawSpeaker("127.0.0.66")
    stranger.stage_ufrag, stranger.stage_password = "unknown0", "x" * 32
    datagram = {"junk": client_hello(), "short": b"", "checks": stranger.check()}[kind]
    stranger.close()
    with Attacker("127.0.0.66") as attacker:
        began = time.monotonic()
        while not stop.is_set():
            due = int((time.monotonic() - began) * per_s) - attacker.sent
            if due > 0:
                attacker.throw([datagram] * min(due, 500), to)
            else:
                time.sleep(0.0005)
        sent.put((attacker.sent, attacker.answers()))


async def under_fire(kind: str, per_s: int, seconds: float) -> dict[str, Any]:
    """One speaker under one attack; what was missing of the audio, and what the stage did."""
    context = multiprocessing.get_context("spawn")
    offers, answers, sent = context.Queue(), context.Queue(), context.Queue()
    stop = context.Event()
    async with WhipDoor() as door:
        speaker = context.Process(target=speak, args=(offers, answers, seconds))
        speaker.start()
        publisher = await door.publish(await asyncio.to_thread(offers.get))
        attacker = None
        if per_s:
            probe = RawSpeaker()
            probe.learn(publisher.answer)
            probe.close()
            attacker = context.Process(target=attack, args=(kind, probe.stage, per_s, stop, sent))
            attacker.start()
            while not sum(publisher.stats()[name] for name in ("strangers", "malformed")) and (
                not publisher.stats()["unknown_ufrag"]
            ):
                await asyncio.sleep(0.01)
        cpu = time.process_time()
        answers.put(publisher.answer)
        connect_s = await asyncio.to_thread(offers.get)
        await asyncio.to_thread(speaker.join)
        cpu = time.process_time() - cpu
        stop.set()
        thrown, answered = await asyncio.to_thread(sent.get) if attacker else (0, 0)
        await asyncio.sleep(0.1)
        expected = int(seconds / FRAME_S)
        gaps = [b[3] - a[3] for a, b in zip(door.packets, door.packets[1:], strict=False)]
        return {
            "attack": kind if per_s else "none",
            "thrown_per_s": round(thrown / seconds),
            "answered": answered,
            "connect_ms": round(connect_s * 1_000, 1),
            "missing_ms": (expected - len(door.packets)) * 20,
            "longest_gap_ms": round(max(gaps) * 1_000, 1),
            "stage_cpu_percent": round(cpu / seconds * 100, 1),
            "read": publisher.stats()["strangers"] + publisher.stats()["unknown_ufrag"],
        }


async def cost(batches: int = 250) -> dict[str, float]:
    """Microseconds of CPU for a packet received and for one sent, the system's part included."""
    clock = ShiftedClock()
    async with WhipDoor(clock=clock) as door:
        speaker = RawSpeaker()
        publisher = await door.publish(speaker.offer())
        await speaker.connect(publisher.answer)
        received, sent = [], []
        for batch in range(batches):
            clock.ahead_s += 20 * FRAME_S
            for number in range(20):
                speaker.send(speaker.packet(batch * 20 + number, PAYLOAD))
            began = time.process_time()
            await door.wait_packets(batch * 20 + 20)
            received.append((time.process_time() - began) / 20)
            began = time.process_time()
            for number in range(20):
                publisher.send(PAYLOAD, 960 * (batch * 20 + number))
            sent.append((time.process_time() - began) / 20)
            for _ in range(20):
                speaker.socket.recv(2_048)
        speaker.close()
        return {
            "received_us": round(statistics.median(received) * 1e6, 1),
            "sent_us": round(statistics.median(sent) * 1e6, 1),
        }


async def measure(seconds: float) -> dict[str, Any]:
    """All figures but the races."""
    answer: dict[str, Any] = {"cost": await cost(), "attacks": []}
    for kind, per_s in (
        ("none", 0),
        ("short", 20_000),
        ("junk", 150_000),
        ("checks", 20_000),
        ("checks", 200_000),
    ):
        answer["attacks"].append(await under_fire(kind, per_s, seconds))
    return answer


def races(count: int) -> bool:
    """The race of handshakes, `count` times: the test of the same name, longer."""
    test = "tests/stage/test_attacks.py"
    command = [sys.executable, "-m", "pytest", test, "-q", "-k", "race", "--timeout=600"]
    root = Path(__file__).resolve().parent.parent
    environment = os.environ | {"STENTOR_RACES": str(count)}
    done = subprocess.run(command, check=False, cwd=root, env=environment)
    return done.returncode == 0


def main() -> int:
    """Print the figures as JSON; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--races", type=int, default=100, help="of handshakes; 0 for none")
    arguments = parser.parse_args()
    answer = uvloop.run(measure(arguments.seconds))
    answer["races_won"] = arguments.races == 0 or races(arguments.races)
    print(json.dumps(answer, indent=2))
    kept = answer["races_won"] and all(
        attack["answered"] == 0 and attack["missing_ms"] <= GAP_MS_MAX
        for attack in answer["attacks"]
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
