"""While a vendor, a server or a model answers, `antiphon apply` holds no transaction open."""

from collections.abc import AsyncGenerator, Sequence
from typing import cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import QueuePool, text

from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import read_declaration
from config.declarations.section import Section, sections
from config.errors import UserError
from config.security.vault import Account
from config.slow_work import SlowWork, run_transaction
from kb.declarations import KnowledgeBases
from kb.embed import Vector
from orchestrator.engines.postgres import Postgres
from orchestrator.mcp_client.external.registration import McpServersSection
from orchestrator.mcp_client.tool import ServerUnreachableError
from tests.config.conftest import Write
from tests.support.external_servers import serve_external
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING

OFFICE = """\
business: {{slug: {slug}, name: Corner Books}}
knowledge_bases:
  - name: shop
    documents: [{{name: Hours, text: "{text}"}}]
mcp_servers:
  - name: erp
    url: {url}
integrations:
  - name: main
    server: scheduling
    provider: calcom
    secrets: {{api_key: "${{CALCOM_KEY}}"}}
bots:
  - name: desk
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    knowledge_base: shop
"""

FIND = text("select find_business(:slug)")


class Connections:
    """Notes how many connections are in use whenever something slow is done."""

    def __init__(self, database: Database) -> None:
        self.in_use: dict[str, int] = {}
        self.refused = False
        self._pool = cast(QueuePool, database.engine.pool)

    def note(self, what: str) -> None:
        self.in_use[what] = self._pool.checkedout()

    def __call__(self, model: str) -> "Connections":
        return self

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        self.note("passages")
        return [[1.0] + [0.0] * 383 for _ in texts]

    async def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        self.note("queries")
        return [[1.0] + [0.0] * 383 for _ in texts]

    async def check(self, server: str, account: Account, business_id: UUID) -> str | None:
        self.note("account")
        if self.refused:
            raise UserError("refused")
        return None


@pytest_asyncio.fixture
async def office(postgres_server: Postgres) -> AsyncGenerator[Database]:
    """A database of this test alone, whose connections can be counted."""
    database = Database(postgres_server.database_url, pool_size=2)
    yield database
    await database.aclose()


def owners_of_sections(seen: Connections) -> dict[str, Section]:
    """Return the owners of a declaration's sections; embeddings are those of `seen`."""
    return sections() | {
        "mcp_servers": McpServersSection(allow_private=lambda: True),
        "knowledge_bases": KnowledgeBases(seen),
    }


async def test_nothing_slow_is_done_while_a_transaction_is_open(
    office: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALCOM_KEY", "a key")
    seen, slug = Connections(office), f"s{uuid4().hex[:12]}"
    owners = owners_of_sections(seen)

    async def apply_hours(hours: str, url: str) -> list[str]:
        declared = read_declaration(write(OFFICE.format(slug=slug, text=hours, url=url)), owners)
        changes = await apply(
            office,
            None,
            declared,
            owners,
            keyring=KEYRING,
            account_check=seen.check,
            progress=seen.note,
        )
        return [change.what for change in changes]

    async with in_one_task(serve_external()) as erp:
        added = await apply_hours("From nine.", erp.url)
        assert {"server erp", "integration main", "bot desk"} <= set(added)
        slow = {"passages", "queries", "account", "asking erp for its tools"}
        assert slow <= seen.in_use.keys()
        assert set(seen.in_use.values()) == {0}
        seen.in_use.clear()
        changed = await apply_hours("From ten.", erp.url)
    assert changed == ["document Hours of knowledge base shop"]
    assert seen.in_use.keys() == {"shop: Hours: 1 passages", "passages", "queries"}
    assert set(seen.in_use.values()) == {0}


async def test_what_fails_outside_leaves_nothing_behind(
    office: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALCOM_KEY", "a key")
    slug, owners = f"s{uuid4().hex[:12]}", owners_of_sections(Connections(office))
    nowhere = OFFICE.format(slug=slug, text="From nine.", url="http://127.0.0.1:9/mcp")
    with pytest.raises(ServerUnreachableError):
        await apply(office, None, read_declaration(write(nowhere), owners), owners, keyring=KEYRING)
    async with office.unscoped() as session:
        found = await session.scalar(FIND, {"slug": slug})
    assert found is None


async def test_each_work_is_done_once_and_its_result_is_used() -> None:
    done: list[str] = []

    async def work() -> int:
        done.append("work")
        return len(done)

    async def attempt(slow_work: SlowWork) -> tuple[int, int]:
        return slow_work.result("a", work), slow_work.result("b", work)

    assert await run_transaction(attempt) == (1, 2)
    assert done == ["work", "work"]
