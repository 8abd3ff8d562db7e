"""Static files: read once, served from memory, with entity tags that name their content."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from stentor.edge.answer import SAFE_HEADERS, Answer, matches
from stentor.edge.request import Request
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
    """Every file below `folder`, by its path within it.

    Raises:
        Unavailable: `static.too_large`.
    """
    files = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(part.startswith(".") for part in path.parts[-2:]):
            continue
        content = path.read_bytes()
        total += len(content)
        if total > STATIC_BYTES_MAX:
            raise Unavailable("static.too_large", f"The files in {folder} exceed 8 MiB.")
        name = path.relative_to(folder).as_posix()
        files[name] = StaticFile(
            name=name,
            content=content,
            gzipped=squeeze(content) if path.suffix in _COMPRESSIBLE else b"",
            content_type=_TYPES.get(path.suffix) or _guess(name),
            hash=hashlib.sha256(content).hexdigest()[:16],
        )
    return files


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
    etag = next((value for name, value in headers if name == "ETag"), "")
    if gzipped:
        headers = [*headers, ("Vary", "Accept-Encoding")]
    if etag and matches(request.header("if-none-match"), etag):
        return Answer(304, headers)
    if gzipped and "gzip" in request.tokens("accept-encoding"):
        # The two codings are two representations: the tag becomes weak (RFC 9110 section 8.8.3.3).
        headers = [(name, f"W/{v}" if name == "ETag" else v) for name, v in headers]
        return Answer(200, [*headers, ("Content-Encoding", "gzip")], gzipped)
    return Answer(200, headers, content)


def _guess(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
