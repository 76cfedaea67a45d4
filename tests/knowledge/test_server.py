"""The knowledge tools as a client sees them, over MCP and on the real database."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from fastmcp.tools import FunctionTool
from redis.asyncio import Redis
from sqlalchemy import update
from sqlmodel import col

from config.database import Database
from config.security.tokens import Claims, Grant, Signer
from config.settings import Settings
from config.tables import AgentConfig
from kb.tables import KnowledgeBase
from knowledge.server import SERVER
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey
from tests.conftest import Tenant, fetch, new_tenant
from tests.kb.support import RULES, VISITING, declare
from tests.support.processes import in_one_task
from tests.support.servers import Answer, Servers, serve
from toolkit.server.build import ServerSpec, server_app

LONG = "\n\n".join(
    f"Room {n} shows “ships” of the {n}th fleet: " + "and more " * 20 for n in range(32)
)
MANY = [{"name": f"leaflet {n:02}", "text": f"Leaflet {n} is about ship {n}."} for n in range(24)]


# LiteLLM makes pydantic warn about types of its own, at its first call.
pytestmark = pytest.mark.filterwarnings("ignore:Items? .*using the .ReadOnly.:UserWarning")


@dataclass(frozen=True)
class KnowledgeHarness:
    """The server, and two tenants with documents: a museum and its neighbour."""

    servers: Servers
    museum: Tenant
    neighbour: Tenant
    museum_document: UUID
    neighbour_document: UUID

    async def call(self, claims: Claims, tool: str, **arguments: Any) -> Answer:
        async with self.servers.connect("knowledge", claims) as caller:
            return await caller.call(tool, **arguments)


async def assign_knowledge_base(database: Database, tenant: Tenant, name: str) -> None:
    """Let the tenant's bot use a knowledge base."""
    rows = await fetch(database, tenant, "select id from knowledge_base where name = :n", n=name)
    async with database.tenant(tenant.business_id) as session:
        await session.execute(
            update(AgentConfig)
            .where(col(AgentConfig.id) == tenant.bot_id)
            .values(knowledge_base_id=rows[0]["id"])
        )


