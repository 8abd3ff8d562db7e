"""Requests that change something are refused when another site's page sent them."""

import pytest

from tests.web.conftest import PASSWORD, Web

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, True),
        ({"Sec_Fetch_Site": "none"}, True),
        ({"Sec_Fetch_Site": "same-site"}, False),
        ({"Sec_Fetch_Site": "cross-site"}, False),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost:8080"}, False),
        ({"Origin": "http://localhost:8080"}, True),
        ({"Origin": "http://LOCALHOST:8080"}, True),
        ({"Origin": "http://localhost:8081"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://[broken"}, False),
        ({"Origin": "", "Referer": "http://localhost:8080/login"}, True),
        ({"Origin": "", "Referer": "http://evil.example/localhost:8080"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://spaces.example", "X_Forwarded_Host": "spaces.example"}, True),
    ],
)
async def test_a_form_is_taken_from_our_own_pages_only(
    house: Web, headers: dict[str, str], fine: bool
) -> None:
    browser = await house.browser(**headers)
    answer = await browser.post("/login", data={"name": "Ann", "password": PASSWORD})
    assert answer.status_code == (401 if fine else 403)
    if not fine:
        assert "another site" in answer.text


async def test_json_needs_no_origin_because_no_page_can_send_it(house: Web) -> None:
    program = await house.browser(Origin="", Accept="application/json")
    body = {"name": "Ann", "password": PASSWORD}
    assert (await program.post("/api/login", json=body)).status_code == 401
    disguised = await program.post("/api/login", content=b"{}", headers={"Content-Type": FORM})
    assert disguised.json()["code"] == "request.origin"


async def test_another_site_can_do_nothing_for_who_is_signed_in(house: Web) -> None:
    browser, _ = await house.owner()
    for address in [
        "/api/logout",
        "/api/password",
        "/api/spaces",
        "/api/spaces/0123456789ab/token",
        "/new",
        "/account/password",
        "/account/signout",
        "/account/spaces/0123456789ab/delete",
    ]:
        evil = {"Origin": "http://evil.example"}
        answer = await browser.post(address, data={"title": "x"}, headers=evil)
        assert answer.status_code == 403
        assert (await browser.get("/account")).status_code == 200
