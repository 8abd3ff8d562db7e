"""The Space page: what is put into it, and that nothing in a card can break out of it."""

import asyncio
import base64
import hashlib
import html.parser
import json
import re
from pathlib import Path

import pytest

from stentor.edge.cards import KnownCard
from stentor.edge.page import SpacePages, policy_of
from stentor.edge.static import StaticFile, inline, load
from stentor.errors import Unavailable
from stentor.space.card import Card, encode
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme

URL = "https://a.example"
EVIL = "</script><img src=x onerror=alert(1)>\"'{{card}}{{title}}<!--"
PAGE_BYTES_MAX = 40_000


class Elements(html.parser.HTMLParser):
    """Every element of a document, with what scripts and styles contain."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.contents: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.contents:
            self.contents[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.contents:
            self.contents[self._open][-1] += data


def known(**fields: object) -> KnownCard:
    card = Card(**{"space": SPACE, "phase": "live", "title": "T", "host_name": "Ada", **fields})
    return KnownCard((1, 2, 3), encode(card), card)


def folder(tmp_path: Path, **files: str) -> dict[str, StaticFile]:
    for name, content in files.items():
        (tmp_path / name.replace("_", ".")).write_text(content)
    return load(tmp_path)


TEMPLATE = """<title>{{title}}</title>
{{meta}}
<style>
  {{inline a.css}}