@pytest_asyncio.fixture(scope="module")
async def harness(
    signer: Signer, database: Database, cache: Redis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[KnowledgeHarness]:
    folder: Path = tmp_path_factory.mktemp("museum")
    (folder / "visiting.md").write_text(VISITING)
    (folder / "rules.txt").write_text(RULES)
    museum, neighbour = await new_tenant(database), await new_tenant(database)
    await declare(
        database,
        museum,
        folder,
        {"name": "museum", "documents": ["visiting.md", "rules.txt"]},
        {"name": "archive", "documents": [{"name": "rooms", "text": LONG}, *MANY]},
        {"name": "empty"},
    )
    await assign_knowledge_base(database, museum, "museum")
    secret = {"name": "rules.txt", "text": "The neighbour's dogs bite on Thursdays."}
    await declare(database, neighbour, folder, {"name": "museum", "documents": [secret]})
    await assign_knowledge_base(database, neighbour, "museum")
    query = "select id from document where name = 'rules.txt'"
    ids = [(await fetch(database, owner, query))[0]["id"] for owner in (museum, neighbour)]
    async with in_one_task(serve([SERVER], signer, database, cache)) as servers:
        yield KnowledgeHarness(servers, museum, neighbour, *ids)


async def test_tools_describe_themselves(harness: KnowledgeHarness) -> None:
    async with harness.servers.connect("knowledge", harness.museum.claims()) as caller:
        tools = await caller.tools()
    assert list(tools) == ["search_knowledge", "list_documents", "get_document"]
    for tool in tools.values():
        assert tool.title
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.idempotent_hint is True
        assert tool.annotations.open_world_hint is False
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        for hidden in ("business_id", "bot_id", "knowledge_base_id"):
            assert hidden not in json.dumps(tool.input_schema)


def test_only_the_search_is_for_calls() -> None:
    search, *others = (FunctionTool.from_function(tool) for tool in SERVER.tools)
    assert search.tags == {"voice"}
    assert len((search.meta or {})["antiphon"]["examples"]) == 2
    assert [tool.tags for tool in others] == [set(), set()]


async def test_schemas_are_short(
    harness: KnowledgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks the network
    token_counter = import_module("litellm").token_counter
    async with harness.servers.connect("knowledge", harness.museum.claims()) as caller:
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
            for tool in (await caller.tools()).values()
        ]
    compact = json.JSONEncoder(separators=(",", ":")).encode
    tokens = [token_counter(model="gpt-4o", text=compact(tool)) for tool in tools]
    assert sum(tokens) / len(tokens) <= 100


@pytest.mark.parametrize(
    ("query", "text", "source"),
    [
        ("what time do you open?", "We open at ten", "visiting.md"),
        ("where can I leave my car", "thirty parking spaces", "visiting.md"),
        ("am I allowed to take pictures", "Photographs are welcome", "rules.txt"),
        ("¿puedo llevar a mi perro?", "Guide dogs", "rules.txt"),
    ],
)
async def test_a_question_finds_its_passage(
    harness: KnowledgeHarness, query: str, text: str, source: str
) -> None:
    answer = await harness.call(harness.museum.claims(), "search_knowledge", query=query)
    assert answer.error is None
    assert set(answer.data) == {"passages"}
    hits = [passage for passage in answer.data["passages"] if text in passage["text"]]
    assert [hit["source"] for hit in hits] == [source]
    assert "for the web site only" not in str(answer)


@pytest.mark.parametrize(
    "query",
    ["who won the world cup in 2014", "I want to order a pepperoni pizza", "how do I boil an egg"],
)
async def test_a_question_about_something_else_finds_nothing(
    harness: KnowledgeHarness, query: str
) -> None:
    answer = await harness.call(harness.museum.claims(), "search_knowledge", query=query)
    assert answer.data == {"say": "I could not find that.", "passages": []}


async def test_top_k_and_the_size_of_an_answer(harness: KnowledgeHarness) -> None:
    claims = harness.museum.claims(integration="archive")
    for top_k, count in ((1, 1), (3, 3)):
        answer = await harness.call(claims, "search_knowledge", query="ships", top_k=top_k)
        assert len(answer.data["passages"]) == count
    most = await harness.call(claims, "search_knowledge", query="ships of a fleet", top_k=10)
    assert 3 <= len(most.data["passages"]) < 10
    assert len(most.text.encode()) <= 1500


@pytest.mark.parametrize(
    "arguments",
    [
        {"query": ""},
        {"query": " \n\t"},
        {"query": "\u200b\u202e"},
        {"query": "x" * 1001},
        {"query": "dogs", "top_k": 0},
        {"query": "dogs", "top_k": 11},
        {"query": "dogs", "knowledge_base_id": "other"},
        {},
    ],
)
async def test_what_does_not_fit_is_invalid(
    harness: KnowledgeHarness, arguments: dict[str, Any]
) -> None:
    answer = await harness.call(harness.museum.claims(), "search_knowledge", **arguments)
    assert answer.error == "invalid"


async def test_an_empty_knowledge_base_says_so(harness: KnowledgeHarness) -> None:
    claims = harness.museum.claims(integration="empty")
    answer = await harness.call(claims, "search_knowledge", query="dogs")
    assert answer.data == {"say": "I could not find that.", "passages": []}
    assert (await harness.call(claims, "list_documents")).data == {"documents": []}


async def test_a_long_document_is_read_in_parts(harness: KnowledgeHarness) -> None:
    claims = harness.museum.claims(integration="archive")
    parts: list[str] = []
    offset = 0
    while True:
        answer = await harness.call(claims, "get_document", document="rooms", offset=offset)
        assert len(answer.text.encode()) <= 1500
        parts.append(answer.data["text"])
        if "more" not in answer.data:
            break
        offset = answer.data["next_offset"]
    assert len(parts) > 3
    assert "".join(parts).split() == LONG.split()
    full = await harness.call(claims, "get_document", document="rooms", detail="full")
    assert "".join(parts).startswith(full.data["text"])
    assert len(full.data["text"]) > 5000
    end = await harness.call(claims, "get_document", document="rooms", offset=9_999_999)
    assert end.data == {"document": "rooms", "text": ""}


async def test_documents_are_listed_in_pages(harness: KnowledgeHarness) -> None:
    claims = harness.museum.claims(integration="archive")
    names: list[str] = []
    offset = 0
    while True:
        answer = await harness.call(claims, "list_documents", offset=offset)
        assert len(answer.text.encode()) <= 1500
        names += [document["name"] for document in answer.data["documents"]]
        if "more" not in answer.data:
            break
        offset = answer.data["next_offset"]
    assert names == [*(document["name"] for document in MANY), "rooms"]


async def test_a_document_that_cannot_be_searched_says_so(
    harness: KnowledgeHarness, database: Database, tmp_path: Path
) -> None:
    owner = await new_tenant(database)
    entry = {"name": "a", "documents": [{"name": "b", "text": "c"}]}
    await declare(database, owner, tmp_path, entry)
    async with database.tenant(owner.business_id) as session:
        rows = await session.connection()
        await rows.exec_driver_sql("update document set status = 'failed'")
    answer = await harness.call(owner.claims(integration="a"), "list_documents")
    assert answer.data["documents"][0]["status"] == "failed"


@pytest.mark.parametrize("by", ["name", "id"])
async def test_a_document_is_read_by_name_or_id(harness: KnowledgeHarness, by: str) -> None:
    key = "rules.txt" if by == "name" else str(harness.museum_document)
    answer = await harness.call(harness.museum.claims(), "get_document", document=key)
    assert answer.data == {"document": "rules.txt", "text": RULES.strip()}


async def test_a_foreign_document_and_none_are_the_same(harness: KnowledgeHarness) -> None:
    claims = harness.museum.claims()
    answers = [
        await harness.call(claims, "get_document", document=key)
        for key in (str(harness.neighbour_document), str(uuid4()), "rooms", "no such", "", "\x00")
    ]
    assert {answer.error for answer in answers} == {"not_found"}
    assert all(answer == answers[0] for answer in answers)
    own = await harness.call(
        harness.neighbour.claims(), "get_document", document=str(harness.neighbour_document)
    )
    assert "bite" in own.data["text"]


async def test_each_tenant_sees_its_own_only(harness: KnowledgeHarness) -> None:
    arguments = {"query": "dogs", "top_k": 10}
    mine = await harness.call(harness.museum.claims(), "search_knowledge", **arguments)
    theirs = await harness.call(harness.neighbour.claims(), "search_knowledge", **arguments)
    assert "bite" not in str(mine)
    assert [passage["text"] for passage in theirs.data["passages"]] == [
        "The neighbour's dogs bite on Thursdays."
    ]
    mine = await harness.call(harness.museum.claims(), "list_documents")
    theirs = await harness.call(harness.neighbour.claims(), "list_documents")
    assert [document["name"] for document in mine.data["documents"]] == ["rules.txt", "visiting.md"]
    assert [UUID(document["id"]) for document in theirs.data["documents"]] == [
        harness.neighbour_document
    ]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_knowledge", {"query": "dogs"}),
        ("list_documents", {}),
        ("get_document", {"document": "rules.txt"}),
    ],
)
@pytest.mark.parametrize(
    "case", ["no base", "foreign bot", "unknown bot", "foreign base", "several"]
)
async def test_without_a_knowledge_base_of_ones_own_there_is_none(
    harness: KnowledgeHarness,
    database: Database,
    tmp_path: Path,
    case: str,
    tool: str,
    arguments: dict[str, Any],
) -> None:
    museum, one = harness.museum, harness.neighbour.business_id
    without = await new_tenant(database)
    await declare(database, without, tmp_path, {"name": "unused"})
    claims = {
        "no base": without.claims(),
        "foreign bot": Claims(sub="x", business_id=one, bot_id=museum.bot_id),
        "unknown bot": Claims(sub="x", business_id=one, bot_id=uuid4()),
        "foreign base": harness.neighbour.claims(integration="archive"),
        "several": Claims(sub="key", business_id=museum.business_id),
    }[case]
    answer = await harness.call(claims, tool, **arguments)
    named = case == "foreign base"
    assert answer.error == ("disconnected" if named else "not_found")
    assert answer.text.startswith(
        "The knowledge base that this is connected to is not there."
        if named
        else "There is no knowledge base for this."
    )


