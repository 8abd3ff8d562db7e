"""What radio players are told of a stream: ICY headers, titles woven into it, tune-in files. Pure.

Nobody has written ICY down with authority; this is what SHOUTcast did and every player knows. Who
asks with `Icy-MetaData: 1` gets a block of metadata after every `icy-metaint` bytes: a byte that
says how many times 16 bytes follow, and those, padded by zeros. All who asked share the same bytes:
they begin directly behind a block, so each counts the same.
"""

import re
from urllib.parse import quote

from stentor.edge.answer import SAFE_HEADERS, Answer
from stentor.limits import ICY_DESCRIPTION_CHARS_MAX, ICY_METAINT
from stentor.relay import RADIO_FORMATS
from stentor.space.card import Card
from stentor.space.state import OPEN

_BLOCK_BYTES_MAX = 255 * 16
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_WOVEN = ".icy"


def stream_name(format_name: str, *, woven: bool) -> str:
    """What a radio stream is called among a Space's streams."""
    return f"radio.{format_name}{_WOVEN if woven else ''}"


def format_of(stream: str) -> str:
    """The format of a radio stream; empty for any other stream."""
    kind, _, rest = stream.partition(".")
    return rest.removesuffix(_WOVEN) if kind == "radio" else ""


def is_woven(stream: str) -> bool:
    """Whether titles are woven into a radio stream."""
    return stream.endswith(_WOVEN)


def block(title: str) -> bytes:
    """A block of metadata."""
    # Players look for the first `';`, and know no way to escape it.
    plain = _line(title).replace("'", "’")
    text = f"StreamTitle='{plain}';".encode()
    if len(text) > _BLOCK_BYTES_MAX:
        text = text[: _BLOCK_BYTES_MAX - 2].decode(errors="ignore").encode() + b"';"
    count = -(-len(text) // 16)
    return bytes((count,)) + text.ljust(16 * count, b"\0")


class Weaver:
    """Weaves titles into one stream."""

    def __init__(self) -> None:
        self._left = ICY_METAINT
        self._block = block("")

    def entitle(self, title: str) -> None:
        """Every block says this from now on: whoever begins hears it with the first."""
        self._block = block(title)

    def weave(self, audio: bytes) -> list[tuple[bytes, bool]]:
        """The pieces that some more audio becomes, each with whether a listener may begin there."""
        pieces = []
        at = 0
        while at < len(audio):
            begins = self._left == ICY_METAINT
            piece = audio[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if not self._left:
                piece += self._block
                self._left = ICY_METAINT
            pieces.append((piece, begins))
        return pieces


def begins(card: Card, stream: str, url: str) -> Answer:
    """The head of a radio stream; its body is sent by the fan-out until the connection closes.

    Args:
        url: the node's public address.
    """
    radio = RADIO_FORMATS[format_of(stream)]
    about = _line(card.description)[:ICY_DESCRIPTION_CHARS_MAX]
    headers = [
        ("Content-Type", radio.content_type),
        ("Cache-Control", "no-store"),
        ("Accept-Ranges", "none"),
        ("X-Accel-Buffering", "no"),
        ("icy-name", _raw(card.title)),
        ("icy-description", _raw(about or f"A live audio Space with {card.host_name}.")),
        ("icy-url", f"{url}/s/{card.space}"),
        ("icy-br", str(radio.kbps)),
        ("icy-pub", "0"),
        *SAFE_HEADERS,
    ]
    if is_woven(stream):
        headers.append(("icy-metaint", str(ICY_METAINT)))
    return Answer(200, headers, None)


def playlist(card: Card, kind: str, url: str) -> Answer:
    """A file by which radio players find the stream they all play, and afterwards the recording.

    Args:
        kind: `m3u` or `pls`.
    """
    what = "radio.mp3" if card.phase in OPEN else "replay/aac.mp4"
    address = f"{url}/s/{quote(card.space)}/{what}"
    title = _line(card.title)
    if kind == "m3u":
        content_type, text = "audio/x-mpegurl", f"#EXTM3U\n#EXTINF:-1,{title}\n{address}\n"
    else:
        content_type = "audio/x-scpls"
        text = f"[playlist]\nNumberOfEntries=1\nFile1={address}\nTitle1={title}\nLength1=-1\n"
        text += "Version=2\n"
    headers = [("Content-Type", f"{content_type}; charset=utf-8"), ("Cache-Control", "max-age=60")]
    disposition = ("Content-Disposition", f'inline; filename="{card.space}.{kind}"')
    return Answer(200, [*headers, disposition, *SAFE_HEADERS], text.encode())


def _raw(text: str) -> str:
    """UTF-8 in a head, which is latin-1 otherwise: what players expect here."""
    return _line(text).encode().decode("latin-1")


def _line(text: str) -> str:
    """Text in one line."""
    return " ".join(_CONTROL.sub(" ", text).split())
