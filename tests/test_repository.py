"""Rules that hold for every file of the project."""

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCES = ("orchestrator", "kb", "config", "mcp")
# What no human wrote, and what is not text.
NOT_OURS = re.compile(r"(uv\.lock|package-lock\.json|\.wav|\.png|\.ico|\.woff2)$")


def _files() -> list[Path]:
    """Return every file that is, or would be, under version control."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / line for line in listed.splitlines()]
    return [file for file in files if file.is_file()]


FILES = _files()
PYTHON = [file for file in FILES if file.suffix == ".py"]
TEXTS = [file for file in FILES if not NOT_OURS.search(file.name)]


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _of(*folders: str) -> list[Path]:
    return [file for file in TEXTS if _name(file).split("/")[0] in folders]


def _nodes(file: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name.partition(".")[0] for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module.partition(".")[0]]
        case _:
            return []


def test_there_is_something_to_check() -> None:
    assert {_name(file).split("/")[0] for file in PYTHON} >= {*SOURCES, "tests"}


# Vendors' SDKs ride on requests; one file, and its test, puts that on httpx2.
ON_REQUESTS = {"mcp/toolkit/http/sync_sdk.py", "tests/toolkit/http/test_sync_sdk.py"}


def test_httpx2_is_the_only_http_client() -> None:
    banned = {"httpx", "requests", "urllib3"}
    found = {
        f"{_name(file)}: {name}"
        for file in PYTHON
        for node in _nodes(file)
        for name in _imported(node)
        if name in banned and _name(file) not in ON_REQUESTS
    }
    assert found == set()


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"\bcreate_async_engine\(", "config/database.py"),
        (r"\b(ConnectionPool|Redis)\.from_(url|pool)\(", "config/cache.py"),
        (r"\bset_config\('app\.business'", "config/database.py"),
        (r"\bjwt\.(en|de)code\(", "config/security/tokens.py"),
        (r"\bFastMCP\(|\bFastMCP\[Any\]\(", "mcp/toolkit/server/build.py"),
        (r"\bload_dotenv\b|\bBaseSettings\)", "config/settings.py"),
    ],
)
def test_what_has_one_home_is_done_there_only(pattern: str, home: str) -> None:
    files = [file for file in _of(*SOURCES) if file.suffix == ".py"]
    found = {_name(file) for file in files if re.search(pattern, file.read_text("utf-8"))}
    assert found == {home}


def test_nothing_catches_everything() -> None:
    """Only what cleans up and raises again may catch what it cannot name."""
    found: set[str] = set()
    for file in PYTHON:
        for node in _nodes(file):
            if isinstance(node, ast.ExceptHandler) and _catches_everything(node):
                found.add(f"{_name(file)}:{node.lineno}")
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
                names = {ast.unparse(argument) for argument in node.args}
                if names & {"Exception", "BaseException"}:
                    found.add(f"{_name(file)}:{node.lineno}")
    assert found == set()


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = "" if handler.type is None else ast.unparse(handler.type)
    if not re.search(r"^$|\b(Base)?Exception\b", caught):
        return False
    last = handler.body[-1]
    raised_again = isinstance(last, ast.Raise) and last.exc is None
    return caught != "BaseException" or not raised_again


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    assert [_name(file) for file in PYTHON if words.search(file.read_text("utf-8"))] == []


def test_a_check_is_switched_off_with_a_reason() -> None:
    codes = r"(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?"
    switch = re.compile(rf"#\s*(?:noqa{codes}|(?:type|pyright): ignore(?:\[[^]]*\])?)(.*)")
    found: list[str] = []
    for file in PYTHON:
        lines = ["", *file.read_text("utf-8").splitlines()]
        for number, line in enumerate(lines):
            if match := switch.search(line):
                comments = [match[1], *(each for each in lines[number - 2 : number] if "#" in each)]
                if not any(re.search(r"[a-z]{4}", comment) for comment in comments):
                    found.append(f"{_name(file)}:{number}")
    assert found == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    paths = re.compile(r"(?<![\w.~:])/(?:work|root|home|Users)/\w")
    found = [
        f"{_name(file)}: {match[0]}"
        for file in TEXTS
        if (match := paths.search(file.read_text("utf-8")))
    ]
    assert found == []


def test_the_lock_names_public_registries_only() -> None:
    hosts = set(re.findall(r"https?://[^/\"\s]+", (ROOT / "uv.lock").read_text("utf-8")))
    assert hosts == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_the_changes_are_written_down() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## (Unreleased|\d+\.\d+\.\d+).*\n+- \w", changes, re.MULTILINE)


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in cast("dict[str, object]", value).values():
                yield from _strings(item)
        case list():
            for item in cast("list[object]", value):
                yield from _strings(item)
        case _:
            return


def _sentences(text: str) -> Iterator[str]:
    for part in re.split(r"(?<=[.?!])\s+|\n+|[#*|]+", text):
        sentence = part.strip(" .?!-")
        if len(sentence) >= 12 and " " in sentence:
            yield sentence.casefold()


def _proper_names(declaration: Mapping[str, Any]) -> Iterator[str]:
    """Yield what only this business would say: what it is called, and what it offers."""
    business: str = declaration.get("business", {}).get("name", "")
    yield from (business, *(word for word in business.split() if len(word) >= 8))
    calendars: list[Any] = declaration.get("calendars") or []
    services: list[dict[str, str]] = [
        service for calendar in calendars for service in calendar["services"]
    ]
    for service in services:
        # A short single word, such as `service`, is everybody's.
        names = (service["id"], service["name"])
        yield from (name for name in names if " " in name or len(name) >= 8)


def _told() -> Iterator[tuple[str, str]]:
    """Yield everything that a business of ours says, with the file that says it."""
    folders = (ROOT / "config" / "bots", ROOT / "tests" / "fixtures")
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".yaml", ".md", ".txt", ".html"}:
                text = file.read_text(encoding="utf-8")
                if file.suffix == ".yaml":
                    declaration: Any = yaml.safe_load(text)
                    for name in _proper_names(declaration):
                        yield name.casefold(), _name(file)
                    text = "\n".join(_strings(declaration))
                for sentence in _sentences(text):
                    yield sentence, _name(file)


def test_the_code_knows_no_business() -> None:
    """What a bot says and knows is declared; nothing of it may be in the code."""
    told = {said: file for said, file in _told() if said}
    assert len(told) > 20
    phrases = re.compile(r"\b(" + "|".join(re.escape(each) for each in told) + r")\b")
    found = [
        f"{_name(file)}: {match[0]!r} of {told[match[0]]}"
        for file in _of(*SOURCES)
        if not _name(file).startswith("config/bots/")
        for match in [phrases.search(" ".join(file.read_text("utf-8").casefold().split()))]
        if match
    ]
    assert found == []
