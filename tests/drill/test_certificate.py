"""How long a certificate holds."""

from pathlib import Path

import msgspec
import pytest

from stentor import __version__
from stentor.config import Settings
from stentor.drill import certificate
from stentor.drill.certificate import Certificate
from stentor.drill.figures import Crowd, summary
from stentor.errors import Refused
from stentor.paths import Paths

NOW = 1_800_000_000_000_000_000
DAY = 86_400_000_000_000


def made(settings: Settings) -> Certificate:
    figures = summary(Crowd([], 0.0, 0.0, False, 0, 0))
    figures |= {"joins_per_s_max": 10, "listeners_max": 5, "missing_ms": 0.0}
    return Certificate(
        certificate.made_at(NOW),
        certificate.valid_until(NOW),
        __version__,
        certificate.settings_hash(settings),
        certificate.machine(),
        {"listeners": 5, "arrival": "step", "attack": "none", "where": "a node"},
        [5],
        figures,
        {"nobody inside stalled": True},
        list(certificate.NEVER_TESTED),
    )


def test_it_holds_until_settings_version_or_month_change() -> None:
    settings = Settings()
    one = made(settings)
    assert one.ok
    assert certificate.why_invalid(one, settings, NOW + 29 * DAY) == ""
    assert certificate.why_invalid(one, settings, NOW + 31 * DAY)
    assert certificate.why_invalid(one, Settings(edges=7), NOW)
    assert certificate.why_invalid(msgspec.structs.replace(one, version="0"), settings, NOW)
    elsewhere = Settings(data_dir="other", listen="127.0.0.1:1", udp_ports="1-2")
    assert certificate.why_invalid(one, elsewhere, NOW) == ""


def test_it_is_kept_and_shown(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    with pytest.raises(Refused):
        certificate.last(paths)
    one = made(Settings())
    certificate.save(one, paths)
    assert certificate.last(paths) == one
    assert "valid until" in certificate.text_of(one)
    assert "NO LONGER VALID" in certificate.text_of(one, "it is too old")
