"""Diagnostics as operators get them: lines of JSON, and no flood of them."""

import json
import subprocess
import sys

from stentor.limits import TELEMETRY_ALIKE_MAX

FLOOD = """
import logging
from stentor import telemetry
telemetry.start("edge-7")
line = logging.getLogger("stentor.x")
for number in range(1_000):
    line.warning("web.busy: %d", number)
line.error("a\\nb" + 1_000 * "c")
"""


def test_one_place_says_so_much_and_no_more() -> None:
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(lines) == TELEMETRY_ALIKE_MAX + 1
    assert {line["process"] for line in lines} == {"edge-7"}
    assert [line["what"] for line in lines[:2]] == ["web.busy: 0", "web.busy: 1"]
    assert lines[-1]["level"] == "error"
    assert lines[-1]["what"].startswith("a\nbc")
