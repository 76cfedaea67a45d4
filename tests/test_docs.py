"""The documents say what the code says."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from config.automations import AutomationDeclaration
from config.bot_settings import ClientEvent, ServerUse, ToolPolicy, Voice
from config.constellation import constellation, load_object
from config.declarations.schema import BotDeclaration, BusinessDeclaration, json_schema
from config.declarations.section import sections
from config.integrations import IntegrationDeclaration
from kb.declarations import FileDocument, KnowledgeBaseDeclaration, TextDocument
from orchestrator.agent.session import ENDPOINTING_DELAYS
from orchestrator.api.app import OPERATIONS
from orchestrator.api.errors import STATUSES
from orchestrator.mcp_client.external.registration import McpServerDeclaration
from scheduling.declarations import CalendarDeclaration, ServiceDeclaration

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BOTS = (DOCS / "bots.md").read_text("utf-8")
API = (DOCS / "api.md").read_text("utf-8")
PAGES = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "examples" / "README.md"]
# Each table of docs/bots.md, in order, and the model that it describes.
MODELS: Sequence[type[BaseModel]] = (
    BusinessDeclaration,
    KnowledgeBaseDeclaration,
    FileDocument,
    TextDocument,
    CalendarDeclaration,
    ServiceDeclaration,
    IntegrationDeclaration,
    AutomationDeclaration,
    McpServerDeclaration,
    BotDeclaration,
    Voice,
    ServerUse,
    ToolPolicy,
)


def _tables() -> list[dict[str, str]]:
    """Return each table of keys, as defaults by key."""
    blocks = re.split(r"^\| key \| default \| \|\n\|---\|---\|---\|\n", BOTS, flags=re.M)[1:]
    rows = [re.match(r"(?:\|.*\n)*", block) for block in blocks]
    return [dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", row[0], re.M)) for row in rows if row]


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        return f"`{json.dumps(value.model_dump(exclude_defaults=True))}`"
    return f"`{json.dumps(to_jsonable_python(value))}`"


@pytest.mark.parametrize("place", range(len(MODELS)), ids=[each.__name__ for each in MODELS])
def test_every_key_of_a_declaration_stands_there_with_its_default(place: int) -> None:
    model = MODELS[place]
    assert _tables()[place] == {name: _default(model, name) for name in model.model_fields}


def test_there_is_a_table_for_every_model() -> None:
    assert len(_tables()) == len(MODELS)
    lists = {BusinessDeclaration, BotDeclaration, *(each.item for each in sections().values())}
    assert lists <= set(MODELS)


def test_every_client_event_is_explained() -> None:
    table = BOTS.partition("### client events")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(get_args(ClientEvent))


def test_every_endpoint_is_listed_with_who_may_use_it() -> None:
    listed = re.findall(r"^\| (GET|POST|PUT|DELETE) \| `(\S+)` \| (\w+) \|", API, re.M)
    there = [(each.method, re.sub(r":\w+}", "}", each.path), each.access) for each in OPERATIONS]
    assert sorted(listed) == sorted(there)
    explained = re.findall(r"^\| (\w+) \| ", API.partition("## Endpoints")[0], re.M)
    assert {access for _, _, access in there} <= set(explained)


def test_every_status_of_the_api_is_explained() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| (.+?) \|", API.partition("## Errors")[2], re.M)
    explained = {
        (int(status), kind)
        for statuses, kinds in rows
        for status in statuses.split(",")
        for kind in re.findall(r"`(\w+)`", kinds)
    }
    assert {(status, kind) for kind, status in STATUSES.items()} <= explained


def test_the_eagerness_is_what_the_session_does() -> None:
    delays = ", ".join(f"`{name}` {delay:g} s" for name, delay in ENDPOINTING_DELAYS.items())
    (row,) = re.findall(r"^\| `eagerness` .*$", BOTS, re.M)
    assert delays in row
    figures = (DOCS / "performance.md").read_text("utf-8")
    assert f"({ENDPOINTING_DELAYS['normal']:g} s, by the bot's" in figures


def test_every_vendor_says_how_it_was_tested() -> None:
    text = (DOCS / "integrations.md").read_text("utf-8")
    table = text.partition("## How each vendor was tested")[2].partition("\n## ")[0]
    tested = re.sub(r"[^a-z|]", "", table.lower()).split("|")
    vendors = {
        name
        for server in constellation().servers.values()
        for name in load_object(server).providers
    }
    assert vendors - {"builtin"} <= {*tested}


def test_every_process_is_in_the_picture() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    for name, command in constellation().processes.items():
        assert name in text.partition("```mermaid")[2].partition("```")[0]
        assert f"`{' '.join(command.split()[:2])}" in text


def test_the_schema_of_declarations_is_the_models_own() -> None:
    written = json.loads((DOCS / "declaration.schema.json").read_text("utf-8"))
    assert written == json_schema(sections()), (
        "antiphon apply --schema > docs/declaration.schema.json"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    broken: list[str] = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
        file = (page.parent / target).resolve() if target else page
        if not file.exists():
            broken.append(target)
        elif anchor and anchor not in _anchors(file):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_decision_is_in_the_list() -> None:
    folder = DOCS / "decisions"
    listed = re.findall(r"\((\d{4}-\S+\.md)\)", (folder / "README.md").read_text("utf-8"))
    assert listed == sorted(file.name for file in folder.glob("0*.md"))
