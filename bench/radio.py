"""`make bench-radio`: what a radio stream costs the process that makes it.

The radio process itself (`stentor radio`) follows real logs that grow in real time; an edge's
connections ask for one format after another, for all Spaces at once. CPU time is the kernel's. Each
stream is decoded in the end: it must be as long as the time it took. The last line is one JSON
object, also written to build/bench-radio.json.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from stentor.clock import SystemClock
from stentor.demo.telling import finish
from stentor.ids import ALPHABET
from stentor.limits import SAMPLE_RATE
from stentor.paths import Paths
from stentor.relay import RADIO_FORMATS, Ask, Messages, Word, encode_ask
from tests.edge.programme import Programme
from tests.radio.melody import sung

PART_S = 0.2
SETTLING_S = 3.0
PROMISES = {"cores_idle": 0.002, "cores_mp3": 0.03, "cores_aac": 0.006, "cores_ogg": 0.006}
"""Cores a stream at most: an encoder costs what it costs, everything else next to nothing."""


class Process:
    """`stentor radio`, and what the kernel says of it."""

    def __init__(self, paths: Paths) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stentor", "radio", "--data", str(paths.data)]
        )
        while not paths.socket("radio").exists():
            time.sleep(0.02)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Ear(threading.Thread):
    """Takes a stream as an edge does.

    Attributes:
        samples: how much has been heard.
    """

    def __init__(self, paths: Paths, space: str, format_name: str) -> None:
        super().__init__(daemon=True)
        self.samples = 0
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(paths.socket("radio")))
        self._connection.send(encode_ask(Ask(space, format_name)))
        self.start()

    def run(self) -> None:
        messages = Messages()
        while data := self._connection.recv(65_536):
            heard = [one for one in messages.feed(data) if one.word is Word.AUDIO]
            if heard:
                self.samples = heard[-1].place.position

    def close(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)
        self.join()
        self._connection.close()


def play(programmes: list[Programme], over: threading.Event) -> None:
    """Every Space goes on, a part each 200 ms."""
    at = time.monotonic()
    while not over.is_set():
        at += PART_S
        time.sleep(max(0.0, at - time.monotonic()))
        for programme in programmes:
            programme.play(1)


def measure(process: Process, ears: list[Ear], seconds: float) -> float:
    """Cores taken, once all have begun."""
    time.sleep(SETTLING_S)
    before, began, heard = process.cpu_s(), time.monotonic(), [ear.samples for ear in ears]
    time.sleep(seconds)
    took_s, cpu_s = time.monotonic() - began, process.cpu_s() - before
    for ear, samples in zip(ears, heard, strict=True):
        missing_s = took_s - (ear.samples - samples) / SAMPLE_RATE
        assert abs(missing_s) < 0.5, f"a stream is {missing_s:.1f} s short"
    return cpu_s / took_s


def main() -> int:
    """Measure, and say what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--spaces", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(folder)
        paths.create()
        names = [ALPHABET[number] * 12 for number in range(options.spaces)]
        programmes = [Programme(paths, name, SystemClock(), sung) for name in names]
        for programme in programmes:
            programme.begin()
            programme.play(50)
        playing = threading.Thread(target=play, args=(programmes, over))
        playing.start()
        process = Process(paths)
        found: dict[str, object] = {"spaces": options.spaces}
        try:
            found["cores_idle"] = round(measure(process, [], options.seconds), 5)
            found["rss_mb_idle"] = process.rss_mb()
            for name in RADIO_FORMATS:
                ears = [Ear(paths, space, name) for space in names]
                cores = measure(process, ears, options.seconds) / options.spaces
                found[f"cores_{name}"] = round(cores, 5)
                found[f"rss_mb_{name}"] = process.rss_mb()
                print(f"{name}: {cores:.4f} cores a stream, {process.rss_mb()} MB", flush=True)
                for ear in ears:
                    ear.close()
        finally:
            over.set()
            playing.join()
            process.stop()
            for programme in programmes:
                programme.close()
    found["ok"] = all(float(str(found[name])) <= most for name, most in PROMISES.items())
    return finish(found, "bench-radio.json", as_json=True)


if __name__ == "__main__":
    sys.exit(main())
