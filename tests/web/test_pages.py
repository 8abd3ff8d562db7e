"""Pages: what is listed, what is escaped, what is said when there is nothing or nobody."""

import html.parser

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stentor.web import listing, views
from stentor.web.host_pages import SpaceForm
from tests.web.conftest import Web
from tests.web.test_listing import NOW_MS, card


class Links(html.parser.HTMLParser):
    """The links of a page to Spaces, and every tag's name and event attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "a" and (dict(attrs).get("href") or "").startswith("/s/"):
            self.titles.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.titles[-1] += data


TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=120
) | st.sampled_from(
    ["<script>alert(1)</script>", "\" onload='x", "{{ 7 * 7 }}", "&amp;&lt;", "]]>"]
)


@given(title=TEXT, host_name=TEXT)
def test_whatever_a_title_holds_is_shown_and_nothing_else_happens(
    title: str, host_name: str
) -> None:
    lists = listing.home([card(title=title, host_name=host_name)], NOW_MS)
    seen = Links(views.render("home.html", None, home=lists))
    plain = Links(views.render("home.html", None, home=listing.home([card()], NOW_MS)))
    assert seen.titles == [title]
    assert (seen.tags, seen.attributes) == (plain.tags, plain.attributes)


@given(title=st.text(max_size=150), description=st.text(max_size=150))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_form_gives_back_what_was_typed(title: str, description: str) -> None:
    form = SpaceForm(title=title, description=description)
    text = views.render("new.html", None, error="No.", form=form)
    plain = Links(views.render("new.html", None, error="No.", form=SpaceForm()))
    seen = Links(text)
    assert (seen.tags, seen.attributes) == (plain.tags, plain.attributes)


async def test_an_empty_home_teaches(house: Web) -> None:
    page = (await (await house.browser()).get("/")).text
    for sentence in ["Nobody is live", "Nothing is announced", "Recordings of Spaces"]:
        assert sentence in page
    owner, _ = await house.owner()
    assert 'href="/new"' in (await owner.get("/")).text


async def test_home_lists_by_phase_and_follows_the_cards(house: Web) -> None:
    browser = await house.browser()
    house.make_card(
        space="0000000000aa", phase="live", title="On air", started_at_ms=1_700_000_000_000
    )
    house.make_card(space="0000000000bb", phase="doors", title="Soon")
    house.make_card(space="0000000000cc", phase="withdrawn", title="Taken back")
    house.make_card(
        space="0000000000dd",
        title="Over",
        ended_at_ms=1_700_000_000_000,
        duration_samples=48_000 * 4_320,
    )
    page = (await browser.get("/")).text
    order = [page.index(text) for text in ["On air", "Coming up", "Soon", "Past", "Over"]]
    assert order == sorted(order)
    assert "Taken back" not in page
    assert '<a href="/s/0000000000aa">' in page
    assert '<time datetime="2023-11-14T22:13:20Z">Tue 14 Nov 2023, 22:13 UTC</time>' in page
    assert "1 h 12 min" in page
    house.make_card(space="0000000000aa", phase="ended", title="Off air")
    assert "On air" in (await browser.get("/")).text, "within the same second"
    house.clock.ahead_s = 1
    assert "Off air" in (await browser.get("/")).text


async def test_static_files_are_asked_for_by_content(house: Web) -> None:
    page = (await (await house.browser()).get("/")).text
    assert 'href="/static/style.css?v=' in page
    assert "v=0" + '"' not in page, "every file that is asked for exists"


@pytest.mark.parametrize("address", ["/new", "/account", "/account/spaces/0123456789ab/delete"])
async def test_who_is_not_signed_in_is_led_to_the_form(house: Web, address: str) -> None:
    answer = await (await house.browser()).get(address)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize("address", ["/login", "/setup", "/", "/nowhere"])
async def test_a_page_is_whole_html_with_landmarks_and_labels(house: Web, address: str) -> None:
    check_page((await (await house.browser()).get(address)).text)


@pytest.mark.parametrize("address", ["/new", "/account"])
async def test_a_host_s_page_is_as_well(house: Web, address: str) -> None:
    owner, account = await house.owner()
    house.make_card(host_id=account.id)
    check_page((await owner.get(address)).text)


def check_page(text: str) -> None:
    assert text.startswith("<!doctype html>")
    assert "style=" not in text, "the content security policy forbids it"
    seen = Links(text)
    assert {"header", "nav", "main", "h1", "title"} <= seen.tags
    assert not [name for name in seen.attributes if name.startswith("on")]
    labels, fields = set(), set()

    class Fields(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            if tag == "label" and "for" in given:
                labels.add(given["for"])
            seen_by_people = given.get("type") not in {"hidden", "radio"}
            if tag in {"input", "textarea"} and seen_by_people and "aria-hidden" not in given:
                fields.add(given.get("id"))

    Fields().feed(text)
    assert fields == labels


async def test_an_unknown_page_is_a_page_with_a_sentence(house: Web) -> None:
    answer = await (await house.browser()).get("/nowhere")
    assert answer.status_code == 404
    assert "There is no page at this address." in answer.text
    assert "litestar" not in answer.text.lower()


async def test_only_ones_own_recordings_can_be_taken_back(house: Web) -> None:
    owner, account = await house.owner()
    house.make_card(space="0000000000aa", host_id="zzzzzzzzzzzz", title="Not mine")
    house.make_card(space="0000000000bb", host_id=account.id, title="Mine")
    page = (await owner.get("/account")).text
    assert "Mine" in page
    assert "Not mine" not in page
    assert (await owner.get("/account/spaces/0000000000bb/delete")).status_code == 200
    assert (await owner.get("/account/spaces/0000000000aa/delete")).status_code == 403
    assert (await owner.post("/account/spaces/0000000000aa/delete")).status_code == 403
    assert (await owner.get("/account/spaces/0000000000cc/delete")).status_code == 404
    assert (await owner.get("/account/spaces/0000000000bb/explode")).status_code == 404
    away = await owner.post("/account/spaces/0000000000bb/delete")
    assert away.status_code == 503, "there is neither a log nor a stage"
    assert 'role="alert"' in away.text


async def test_a_new_space_keeps_what_was_typed_when_it_cannot_be_made(house: Web) -> None:
    owner, _ = await house.owner()
    form = {
        "title": "Café & <b>",
        "description": "Two\r\nlines",
        "when": "later",
        "starts_at": "2020-01-01T10:00",
    }
    late = await owner.post("/new", data=form)
    assert late.status_code == 422
    assert "The start has passed" in late.text
    form["starts_at"] = ""
    assert "Give the day and the time" in (await owner.post("/new", data=form)).text
    form["when"] = "now"
    away = await owner.post("/new", data=form)
    assert away.status_code == 503
    assert "The stage is restarting" in away.text
    assert 'value="Café &amp; &lt;b&gt;"' in away.text


async def test_pages_come_from_cards_alone(house: Web) -> None:
    """A card that is broken or in the wrong place is passed over."""
    house.make_card(title="Fine")
    broken = house.paths.card("0000000000ee")
    broken.parent.mkdir()
    broken.write_text("{")
    (house.paths.spaces / "not an id").mkdir()
    (house.paths.spaces / "not an id" / "card.json").write_text("{}")
    (house.paths.spaces / "0000000000ff").write_text("a file")
    page: httpx.Response = await (await house.browser()).get("/")
    assert page.status_code == 200
    assert Links(page.text).titles == ["Fine"]
