"""A writer that is killed, or that the system lets down, loses nothing it had written."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from stentor.log import Reader, verify
from stentor.record import Cursor, Rendition
from tests.log.programme import SPACE, open_writer, read_all

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

APPENDING = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from stentor.record import Kind, Rendition
    from tests.log.programme import open_writer, sound
    with open_writer(Path(sys.argv[1]), segment_bytes_max=60_000) as writer:
        number = writer.recovered.last.get(Rendition.OPUS, (0, 0))[1]
        while True:
            header = writer.append(
                Kind.PART, sound(number, 3_000), rendition=Rendition.OPUS,
                media_time=number * 9_600, duration=9_600,
            )
            print(header.cursor, header.payload_sha256.hex(), flush=True)
            number += 1
            if number % 50 == 0:
                writer.sync()
    """
)


@pytest.mark.timeout(120)
def test_killed_twenty_times_it_keeps_every_record_it_told_of(tmp_path: Path) -> None:
    chance = random.Random(20)
    told: dict[Cursor, str] = {}
    with Reader(tmp_path, SPACE) as following:
        for _ in range(20):
            child = subprocess.Popen(
                [sys.executable, "-c", APPENDING, str(tmp_path)],
                stdout=subprocess.PIPE,
                text=True,
                env=ENVIRONMENT,
            )
            assert child.stdout
            with child:
                lines = [child.stdout.readline()]
                time.sleep(chance.uniform(0, 0.02))  # where in an append it dies is up to chance
                child.send_signal(signal.SIGKILL)
                lines += child.stdout.readlines()
            for line in lines:
                if line.endswith("\n"):
                    cursor, digest = line.split()
                    assert Cursor.parse(cursor) not in told, "an offset was given out twice"
                    told[Cursor.parse(cursor)] = digest
            following.refresh()
    with open_writer(tmp_path) as writer:
        count = writer.tail.offset
        assert writer.recovered.lost == 0
        assert writer.epoch == 21
    records = read_all(tmp_path)
    kept = {record.header.cursor: record.header.payload_sha256.hex() for record in records}
    assert {cursor: kept.get(cursor) for cursor in told} == told
    assert len(told) <= len(records) == count
    verdict = verify(tmp_path, SPACE)
    assert verdict.fault is None
    assert verdict.parts["opus"].missing_samples == 0
    following.refresh()
    assert following.head.hex() == verdict.head
    assert len(following.parts(Rendition.OPUS)) == count
    with pytest.raises(IndexError):
        following.record(count)


FILLING = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from stentor.errors import Unavailable
    from stentor.record import Kind
    from tests.log.programme import open_writer
    limit = 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with open_writer(Path(sys.argv[1])) as writer:
        try:
            while True:
                writer.append(Kind.EVENT, b"x" * 777)
        except Unavailable as refused:
            print(refused.code)
            print(writer.tail)
        writer.recover()
        print(writer.tail)
        writer.append(Kind.EVENT, b"after")
        writer.sync()
        print(writer.tail, writer.head.hex())
    """
)


def test_a_file_that_may_not_grow_is_left_whole(tmp_path: Path) -> None:
    """The system takes the first part of the record that no longer fits (setrlimit(2))."""
    run = subprocess.run(
        [sys.executable, "-c", FILLING, str(tmp_path)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=True,
    )
    code, full, recovered, *after = run.stdout.split()
    assert code == "log.disk_full"
    count = (100_000 - 128) // (128 + 777)
    assert (full, recovered) == (f"1.{count}", f"2.{count}")
    assert after[0] == f"2.{count + 1}"
    verdict = verify(tmp_path, SPACE, f"{after[0]}:{after[1]}")
    assert verdict.fault is None
    assert verdict.records == count + 1
