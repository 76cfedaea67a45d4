"""What every server does, whatever its tools: seen by a client over HTTP."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant, fetch
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.toolkit.notes_server import SPEC, written


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SPEC], signer, database, cache)) as servers:
        yield servers


async def test_answers_are_short_and_speakable(servers: Servers, tenant: Tenant) -> None:
    async with servers.connect("notes", tenant.claims()) as caller:
        answer = await caller.call("read_note", name="milk")
    assert answer.data == {"say": "The note says milk.", "text": f"milk of {tenant.business_id}"}
    assert answer.text.splitlines()[0] == "The note says milk."


async def test_listing_has_no_metadata_of_the_framework(servers: Servers, tenant: Tenant) -> None:
    async with servers.connect("notes", tenant.claims()) as caller:
        tools = await caller.tools()
    assert list(tools) == ["read_note", "write_note", "dawdle", "write_slowly"]
    assert all(not tool.meta for tool in tools.values())
    assert all(tool.input_schema["additionalProperties"] is False for tool in tools.values())


@pytest.mark.parametrize(
    ("tool", "arguments", "kind", "text"),
    [
        ("read_note", {"name": "gone"}, "not_found", "There is no such note."),
        ("read_note", {"name": "broken"}, "fault", "The tool failed."),
        ("read_note", {"name": "unstorable"}, "invalid", "There is a value that cannot be stored."),
        ("read_note", {"name": "x" * 21}, "invalid", "name does not fit"),
        ("read_note", {}, "invalid", "name is missing"),
        ("read_note", {"name": "a", "business_id": "b"}, "invalid", "does not take"),
        ("erase_note", {}, "unknown_tool", "There is no such tool."),
        ("dawdle", {}, "timeout", "did not finish in time"),
    ],
)
async def test_every_failure_is_worded_for_the_model(
    servers: Servers, tenant: Tenant, tool: str, arguments: dict[str, str], kind: str, text: str
) -> None:
    async with servers.connect("notes", tenant.claims()) as caller:
        answer = await caller.call(tool, **arguments)
    assert answer.error == kind
    assert text in answer.text
    assert "Tell the caller:" in answer.text
    for leak in ("canary", "pydantic", "x" * 21):
        assert leak not in str(answer)


async def test_what_is_not_granted_does_not_exist(servers: Servers, tenant: Tenant) -> None:
    async with servers.connect("notes", tenant.claims(tools=("read_note",))) as caller:
        assert list(await caller.tools()) == ["read_note"]
        refused = await caller.call("write_note", name="a")
        unknown = await caller.call("erase_note", name="a")
    assert refused == unknown
    async with servers.connect("notes", tenant.claims(write=False)) as caller:
        assert list(await caller.tools()) == ["read_note", "dawdle"]


async def test_a_repeated_write_is_replayed(servers: Servers, tenant: Tenant) -> None:
    written.clear()
    async with servers.connect("notes", tenant.claims(conversation_id=uuid4())) as caller:
        first = await caller.call("write_note", name="once")
        second = await caller.call("write_note", name="once")
    assert first == second
    assert first.data == {"say": "Written.", "text": "once"}
    assert len(written) == 1


async def test_without_a_conversation_only_a_sent_key_makes_a_repeat(
    servers: Servers, tenant: Tenant
) -> None:
    written.clear()
    async with servers.connect("notes", tenant.claims()) as caller:
        for _ in range(2):
            await caller.call("write_note", name="again")
        for _ in range(2):
            await caller.call("write_note", name="keyed", key="one")
        await caller.call("write_note", name="keyed", key="two")
    assert [entry.split()[1] for entry in written] == ["again", "again", "keyed", "keyed"]


async def test_a_refused_write_may_be_tried_again(servers: Servers, tenant: Tenant) -> None:
    async with servers.connect("notes", tenant.claims(conversation_id=uuid4())) as caller:
        for _ in range(2):
            assert (await caller.call("write_note", name="refused")).error == "not_found"


async def test_a_write_is_read_back_before_it_is_done(servers: Servers, tenant: Tenant) -> None:
    written.clear()
    claims = tenant.claims(conversation_id=uuid4(), confirm=("write_note",))
    async with servers.connect("notes", claims) as caller:
        schema = (await caller.tools())["write_note"].input_schema
        assert "confirmation_code" in schema["properties"]
        asked = (await caller.call("write_note", name="tea")).data
        assert asked["status"] == "needs_confirmation"
        assert asked["say"] == "I will write tea. Shall I?"
        code = asked["confirmation_code"]
        other = await caller.call("write_note", name="gin", confirmation_code=code)
        assert other.data["status"] == "needs_confirmation"
        assert written == []
        code = (await caller.call("write_note", name="tea")).data["confirmation_code"]
        answer = await caller.call("write_note", name="tea", confirmation_code=code)
        assert answer.data["say"] == "Written."
        assert len(written) == 1


async def test_a_code_is_worth_nothing_in_another_conversation(
    servers: Servers, tenant: Tenant
) -> None:
    written.clear()
    here, there = (
        tenant.claims(conversation_id=uuid4(), confirm=("write_note",)) for _ in range(2)
    )
    async with servers.connect("notes", here) as caller:
        code = (await caller.call("write_note", name="tea")).data["confirmation_code"]
    async with servers.connect("notes", there) as caller:
        answer = await caller.call("write_note", name="tea", confirmation_code=code)
    assert answer.data["status"] == "needs_confirmation"
    assert written == []


async def test_every_call_leaves_a_row_without_its_content(
    servers: Servers, tenant: Tenant, other_tenant: Tenant, database: Database
) -> None:
    conversation_id = uuid4()
    claims = tenant.claims(conversation_id=conversation_id)
    async with servers.connect("notes", claims) as caller:
        await caller.call("read_note", name="secretive")
        await caller.call("read_note", name="gone")
    query = "select * from audit where conversation_id = :id order by created_at"
    rows = await fetch(database, tenant, query, id=conversation_id)
    assert [row["outcome"] for row in rows] == ["ok", "not_found"]
    assert "secretive" not in str(rows)
    assert await fetch(database, other_tenant, query, id=conversation_id) == []