</style><h1>{{title}}</h1>
<script type="application/json" id="card">{{card}}</script>
<script type="module">
{{inline b.js}}
{{inline c.js}}
</script>"""


def pages(tmp_path: Path) -> SpacePages:
    files = folder(
        tmp_path,
        space_html=TEMPLATE,
        a_css="p { color: red }\n",
        b_js='/** B. */\nimport x from "./x.js";\nexport const one = 1;\nexport function f() {}\n',
        c_js='import {\n  one,\n} from "./b.js";\nf(one);\nexport { f };\nexport class C {}\n',
    )
    return SpacePages(files, URL)


def test_modules_become_one_script(tmp_path: Path) -> None:
    text = pages(tmp_path).page(known()).content.decode()
    (script,) = [c for c in Elements(text).contents["script"] if "one" in c]
    assert script == ("\nlet one=1;function f(){}\nf(one);class C{}\n"), script
    assert "p{color:red}" in text


def test_a_script_is_one_request_with_the_modules_it_takes_in(tmp_path: Path) -> None:
    joined = "/** J. */\n{{inline b.js}}\nexport { one };\n"
    files = folder(tmp_path, a_js=joined, b_js="/** B. */\nexport const one = 1;\n")
    assert files["a.js"].content == b"/** J. */\nlet one=1;\nexport { one };\n"
    assert files["a.js"].hash != files["b.js"].hash


def test_nothing_breaks_out_of_the_page(tmp_path: Path) -> None:
    card = known(title=EVIL, host_name=EVIL, description=EVIL)
    page = pages(tmp_path).page(card)
    parsed = Elements(page.content.decode())
    assert not [tag for tag, _ in parsed.elements if tag == "img"]
    assert parsed.contents["title"] == [EVIL]
    data = next(c for c in parsed.contents["script"] if c.startswith("{"))
    assert "<" not in data
    assert json.loads(data) == json.loads(card.data)
    meta = [attributes for tag, attributes in parsed.elements if tag == "meta"]
    described = {each.get("property") or each.get("name"): each["content"] for each in meta}
    assert described["og:title"] == EVIL
    assert described["og:url"] == f"{URL}/s/{SPACE}"
    assert described["twitter:image"] == f"{URL}/static/preview.png"


def test_a_long_description_is_cut_for_previews(tmp_path: Path) -> None:
    text = pages(tmp_path).page(known(description="word " * 400)).content.decode()
    (summary,) = re.findall(r'<meta name="description" content="([^"]*)">', text)
    assert len(summary) <= 200
    assert summary.endswith("…")


def test_the_policy_names_exactly_what_stands_in_the_page(tmp_path: Path) -> None:
    page = pages(tmp_path).page(known(title=EVIL))
    policy = dict(page.headers)["Content-Security-Policy"]
    parsed = Elements(page.content.decode())
    hashes = set(re.findall(r"'sha256-([^']+)'", policy))
    executed = [parsed.contents["style"][0], parsed.contents["script"][1]]
    assert hashes == {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in executed
    }
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_a_page_is_rendered_once_for_each_card(tmp_path: Path) -> None:
    made = pages(tmp_path)
    first = made.page(known())
    assert made.page(known()) is first
    assert made.page(KnownCard((1, 2, 4), known().data, known().card)) is not first


def test_a_missing_or_dangerous_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as missing:
        inline("{{inline no.css}}", {})
    assert missing.value.code == "static.missing"
    files = folder(tmp_path, bad_js="const a = '</script>';")
    with pytest.raises(Unavailable) as invalid:
        inline("{{inline bad.js}}", files)
    assert invalid.value.code == "static.invalid"


def test_the_real_page_is_small_and_whole() -> None:
    page = SpacePages(load(), URL).page(known(title="A title of a usual length, not too short"))
    assert len(page.content) < PAGE_BYTES_MAX
    text = page.content.decode()
    assert "{{" not in text
    (script,) = [c for c in Elements(text).contents["script"] if not c.startswith("{")]
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)


async def test_node_understands_the_real_script(tmp_path: Path) -> None:
    text = SpacePages(load(), URL).page(known()).content.decode()
    (script,) = [c for c in Elements(text).contents["script"] if not c.startswith("{")]
    (tmp_path / "page.mjs").write_text(script)
    checking = await asyncio.create_subprocess_exec(
        "node", "--check", str(tmp_path / "page.mjs"), stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await checking.communicate()
    assert checking.returncode == 0, complaint.decode()


async def test_the_page_is_served_with_its_policy_and_as_304(
    running: Running, programme: Programme
) -> None:
    visitor = await running.visit()
    heard = await visitor.get(f"/s/{SPACE}")
    assert heard.status == 200
    assert heard.headers["content-type"] == "text/html; charset=utf-8"
    assert "A test &lt;of&gt; sound" in heard.body.decode()
    again = await visitor.get(f"/s/{SPACE}", f"If-None-Match: {heard.headers['etag']}")
    assert (again.status, again.body) == (304, b"")
    packed = await visitor.get(f"/s/{SPACE}", "Accept-Encoding: br, gzip;q=0.8")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(heard.body) / 2
    programme.show(title="New")
    assert (await visitor.get(f"/s/{SPACE}")).headers["etag"] != heard.headers["etag"]
    card = await visitor.get(f"/s/{SPACE}/card.json")
    assert card.json()["title"] == "New"
    assert card.headers["cache-control"] == "public, max-age=1"


@pytest.mark.parametrize(
    "target",
    [
        "/s/0123456789xx",
        "/s/",
        "/s",
        f"/s/{SPACE}/",
        f"/s/{SPACE}/x",
        "/s/../etc",
        "/studio/0",
        "/healthz/x",
    ],
)
async def test_an_unknown_address_gets_a_friendly_page_or_a_problem(
    running: Running, programme: Programme, target: str
) -> None:
    visitor = await running.visit()
    page = await visitor.get(target, "Accept: text/html,*/*;q=0.8")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    problem = await visitor.get(target)
    assert problem.status == 404
    assert problem.json()["code"] in {"space.unknown", "page.unknown"}


async def test_the_studio_may_use_the_microphone(running: Running, programme: Programme) -> None:
    heard = await (await running.visit()).get(f"/studio/{SPACE}")
    assert heard.status == 200
    assert heard.headers["permissions-policy"].startswith("microphone=(self)")
    assert heard.headers["content-security-policy"] == policy_of(
        heard.body.decode(), microphone=True
    )


async def test_static_files(running: Running) -> None:
    visitor = await running.visit()
    heard = await visitor.get("/static/icon.svg")
    assert heard.headers["content-type"] == "image/svg+xml"
    assert heard.headers["cache-control"] == "no-cache"
    tag = heard.headers["etag"].strip('"')
    kept = await visitor.get(f"/static/icon.svg?v={tag}")
    assert "immutable" in kept.headers["cache-control"]
    assert (await visitor.get("/static/icon.svg", f'If-None-Match: W/"{tag}"')).status == 304
    for target in ("/static/../edge/page.py", "/static/%2e%2e/page.py", "/static/", "/static/no"):
        assert (await visitor.get(target)).status == 404


async def test_documents_are_no_static_files(running: Running) -> None:
    visitor = await running.visit()
    for name in ("space.html", "studio.html", "404.html"):
        assert (await visitor.get(f"/static/{name}")).status == 404
