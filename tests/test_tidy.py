"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "stentor"
MODULES = sorted(PACKAGE.rglob("*.py"))
CODE = [*MODULES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]

MODULE_LINES = 400
TABLE = PACKAGE / "limits.py"
"""A list of bounds to look things up in: there is nothing to follow that could be split."""
FUNCTION_LINES = 60
EMPTY_NAMES = {"base", "common", "core", "helpers", "manager", "misc", "types", "utils"}
ERRORS = {"Corrupt", "Refused", "Unavailable"}

# Written so that this file does not contain what it looks for.
FOREIGN = re.compile(
    "|".join(
        [
            "pypi" + r"\.org",
            "python" + "hosted",
            "npm" + "js",
            "extra-" + "index",
            "find-" + "links",
            "/wo" + "rk/",
            "/ro" + "ot/",
            "/opt/" + "pypi",
            "/opt/" + "wheels",
        ]
    )
)


def name_of(path: Path) -> str:
    """The dotted name of a module of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def path_of(path: Path) -> str:
    """The path as people write it."""
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def tracked() -> list[Path]:
    """The files that belong to the project; those on disk when there is no git."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listing = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git clone")
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("path", CODE, ids=path_of)
def test_a_module_begins_with_a_sentence(path: Path) -> None:
    first = (ast.get_docstring(tree_of(path)) or "").split("\n\n")[0]
    assert first, "a module says in one sentence what it is for"
    assert first[-1] in ".!?:", "the first paragraph of a module's docstring is a sentence"


@pytest.mark.parametrize("path", [path for path in CODE if path != TABLE], ids=path_of)
def test_a_module_is_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MODULE_LINES, f"{lines} lines; {MODULE_LINES} is where a module is split"


@pytest.mark.parametrize("path", CODE, ids=path_of)
def test_a_function_is_short(path: Path) -> None:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree_of(path)):
        if isinstance(node, functions) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{node.name} has {lines} lines"


def test_a_name_says_something() -> None:
    empty = [path_of(path) for path in CODE if EMPTY_NAMES & {path.stem, path.parent.name}]
    assert not empty, "name a module after what it is about"


def test_tests_use_fakes_and_not_mocks() -> None:
    mocking = re.compile(r"^\s*(from|import) unittest[. ](import )?mock|\bmocker\b", re.MULTILINE)
    found = [
        path_of(path)
        for path in CODE
        if path != Path(__file__) and mocking.search(path.read_text(encoding="utf-8"))
    ]
    assert not found, "write a fake that keeps the same promises"


def test_no_module_is_dead() -> None:
    """A module is imported by another one, or named as what a process or an entry point runs."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    alive = set(re.findall(r'"(stentor[\w.]*):', "\n".join(re.findall(r"stentor = .*", project))))
    for path in MODULES:
        name = name_of(path)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                named = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                named = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = set(re.findall(r"\bstentor(?:\.\w+)+", node.value))
            else:
                continue
            alive |= named - {name}
    dead = [
        name_of(path)
        for path in MODULES
        if path.stem not in {"__init__", "__main__"} and name_of(path) not in alive
    ]
    assert not dead, "nothing uses these modules"


def document(name: str) -> str:
    path = ROOT / "docs" / name
    if not path.is_file():
        pytest.skip(f"docs/{name} is not written yet")
    return path.read_text(encoding="utf-8")


def test_each_error_code_is_explained() -> None:
    text = document("errors.md")
    codes = {
        node.args[0].value
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", None)) in ERRORS
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    missing = sorted(code for code in codes if f"`{code}`" not in text)
    assert not missing, "docs/errors.md lists each code between backticks"


def test_each_setting_is_explained() -> None:
    text = document("configuration.md")
    fields = {
        node.target.id
        for settings in tree_of(PACKAGE / "config.py").body
        if isinstance(settings, ast.ClassDef) and settings.name == "Settings"
        for node in settings.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    missing = sorted(field for field in fields if f"`{field}`" not in text)
    assert not missing, "docs/configuration.md lists each setting between backticks"


def test_nothing_ties_the_project_to_one_machine() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{path_of(path)}: {match.group()}" for match in FOREIGN.finditer(text)]
    assert not found, "no registry's host and no path of one machine is written down"


def test_locks_carry_hashes() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        for entry in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip()):
            assert "==" in entry, f"{path.name}: {entry}"
            assert "--hash=sha256:" in entry, f"{path.name}: {entry}"


def test_the_project_names_its_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "AGPL-3.0-or-later"
    assert "AFFERO" in (ROOT / "LICENSE").read_text(encoding="utf-8")
