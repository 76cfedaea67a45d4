"""What a token grants is listed and runs: tools by their names, or those of a profile."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from fastmcp.tools import tool
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from toolkit.effects import DESTROYS, READS
from toolkit.middleware.authorization import NAMED_ONLY, VOICE
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec


@tool(title="Look", annotations=READS)
async def look() -> Result:
    """Look."""
    return Result(say="Looked.")


@tool(title="Ask", annotations=READS, tags={VOICE})
async def ask() -> Result:
    """Ask."""
    return Result(say="Asked.")


@tool(title="Fill", annotations=DESTROYS)
async def fill() -> Result:
    """Fill."""
    return Result(say="Filled.")


@tool(title="Dig", annotations=READS, tags={NAMED_ONLY})
async def dig() -> Result:
    """Dig."""
    return Result(say="Dug.")


SPEC = ServerSpec("digs", "Digs.", (look, ask, fill, dig))
TOOLS = SPEC.catalogue()["tools"]


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SPEC], signer, database, cache)) as servers:
        yield servers


@pytest.mark.parametrize(
    ("grant", "granted"),
    [
        ({}, {"look", "ask", "fill"}),
        ({"write": False}, {"look", "ask"}),
        ({"profile": "voice"}, {"ask"}),
        ({"profile": "voice", "denied": ("ask",)}, set[str]()),
        ({"tools": ("look",)}, {"look"}),
        ({"tools": ("dig",)}, {"dig"}),
        ({"tools": ("look", "dig")}, {"look", "dig"}),
        ({"tools": ("look", "dig"), "denied": ("dig",)}, {"look"}),
        ({"tools": ("fill",), "profile": "voice"}, {"fill"}),
        ({"tools": ()}, set[str]()),
    ],
)
async def test_what_is_granted_is_listed_and_runs(
    servers: Servers, tenant: Tenant, grant: dict[str, Any], granted: set[str]
) -> None:
    async with servers.connect("digs", tenant.claims(**grant)) as caller:
        assert set(await caller.tools()) == granted
        errors = {name: (await caller.call(name)).error for name in TOOLS}
    assert errors == {name: None if name in granted else "unknown_tool" for name in TOOLS}