async def test_a_client_without_a_bot_has_the_only_one(harness: KnowledgeHarness) -> None:
    claims = Claims(sub="key", business_id=harness.neighbour.business_id, grant=Grant(write=False))
    answer = await harness.call(claims, "search_knowledge", query="dogs")
    assert "bite" in str(answer.data)


async def test_a_retired_knowledge_base_is_gone(
    harness: KnowledgeHarness, database: Database, tmp_path: Path
) -> None:
    owner = await new_tenant(database)
    await declare(
        database, owner, tmp_path, {"name": "old", "documents": [{"name": "a", "text": "b"}]}
    )
    await assign_knowledge_base(database, owner, "old")
    assert (await harness.call(owner.claims(), "list_documents")).error is None
    async with database.tenant(owner.business_id) as session:
        await session.execute(update(KnowledgeBase).values(is_active=False))
    assert (await harness.call(owner.claims(), "list_documents")).error == "not_found"


async def test_a_broken_model_is_unavailable(
    harness: KnowledgeHarness, database: Database, tmp_path: Path
) -> None:
    owner = await new_tenant(database)
    await declare(
        database, owner, tmp_path, {"name": "a", "documents": [{"name": "a", "text": "b"}]}
    )
    async with database.tenant(owner.business_id) as session:
        await session.execute(update(KnowledgeBase).values(embedding_model="nobody/nothing"))
    claims = owner.claims(integration="a")
    answer = await harness.call(claims, "search_knowledge", query="sk_canary")
    assert answer.error == "unavailable"
    assert "canary" not in str(answer)
    assert "litellm" not in str(answer).lower()


async def test_a_server_is_warm_before_it_serves(
    signer: Signer, postgres_server: Postgres, valkey_server: Valkey
) -> None:
    warmed: list[str] = []

    async def warm_up() -> None:
        warmed.append("now")

    settings = Settings.model_validate(
        {
            "database_url": postgres_server.database_url,
            "redis_url": valkey_server.redis_url,
            "service_token_public_key": signer.public_key(),
        }
    )
    async with server_app([ServerSpec("warmed", "", (), warm_up=warm_up)], settings):
        assert warmed == ["now"]
    assert SERVER.warm_up is not None
    await SERVER.warm_up()
