"""The setup link: kept closed, the same until it is used, silent while nobody can say."""

import stat
from pathlib import Path

from stentor import social
from stentor.config import Settings
from stentor.paths import Paths


def test_the_link_keeps_its_secret_in_the_fragment_and_closed(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    paths.create()
    settings = Settings(public_url="https://spaces.example/")
    link = social.setup_link(paths, settings)
    assert link is not None
    address, _, secret = link.partition("#")
    assert address == "https://spaces.example/setup"
    assert len(secret) == 43, "32 bytes"
    assert stat.S_IMODE((paths.secrets / "setup").stat().st_mode) == 0o600
    assert social.setup_link(paths, settings) == link


def test_without_an_answer_from_the_database_there_is_no_link(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    paths.create()
    paths.database.write_bytes(b"this is not a database" * 100)
    assert social.setup_link(paths, Settings()) is None


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    paths.create()
    assert social.setup_link(paths, Settings())
    (paths.secrets / "setup").chmod(0o644)
    assert social.setup_link(paths, Settings()) is None
