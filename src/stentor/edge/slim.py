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
# The same in fewer letters: nothing that is constant is assigned to, or the source would fail.
_SHORTER = [
    (re.compile(r"\bconst\b"), "let"),
    (re.compile(r"(?<![.\w$])true\b(?!:)"), "!0"),
    (re.compile(r"(?<![.\w$])false\b(?!:)"), "!1"),
    (re.compile(r"(?<=\d)_(?=\d)"), ""),
    (re.compile(r"(?<![\w.])0(?=\.\d)"), ""),
]
# Tags of elements other than scripts, values that need no quotes (HTML section 13.1.2.3), and line
# breaks between two tags, which lie between blocks or in rows that are laid out by `flex`.
_TAGS = re.compile(r"(<(?!script\b)[a-z][^<>]*>)")
_ATTRIBUTE = re.compile(r"""="([\w-]+)"(?=[ >])""")
_BETWEEN_TAGS = re.compile(r">\n<(?=[a-z/])")
# A class's private names, which nothing outside of its braces knows: `#x` but not in `"#x"`.
# What a module declares for all of it: constants, whose names in capitals are nothing else, and
# functions and classes; and where a name may be a property's, so that it has to stay.
_DECLARED = re.compile(r"\bconst ([A-Z][A-Z0-9_]{3,})\b|\b(?:function\*?|class) ([a-zA-Z]{4,})\b")
_PROPERTY = re.compile(r"\.(\w+)|(?<=[{,])\s*(\w+)\s*(?=[,}=])|(\w+)(?=:)")
_PRIVATE = re.compile(r"(?<=[.\s;{}(,!])#[a-zA-Z]\w*")


def slim_script(module: str) -> str:
    """A module as a part of one script, in which its names have to be unlike all others."""
    text = _EXPORT.sub("", _EXPORT_LIST.sub("", _IMPORT.sub("", module)))
    text = _outside_quotes(_SCRIPT_SPACE, _without_remarks(text))
    return _with_short_names(_SCRIPT_BREAK.sub("", text))


def with_short_declarations(script: str) -> str:
    """Modules that stand in one script together, with short names for what they declare."""
    pieces = _QUOTED.split(script)
    code = [number for number, piece in enumerate(pieces) if piece[:1] not in {'"', "'"}]
    whole = "\n".join(pieces[number] for number in code)
    declared = Counter("".join(names) for names in _DECLARED.findall(whole))
    kept = {"".join(names) for names in _PROPERTY.findall(whole)}
    names = sorted(declared.keys() - {name for name in kept if not name.isupper()})
    letters = [f"_{letter}" for letter in ascii_letters]
    letters = [letter for letter in letters if not re.search(rf"\b{letter}\b", whole)]
    short = dict(zip(names, letters, strict=False))
    if short:
        found = re.compile(rf"(?:(?<=\.\.\.)|(?<![.\w$#]))({'|'.join(short)})(?![\w$])")
        for number in code:
            pieces[number] = found.sub(lambda name: short[name[1]], pieces[number])
    for number in range(0, len(pieces), 2):
        for longer, shorter in _SHORTER:
            pieces[number] = longer.sub(shorter, pieces[number])
    return "".join(pieces)


def slim_style(sheet: str) -> str:
    """A style sheet."""
    return _outside_quotes(_STYLE_SPACE, _without_remarks(sheet)).replace(";}", "}")


def slim_page(page: str) -> str:
    """A document's elements; what stands in its scripts and styles is not touched."""
    pieces = _TAGS.split(page)
    pieces[1::2] = [_ATTRIBUTE.sub(r"=\1", tag) for tag in pieces[1::2]]
    return _BETWEEN_TAGS.sub("><", "".join(pieces))


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
