"""Setup and sessions as browsers see them: cookies, forms, the throttle, nothing to learn."""

import asyncio
import time
from collections import Counter

import pytest

from stentor.limits import LOGIN_TRIES_PER_HOUR
from tests.web.conftest import PASSWORD, Web


async def test_twenty_setups_at_the_same_time_make_one_owner(house: Web) -> None:
    secret = house.secret
    browsers = [await house.browser() for _ in range(20)]
    answers = await asyncio.gather(
        *(
            browser.post(
                "/api/setup", json={"secret": secret, "name": f"Ann {n}", "password": PASSWORD}
            )
            for n, browser in enumerate(browsers)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {
        "setup.done"
    }


async def test_the_setup_form_works_without_scripts(house: Web) -> None:
    browser = await house.browser()
    page = await browser.get("/setup")
    assert page.status_code == 200
    assert house.secret not in page.text
    form = {"secret": house.secret, "name": "Ann", "password": "short"}
    wrong = await browser.post("/setup", data=form)
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert 'value="Ann"' in wrong.text
    form["password"] = PASSWORD
    done = await browser.post("/setup", data=form)
    assert (done.status_code, done.headers["location"]) == (303, "/new")
    assert (await browser.get("/new")).status_code == 200
    after = await browser.get("/setup")
    assert (after.status_code, after.headers["location"]) == (303, "/login")


async def test_a_wrong_secret_is_forbidden(house: Web) -> None:
    browser = await house.browser()
    body = {"secret": "x" * 43, "name": "Ann", "password": PASSWORD}
    answer = await browser.post("/api/setup", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "setup.invalid")


async def test_the_cookie_is_kept_from_scripts_and_other_sites(house: Web) -> None:
    await house.owner()
    for proto, expected in [("http", "stentor="), ("https", "__Host-stentor=")]:
        browser = await house.browser(X_Forwarded_Proto=proto)
        answer = await browser.post("/api/login", json={"name": "Ann", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(expected)
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "path=/", "samesite=lax"} <= parts
        assert ("secure" in parts) == (proto == "https")
        assert not any(part.startswith("domain") for part in parts)


async def test_over_https_only_the_guarded_cookie_counts(house: Web) -> None:
    owner, _ = await house.owner()
    token = owner.cookies["stentor"]
    planted = await house.browser(X_Forwarded_Proto="https", Cookie=f"stentor={token}")
    assert (await planted.get("/account")).status_code == 303
    right = await house.browser(X_Forwarded_Proto="https", Cookie=f"__Host-stentor={token}")
    assert (await right.get("/account")).status_code == 200


async def test_a_session_that_was_planted_is_not_the_one_after_signing_in(house: Web) -> None:
    attacker, _ = await house.owner()
    planted = attacker.cookies["stentor"]
    victim = await house.browser()
    for token in [planted, "chosen-by-somebody-else"]:
        victim.cookies.set("stentor", token, domain="localhost.local")
        await victim.post("/api/login", json={"name": "Ann", "password": PASSWORD})
        fresh = {cookie.value for cookie in victim.cookies.jar if cookie.name == "stentor"}
        assert fresh != {token}
    assert (await attacker.get("/account")).status_code == 303, "and the planted one has ended"


async def test_signing_out_ends_the_session_itself(house: Web) -> None:
    browser, _ = await house.owner()
    token = browser.cookies["stentor"]
    out = await browser.post("/account/signout")
    assert (out.status_code, out.headers["location"]) == (303, "/")
    assert "stentor" not in browser.cookies
    browser.cookies.set("stentor", token)
    assert (await browser.get("/account")).status_code == 303
    assert (await browser.post("/api/logout")).status_code == 204, "it has ended already"


async def test_an_unknown_name_takes_as_long_and_says_the_same(house: Web) -> None:
    await house.owner()
    took: dict[str, list[float]] = {"Ann": [], "Nobody": []}
    answers = set()
    browser = await house.browser()
    for _ in range(3):
        for name, times in took.items():
            start = time.perf_counter()
            body = {"name": name, "password": "not the password"}
            answer = await browser.post("/api/login", json=body)
            times.append(time.perf_counter() - start)
            answers.add((answer.status_code, answer.text))
    assert len(answers) == 1
    known, unknown = min(took["Ann"]), min(took["Nobody"])
    assert unknown > 0.6 * known, "without a hash it would be a hundredth"
    assert known > 0.6 * unknown


async def test_the_throttle_is_by_prefix_and_locks_nobody_else_out(house: Web) -> None:
    await house.owner()
    attacker = await house.browser("2001:db8:1:ff00::1")
    body = {"name": "Ann", "password": "not the password"}
    for _ in range(LOGIN_TRIES_PER_HOUR):
        assert (await attacker.post("/api/login", json=body)).status_code == 401
    for address in ["2001:db8:1:ff00::1", "2001:db8:1:ffff:1:2:3:4"]:
        neighbour = await house.browser(address)
        refused = await neighbour.post("/api/login", json={**body, "password": PASSWORD})
        assert (refused.status_code, refused.json()["code"]) == (429, "login.too_many")
        assert 0 < int(refused.headers["retry-after"]) <= 3600
    page = await attacker.post("/login", data=body)
    assert page.status_code == 429
    assert "Too many passwords" in page.text
    elsewhere = await house.browser("::ffff:192.0.2.9")
    right = {"name": "Ann", "password": PASSWORD}
    assert (await elsewhere.post("/api/login", json=right)).status_code == 200
    house.clock.ahead_s = 3600
    assert (await attacker.post("/api/login", json=right)).status_code == 200


async def test_a_new_password_signs_the_other_browsers_out(house: Web) -> None:
    here, _ = await house.owner()
    there = await house.browser()
    await there.post("/api/login", json={"name": "Ann", "password": PASSWORD})
    wrong = await here.post("/account/password", data={"old": "no", "new": "another horse"})
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    done = await here.post("/api/password", json={"old": PASSWORD, "new": "another horse"})
    assert done.status_code == 200
    assert (await here.get("/account")).status_code == 200
    assert (await there.get("/account")).status_code == 303


@pytest.mark.parametrize(
    ("after", "leads_to"),
    [
        ("/new", "/new"),
        ("/studio/0123456789ab", "/studio/0123456789ab"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/new\r\nSet-Cookie: x=y", "/"),
    ],
)
async def test_signing_in_leads_to_pages_of_ours_only(
    house: Web, after: str, leads_to: str
) -> None:
    await house.owner()
    browser = await house.browser()
    form = {"name": "Ann", "password": PASSWORD, "next": after}
    answer = await browser.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)
