"""The small modules that everybody stands on: ids, boxes, problems, settings, paths."""

import os
import struct
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor import boxes, config, ids, problem
from stentor.errors import Corrupt, Refused, StentorError, Unavailable
from stentor.paths import Paths, write_whole
from stentor.record import Cursor


@given(st.binary(min_size=16, max_size=16))
def test_an_id_has_the_form_of_an_id(entropy: bytes) -> None:
    assert ids.is_space_id(ids.encode(entropy, ids.SPACE_ID_CHARS))
    assert ids.is_speaker_id(ids.encode(entropy, ids.SPEAKER_ID_CHARS))


@pytest.mark.parametrize(
    "text", ["", "short", "0123456789AB", "../etc/passw", "0123456789ab\n", "0123456789a\n"]
)
def test_what_is_not_an_id_is_seen(text: str) -> None:
    assert not ids.is_space_id(text)


def test_a_cursor_box_has_the_bytes_of_the_protocol() -> None:
    expected = bytes.fromhex("00000018") + b"skipstcu" + struct.pack(">IQ", 3, 4_711)
    assert boxes.cursor_box(Cursor(3, 4_711)) == expected


def test_an_emsg_box_says_its_own_size_and_carries_its_data() -> None:
    made = boxes.emsg(boxes.EVENT_SCHEME, b'{"type":"x"}', 96_000, 7)
    assert struct.unpack(">I4s", made[:8]) == (len(made), b"emsg")
    assert made.endswith(b"urn:stentor:event:1\0\0" + b'{"type":"x"}')


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("space.unknown", "No such Space."), 404),
        (Refused("never.heard.of", "No."), 400),
        (Unavailable("stage.away", "Wait.", 3), 503),
        (Corrupt("record.header", "Broken."), 500),
    ],
)
def test_errors_become_problem_documents(error: StentorError, status: int) -> None:
    assert problem.status_of(error) == status
    document = msgspec.json.decode(problem.body_of(error))
    assert document["code"] == error.code
    assert document["title"] == error.sentence
    if status == 503:
        assert problem.headers_of(error)["Retry-After"] == "3"


def test_settings_come_from_flags_before_the_file_before_defaults(tmp_path: Path) -> None:
    (tmp_path / "stentor.toml").write_text('listen = "127.0.0.1:9000"\nedges = 3\n')
    settings = config.load({"data_dir": str(tmp_path), "edges": 2})
    assert (settings.listen, settings.edges, settings.udp_ports) == (
        "127.0.0.1:9000",
        2,
        "40000-40199",
    )


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"listen": "here"}, "here"),
        ({"listen": "127.0.0.1:99999"}, "99999"),
        ({"udp_ports": "9-1"}, "udp_ports"),
        ({"udp_ports": "many"}, "many"),
        ({"tls_cert": "c.pem"}, "go together"),
        ({"tls_cert": "c.pem", "tls_key": "k.pem"}, "c.pem"),
        ({"edges": "two"}, "int"),
        ({"colour": "red"}, "colour"),
        ({"edges": -3}, "edges"),
        ({"telemetry": "LOUD"}, "LOUD"),
        ({"abandoned_after_s": float("nan")}, "abandoned_after_s"),
        ({"doors_before_s": -1.0}, "doors_before_s"),
        ({"udp_listen": "nonsense"}, "udp_listen"),
        ({"udp_public": "192.0.2.1, here"}, "udp_public"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, values: dict[str, object], named: str) -> None:
    with pytest.raises(Refused, match=named):
        config.load({"data_dir": str(tmp_path), **values})


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("not a certificate")
    files = {"tls_cert": str(tmp_path / "c.pem"), "tls_key": str(tmp_path / "k.pem")}
    with pytest.raises(Refused, match="tls_cert and tls_key"):
        config.load({"data_dir": str(tmp_path), **files})


def test_the_data_directory_and_its_secrets_are_closed_to_others(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    paths.create()
    paths.keyring()
    assert (paths.data.stat().st_mode & 0o777, paths.secrets.stat().st_mode & 0o777) == (
        0o700,
        0o700,
    )
    (key,) = paths.secrets.iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(Unavailable, match="chmod 600"):
        paths.keyring()


def test_processes_that_start_together_agree_on_the_keys(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    paths.create()
    rings = []
    threads = [threading.Thread(target=lambda: rings.append(paths.keyring())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 8
    assert len({ring.current for ring in rings}) == 1


def test_an_unwritable_data_directory_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(Unavailable, match="Choose another with --data"):
        Paths(tmp_path / "file" / "data").create()


def test_a_long_path_still_has_room_for_sockets(tmp_path: Path) -> None:
    paths = Paths(tmp_path / ("x" * 90))
    paths.create()
    assert len(os.fsencode(paths.socket("stage"))) < 108
    assert paths.socket("stage") == Paths(paths.data).socket("stage")
    paths.socket("stage").parent.rmdir()


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "card.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "card.json", b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    write_whole(target, b"one")
    write_whole(target, b"two")
    assert target.read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]
