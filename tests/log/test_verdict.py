"""A verdict reaches people as sentences, programs as JSON, and shells as a number."""

from pathlib import Path

import msgspec
import pytest

from stentor.log import verify_command
from tests.log.programme import SPACE, files, open_writer, write


def test_a_good_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tail = write(tmp_path)
    with open_writer(tmp_path) as writer:
        head = writer.head.hex()
    assert verify_command(tmp_path, SPACE, f"{tail}:{head}", False) == 0
    said = capsys.readouterr().out
    assert said.splitlines() == [
        "Space 0123456789ab: good. Every byte is what was written.",
        "  25 records in 3 segments and 3 epochs; sealed.",
        "  opus: 6 parts, 0:00:01.200, 540 bytes.",
        "  opus-low: 6 parts, 0:00:01.200, 540 bytes.",
        "  aac: 6 parts, 0:00:01.200, 540 bytes.",
        f"  Head: 3.25:{head}",
    ]
    assert verify_command(tmp_path, SPACE, f"3.25:{head}", False) == 0


def test_a_bad_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    path = files(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    assert verify_command(tmp_path, SPACE, None, False) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Space 0123456789ab: BAD."
    assert said[1].startswith(f"  Record 1 (segment {path.name}, byte 282): ")
    assert verify_command(tmp_path, SPACE, None, True) == 1
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["verdict"] == "bad"
    assert document["fault"]["offset"] == 1
    assert document["fault"]["position"] == 282


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    assert verify_command(tmp_path, SPACE, None, True) == 0
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["verdict"] == "good"
    assert document["fault"] is None
    assert document["parts"]["opus"]["count"] == 6


@pytest.mark.parametrize("as_json", [True, False])
def test_what_cannot_be_read_is_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    assert verify_command(tmp_path / "nothing", SPACE, None, as_json) == 2
    assert "cannot be read" in capsys.readouterr().out
    write(tmp_path)
    assert verify_command(tmp_path, SPACE, "no head", as_json) == 2
    assert "hexadecimal" in capsys.readouterr().out
