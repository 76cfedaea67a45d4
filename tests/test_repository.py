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
NOT_OURS = re.compile(r"(uv\.lock|package-lock\.json|\.wav|\.mp3|\.png|\.ico|\.woff2)$")


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


# Words that name nothing in the field: no module, class, function or parameter is called so.
RETIRED = {
    *("strangers", "foreign", "again", "given", "telling", "kept", "seats", "patience"),
    *("together", "moments", "desk", "nobody"),
    *("Seat", "Way", "Desk", "Mendable", "NotMade"),
}
_SERVER_MODULES = re.compile(
    r"__init__|__main__|server|\w+_tools|operations|provider|registry|results|inputs|sentences"
    r"|matching|declarations|tables|jobs"
)
_VENDOR_MODULES = re.compile(
    r"__init__|provider|client|mapping|search|payloads|responses|options|people|tickets|comments"
    r"|calls|settings|tables|refusals"
)
# What only one server or vendor has, under the field's own noun.
OWN_MODULES: Mapping[str, str] = {
    "mcp/automation/directory.py": "the automations that a business has declared",
    "mcp/automation/values.py": "values against the JSON Schema of an automation",
    "mcp/crm/lost_writes.py": "several vendors look for a lost create in the same way",
    "mcp/crm/providers/builtin/filters.py": "filters as SQL",
    "mcp/crm/providers/salesforce/objects.py": "Salesforce's sobjects",
    "mcp/crm/providers/salesforce/raw_query.py": "SOQL that a model has written",
    "mcp/scheduling/handles.py": "handles of free times",
    "mcp/scheduling/slots.py": "which free times are offered",
    "mcp/scheduling/providers/builtin/opening_hours.py": "opening hours",
    "mcp/tickets/dates.py": "when a ticket or a task is due",
    "mcp/tickets/providers/builtin/ticket_rows.py": "rows of tickets",
    "mcp/tickets/providers/builtin/transactions.py": "many records in one transaction",
    "mcp/tickets/providers/builtin/user_rows.py": "rows of users and organizations",
    "mcp/tickets/providers/freshdesk/matching.py": "Freshdesk has no full search",
    "mcp/tickets/providers/freshdesk/reader.py": "Freshdesk's tickets, with statuses by number",
    "mcp/tickets/providers/freshdesk/values.py": "Freshdesk's numbers for statuses and priorities",
    "mcp/tickets/providers/jira/adf.py": "Atlassian Document Format",
    "mcp/tickets/providers/jira/marks.py": "properties that mark what a call has created",
    "mcp/transcripts/export.py": "transcripts as files",
    "mcp/transcripts/queries.py": "lists, transcripts and search",
    "mcp/websearch/found_pages.py": "the pages that may be read are those that were found",
    "mcp/websearch/pages.py": "pages of the web are hostile",
    "mcp/websearch/prices.py": "what a search costs where the vendor does not say it",
}
MOST_LINES, MOST_METHODS, MOST_FIELDS = 40, 20, 12


def _named(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of the module, and of each class, function and parameter in it."""
    yield file.stem, _name(file)
    for node in _nodes(file):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name, f"{_name(file)}:{node.lineno}"
            case ast.AsyncFunctionDef(name=name):
                yield name, f"{_name(file)}:{node.lineno}"
            case ast.arg(arg=name):
                yield name, f"{_name(file)}:{node.lineno}"
            case _:
                pass


def test_retired_words_name_nothing() -> None:
    found = [
        f"{place}: {name}"
        for file in PYTHON
        for name, place in _named(file)
        if name.strip("_") in RETIRED
    ]
    assert found == []


def _old_paths() -> dict[str, str]:
    """Return the paths that were given up, as the documentation lists them."""
    page = (ROOT / "docs" / "renamed-paths.md").read_text("utf-8")
    return dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", page, re.MULTILINE))


def test_old_paths_are_gone() -> None:
    old = _old_paths()
    assert len(old) > 150
    assert [path for path in old if (ROOT / path).exists()] == []
    assert [path for path in old.values() if not (ROOT / path).exists()] == []
    dotted = {
        re.sub(r"^mcp/|\.py$|/__init__\.py$", "", path).replace("/", ".")
        for path in old
        if path.endswith(".py")
    }
    # A package may have taken a module's name.
    gone = {name for name in dotted if not (ROOT / name.replace(".", "/")).is_dir()} - {
        name for name in dotted if (ROOT / "mcp" / name.replace(".", "/")).is_dir()
    }
    text = re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, sorted(gone))) + r")(?!\w)")
    found = [
        f"{_name(file)}: {match[0]}"
        for file in TEXTS
        if _name(file) != "docs/renamed-paths.md"
        if (match := text.search(file.read_text("utf-8")))
    ]
    assert found == []


def test_servers_and_vendors_have_the_same_files() -> None:
    found: list[str] = []
    for file in _of("mcp"):
        parts = Path(_name(file)).parts[1:]
        if file.suffix != ".py" or parts[0] == "toolkit":
            continue
        vendor = "providers" in parts
        expected = _VENDOR_MODULES if vendor and len(parts) == 4 else _SERVER_MODULES
        if vendor and len(parts) == 3:
            continue  # a vendor that is one file
        if not expected.fullmatch(file.stem) and _name(file) not in OWN_MODULES:
            found.append(_name(file))
    assert found == []
    assert [path for path in OWN_MODULES if not (ROOT / path).exists()] == []


def _own_fields(node: ast.ClassDef) -> int:
    """Return how many fields a dataclass declares, or a class sets when it is made.

    Models of rows, records and documents have the fields that these have.
    """
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return sum(isinstance(each, ast.AnnAssign) for each in node.body)
    inits = [each for each in node.body if getattr(each, "name", "") == "__init__"]
    return len(
        {
            target.attr
            for init in inits
            for each in ast.walk(init)
            if isinstance(each, ast.Assign | ast.AnnAssign)
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if isinstance(target, ast.Attribute)
        }
    )


def test_what_is_long_says_why() -> None:
    """A function or a class that is larger than most has the word "because" in its docstring."""
    found: list[str] = []
    for file in PYTHON:
        for node in _nodes(file):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    large = (node.end_lineno or node.lineno) - node.lineno >= MOST_LINES
                case ast.ClassDef():
                    methods = [
                        each
                        for each in node.body
                        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                    ]
                    large = len(methods) > MOST_METHODS or _own_fields(node) > MOST_FIELDS
                case _:
                    continue
            if large and "because" not in (ast.get_docstring(node) or ""):
                found.append(f"{_name(file)}:{node.lineno} {node.name}")
    assert found == []


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
