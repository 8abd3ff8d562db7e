"""Static files: read once, served from memory, with entity tags that name their content."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stentor.edge.answer import SAFE_HEADERS, Answer, Shared, matches
from stentor.edge.request import Request
from stentor.edge.slim import slim_page, slim_script, slim_style, with_short_declarations
from stentor.errors import Unavailable
from stentor.limits import STATIC_BYTES_MAX

STATIC_FOLDER = Path(__file__).parent.parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_COMPRESSIBLE = frozenset({".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest"})
_INLINE = re.compile(r"^[ \t]*\{\{inline ([\w./-]+\.(?:css|js))\}\}[ \t]*$", re.MULTILINE)
_SCRIPT = re.compile(r"""(<script type="module">)(.*?)(?=</script>)""", re.DOTALL)
FOREVER = "public, max-age=31536000, immutable"
"""For addresses that name their content (`?v=HASH`)."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, ready to be sent."""

    name: str
    content: bytes
    gzipped: bytes
    content_type: str
    hash: str

    @property
    def etag(self) -> str:
        """The entity tag: the content's hash."""
        return f'"{self.hash}"'


def load(folder: Path = STATIC_FOLDER) -> dict[str, StaticFile]:
    """Every file below `folder`, by its path within it; scripts with what they take in.

    Raises:
        Unavailable: `static.too_large`, `static.missing` or `static.invalid`.
    """
    files: dict[str, StaticFile] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(part.startswith(".") for part in path.parts[-2:]):
            continue
        content = path.read_bytes()
        total += len(content)
        if total > STATIC_BYTES_MAX:
            raise Unavailable("static.too_large", f"The files in {folder} exceed 8 MiB.")
        name = path.relative_to(folder).as_posix()
        files[name] = _file(name, content)
    for name, file in files.items():
        if name.endswith(".js") and b"{{inline " in file.content:
            files[name] = _file(name, inline(file.content.decode(), files).encode())
    return files


def _file(name: str, content: bytes) -> StaticFile:
    suffix = Path(name).suffix
    return StaticFile(
        name=name,
        content=content,
        gzipped=squeeze(content) if suffix in _COMPRESSIBLE else b"",
        content_type=_TYPES.get(suffix) or _guess(name),
        hash=hashlib.sha256(content).hexdigest()[:16],
    )


def inline(text: str, files: Mapping[str, StaticFile]) -> str:
    """A page or script with styles and modules put in their places, in order.

    Modules that a visitor needs together are one request that way, and not one each.

    Raises:
        Unavailable: `static.missing` or `static.invalid`.
    """

    def content_of(match: re.Match[str]) -> str:
        file = files.get(match[1])
        if file is None:
            raise Unavailable("static.missing", f"static/{match[1]} is missing: reinstall Stentor.")
        content = file.content.decode()
        if re.search(r"</(script|style)", content, re.IGNORECASE):
            raise Unavailable("static.invalid", f"static/{match[1]} would end its own element.")
        return slim_script(content) if match[1].endswith(".js") else slim_style(content)

    if not text.startswith("<"):
        return with_short_declarations(_INLINE.sub(content_of, text))
    whole = _INLINE.sub(content_of, slim_page(text))
    return _SCRIPT.sub(lambda found: found[1] + with_short_declarations(found[2]), whole)


def squeeze(content: bytes) -> bytes:
    """The content gzipped, or nothing when that does not save a tenth."""
    packed = gzip.compress(content, 6, mtime=0)
    return packed if len(packed) < len(content) * 0.9 else b""


def answer(request: Request, file: StaticFile, *extra: tuple[str, str], cache: str = "") -> Answer:
    """A file as an answer, or 304 when the client has it."""
    versioned = request.argument("v") == file.hash
    return entity(
        request,
        file.content,
        file.gzipped,
        [
            ("Content-Type", file.content_type),
            ("ETag", file.etag),
            ("Cache-Control", cache or (FOREVER if versioned else "no-cache")),
            *SAFE_HEADERS,
            *extra,
        ],
    )


def entity(
    request: Request, content: bytes, gzipped: bytes, headers: list[tuple[str, str]]
) -> Answer:
    """Bytes at hand as an answer: compressed if the client likes, 304 if it has them."""
    return Entity(content, gzipped, headers).answer(request)


class Entity:
    """Bytes at hand, in each form they are given in."""

    __slots__ = ("_etag", "_gzipped", "_plain", "_same")

    def __init__(self, content: bytes, gzipped: bytes, headers: list[tuple[str, str]]) -> None:
        """Args: gzipped: empty: not worth it. headers: with an entity tag, if it has one."""
        self._etag = next((value for name, value in headers if name == "ETag"), "")
        if gzipped:
            headers = [*headers, ("Vary", "Accept-Encoding")]
        self._plain = Shared(200, headers, content)
        self._same = Shared(304, headers, b"")
        # The two codings are two representations: the tag becomes weak (RFC 9110 section 8.8.3.3).
        weak = [(name, f"W/{v}" if name == "ETag" else v) for name, v in headers]
        weak.append(("Content-Encoding", "gzip"))
        self._gzipped = Shared(200, weak, gzipped) if gzipped else None

    def answer(self, request: Request) -> Shared:
        """Compressed if the client likes, 304 if it has it."""
        if self._etag:
            known = request.header("if-none-match")
            if known and matches(known, self._etag):
                return self._same
        if self._gzipped is not None and "gzip" in request.tokens("accept-encoding"):
            return self._gzipped
        return self._plain


def _guess(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
