"""A database that cannot be used: clear answers, and pages that need none go on."""

from pathlib import Path

import pytest

from tests.web.conftest import PASSWORD, Web


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory whose database is a directory: nobody can open it, not even root."""
    (tmp_path / "data" / "stentor.db").mkdir(parents=True)
    return tmp_path / "data"


async def test_what_needs_the_database_is_503_and_the_rest_goes_on(folder: Path) -> None:
    house = Web(folder)
    await house.start()
    house.make_card(title="Still here")
    browser = await house.browser()
    browser.cookies.set("stentor", "x" * 43)
    assert (await browser.get("/web/health")).json() == {"ok": True, "database": False}
    home = await browser.get("/")
    assert home.status_code == 200
    assert "Still here" in home.text
    for address in ["/account", "/new", "/setup", "/login"]:
        page = await browser.get(address)
        assert page.status_code == 503
        assert "Accounts are not reachable" in page.text
        assert page.headers["retry-after"] == "5"
    body = {"name": "Ann", "password": PASSWORD}
    answer = await browser.post("/api/login", json=body)
    assert answer.status_code == 503
    assert answer.json()["code"] == "database.away"
    assert answer.headers["content-type"] == "application/problem+json"
    form = await browser.post("/login", data=body)
    assert form.status_code == 503
    assert 'role="alert"' in form.text
    # As soon as it can be used, it is.
    (folder / "stentor.db").rmdir()
    assert (await browser.get("/web/health")).json() == {"ok": True, "database": True}
    await house.owner()
    await house.stop()
