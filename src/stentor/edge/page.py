"""The Space page and the few other pages an edge can show by itself; rendered once per card."""

import base64
import hashlib
import html
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from stentor.edge.answer import SAFE_HEADERS
from stentor.edge.cards import KnownCard
from stentor.edge.static import Entity, StaticFile, inline, squeeze
from stentor.errors import Unavailable
from stentor.limits import PAGES_KEPT
from stentor.space.card import Card

_PLACE = re.compile(r"\{\{(title|meta|card|space)\}\}")
_EXECUTED = re.compile(r"<(script|style)\b([^>]*)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
SUMMARY_CHARS_MAX = 200
"""Previews of links show no more of a description."""


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered document.

    Attributes:
        entity: the same, ready to be sent.
    """

    content: bytes
    headers: list[tuple[str, str]]
    entity: Entity


class SpacePages:
    """The document at a Space's address, for each card it has had lately."""

    def __init__(self, files: Mapping[str, StaticFile], url: str) -> None:
        """Read the template `space.html` and whatever it takes in.

        Args:
            url: the node's public address, for previews of links.

        Raises:
            Unavailable: `static.missing` or `static.invalid`.
        """
        template = files.get("space.html")
        if template is None:
            raise Unavailable("static.missing", "static/space.html is missing: reinstall Stentor.")
        text = inline(template.content.decode(), files)
        self._pieces = _PLACE.split(text)
        self._policy = policy_of(text)
        self._url = url
        self._pages: OrderedDict[tuple[str, tuple[int, int, int]], Page] = OrderedDict()

    def page(self, known: KnownCard) -> Page:
        """The page of a Space as its card is now."""
        key = (known.card.space, known.version)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = self._render(known)
            if len(self._pages) > PAGES_KEPT:
                self._pages.popitem(last=False)
        else:
            self._pages.move_to_end(key)
        return page

    def _render(self, known: KnownCard) -> Page:
        values = {
            "title": html.escape(known.card.title),
            "space": html.escape(known.card.space),
            "meta": meta_of(known.card, self._url),
            # `<` is the only way out of a script element (HTML section 4.12.1.3).
            "card": known.data.decode().replace("<", "\\u003c"),
        }
        # The odd pieces are names of places; values are never searched for places again.
        text = "".join(
            values[piece] if number % 2 else piece for number, piece in enumerate(self._pieces)
        )
        content = text.encode()
        tag = hashlib.sha256(content).hexdigest()[:16]
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("ETag", f'"{tag}"'),
            ("Cache-Control", "public, max-age=1"),
            ("Content-Security-Policy", self._policy),
            ("Permissions-Policy", "microphone=(), camera=(), geolocation=()"),
            *SAFE_HEADERS,
        ]
        return Page(content, headers, Entity(content, squeeze(content), headers))


def policy_of(text: str, *, microphone: bool = False) -> str:
    """The Content-Security-Policy of a document: what stands in it may run, nothing else of others.

    Args:
        microphone: for the studio, which also plays streams it captured.
    """
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for element, attributes, content in _EXECUTED.findall(text):
        if "application/json" in attributes or not content.strip():
            continue
        digest = hashlib.sha256(content.encode()).digest()
        hashes[element.lower()].append(f"'sha256-{base64.b64encode(digest).decode()}'")
    scripts, styles = (" ".join(["'self'", *hashes[kind]]) for kind in ("script", "style"))
    media = "'self' blob: mediastream:" if microphone else "'self' blob:"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {scripts}",
            f"style-src {styles}",
            "connect-src 'self'",
            f"media-src {media}",
            "img-src 'self' data:",
            "font-src 'self'",
            "manifest-src 'self'",
            "worker-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def meta_of(card: Card, url: str) -> str:
    """What previews of links are made from (the Open Graph protocol, and X's cards)."""
    summary = " ".join(card.description.split()) or f"A live audio Space with {card.host_name}."
    if len(summary) > SUMMARY_CHARS_MAX:
        summary = summary[: SUMMARY_CHARS_MAX - 1].rstrip() + "…"
    address = f"{url}/s/{card.space}"
    image = f"{url}/static/preview.png"
    tags = [
        ("name", "description", summary),
        ("property", "og:type", "website"),
        ("property", "og:site_name", "Stentor"),
        ("property", "og:title", card.title),
        ("property", "og:description", summary),
        ("property", "og:url", address),
        ("property", "og:image", image),
        ("name", "twitter:card", "summary_large_image"),
        ("name", "twitter:title", card.title),
        ("name", "twitter:description", summary),
        ("name", "twitter:image", image),
    ]
    lines = [f'<meta {kind}="{name}" content="{html.escape(value)}">' for kind, name, value in tags]
    return "\n".join([*lines, f'<link rel="canonical" href="{html.escape(address)}">'])


_PLAIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{head}
<title>{title}</title>
<link rel="stylesheet" href="/static/style.css"></head>
<body><main><h1>{title}</h1><p>{sentence}</p>{more}</main></body></html>
"""


def plain_page(title: str, sentence: str, more: str = "", head: str = "") -> bytes:
    """A small document without script; `more` and `head` are HTML, the rest is text."""
    return _PLAIN.format(
        title=html.escape(title), sentence=html.escape(sentence), more=more, head=head
    ).encode()


def home_without_web(cards: list[Card]) -> bytes:
    """The home page while web is away: what is live, from the cards."""
    items = [
        f'<li><a href="/s/{card.space}">{html.escape(card.title)}</a> '
        f"{html.escape(card.host_name)}</li>"
        for card in cards
    ]
    more = f"<ul>{''.join(items)}</ul>" if items else ""
    sentence = "The rest of this page is being restarted. Live Spaces can be heard meanwhile."
    return plain_page(
        "One moment", sentence, more, head='\n<meta http-equiv="refresh" content="3">'
    )
