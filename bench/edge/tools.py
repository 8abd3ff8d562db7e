"""The C programs of the benchmark, compiled when they are wanted.

    python -m bench.edge.tools        compiles all of them and prints where they are

They need `gcc` or `cc`, and OpenSSL's headers for the load client (scripts/packages.sh bench).
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from stentor.errors import Unavailable

SOURCES = Path(__file__).resolve().parent
BUILT = SOURCES.parent.parent / "build" / "bench"
PROGRAMS = {
    "crowd": (["crowd.c", "run.c", "hear.c", "options.c"], ["-lssl", "-lcrypto"]),
    "limit": (["limit.c"], ["-lssl", "-lcrypto"]),
    "ask": (["../door/ask.c"], []),
}
FLAGS = ["-O2", "-Wall", "-Wextra", "-std=gnu11"]


def program(name: str) -> Path:
    """Where the program is, newer than its source.

    Raises:
        Unavailable: `bench.compiler`: there is none, or it does not find the headers.
    """
    sources, libraries = PROGRAMS[name]
    built = BUILT / name
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs that begin together compile once
        folders = {(SOURCES / source).parent for source in sources}
        newest = max(path.stat().st_mtime for one in folders for path in one.glob("*.[ch]"))
        if built.exists() and built.stat().st_mtime > newest:
            return built
        compiler = shutil.which("gcc") or shutil.which("cc")
        if not compiler:
            raise Unavailable(
                "bench.compiler", "There is no C compiler: scripts/packages.sh bench (as root)"
            )
        paths = [str(SOURCES / source) for source in sources]
        command = [compiler, *FLAGS, "-o", str(built), *paths, *libraries]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(
                "bench.compiler",
                f"{done.stderr}\nIs libssl-dev missing? scripts/packages.sh bench (as root)",
            )
    return built


if __name__ == "__main__":
    try:
        for each in PROGRAMS:
            print(program(each))
    except Unavailable as missing:
        sys.exit(missing.sentence)
