"""A rehearsal with everything real: node, stage, voice, people, attackers."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from stentor.drill.certificate import FILE, Certificate

PATIENCE_S = 60.0


async def stentor(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stentor", *words, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, start_new_session=True, preexec_fn=_hear_interrupts,
    )  # fmt: skip


def _hear_interrupts() -> None:
    """A shell has its background jobs ignore them, and all they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def test_a_small_crowd_hears_a_host_while_others_attack(tmp_path: Path) -> None:
    words = ("--listeners", "30", "--seconds", "4", "--attack", "tickets", "--data", str(tmp_path))
    process = await stentor("drill", *words)
    async with asyncio.timeout(PATIENCE_S):
        said, _ = await process.communicate()
    found = msgspec.json.decode((tmp_path / FILE).read_bytes(), type=Certificate)
    assert found.measured["people"] == found.measured["heard"] == 30, said.decode()
    assert found.measured["attack"]["opened"] > 0
    assert found.measured["attack"]["let_in"] == 0
    assert b"Capacity certificate" in said


async def test_it_can_be_interrupted(tmp_path: Path) -> None:
    process = await stentor("drill", "--listeners", "5", "--data", str(tmp_path))
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while b"came" not in (line := await process.stdout.readline()):
            assert line, "the drill has ended by itself"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    assert not children_of_session(process.pid)


def children_of_session(session: int) -> list[int]:
    """Processes that are left of a session; those of the node have sessions of their own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found
