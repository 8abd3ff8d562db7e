"""Styles and modules as they stand in a page: without what only readers of their source need."""

import re
from collections import Counter
from string import ascii_letters

# A statement of a module that makes no sense once the modules stand in one document.
_IMPORT = re.compile(r"^import\b[^;]*;[ \t]*\n?", re.MULTILINE)
_EXPORT_LIST = re.compile(r"^export[ \t]*\{[^}]*\};?[ \t]*\n?", re.MULTILINE)
_EXPORT = re.compile(r"^export (?:default )?", re.MULTILINE)
# Comments that begin or end a line, types, indentation and empty lines. Statements end with a
# semicolon; no template string spans lines or holds another; no regular expression holds a space.
_COMMENT = re.compile(r"^[ \t]*(?:/\*.*?\*/|//[^\n]*)[ \t]*$\n?", re.MULTILINE | re.DOTALL)
_REMARK = re.compile(r"""/\*\* @type [^*]*\*/ ?|(?<=[;,{]) // [^\n"'`]*$""", re.MULTILINE)
_INDENT = re.compile(r"^[ \t\n]+", re.MULTILINE)
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)""")
_SCRIPT_SPACE = re.compile(
    r" *([{}()\[\],;:=<>?&|!*%]+) *"
    r"|(?<![+-]) ([+\-/]=?) (?![+-])"  # `a + +b` is not `a++b`
)
_SCRIPT_BREAK = re.compile(r"(?<=[;,{(])\n")
_STYLE_SPACE = re.compile(r"\s*([{};,>!])\s*|(:) ")
# A class's private names, which nothing outside of its braces knows: `#x` but not in `"#x"`.
_PRIVATE = re.compile(r"(?<=[.\s;{}(,!])#[a-zA-Z]\w*")


def slim_script(module: str) -> str:
    """A module as a part of one script, in which its names have to be unlike all others."""
    text = _EXPORT.sub("", _EXPORT_LIST.sub("", _IMPORT.sub("", module)))
    text = _outside_quotes(_SCRIPT_SPACE, _without_remarks(text))
    return _with_short_names(_SCRIPT_BREAK.sub("", text))


def slim_style(sheet: str) -> str:
    """A style sheet."""
    return _outside_quotes(_STYLE_SPACE, _without_remarks(sheet)).replace(";}", "}")


def _without_remarks(text: str) -> str:
    return _INDENT.sub("", _REMARK.sub("", _COMMENT.sub("", text))).strip()


def _outside_quotes(space: re.Pattern[str], text: str) -> str:
    pieces = _QUOTED.split(text)
    pieces[::2] = [space.sub(lambda kept: "".join(kept.groups("")), piece) for piece in pieces[::2]]
    return "".join(pieces)


def _with_short_names(script: str) -> str:
    """The private names of classes as single letters, the most frequent ones first."""
    names = [name for name, _ in Counter(_PRIVATE.findall(script)).most_common(len(ascii_letters))]
    short = {name: f"#{letter}" for name, letter in zip(names, ascii_letters, strict=False)}
    return _PRIVATE.sub(lambda match: short.get(match[0], match[0]), script)
