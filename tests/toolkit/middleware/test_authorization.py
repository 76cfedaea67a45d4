"""A tool that is for those only who are named is not meant by a grant of all tools."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from fastmcp.tools import tool
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from toolkit.effects import READS
from toolkit.middleware.authorization import NAMED_ONLY
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec


@tool(title="Look", annotations=READS)
async def look() -> Result:
    """Look."""
    return Result(say="Looked.")


@tool(title="Dig", annotations=READS, tags={NAMED_ONLY})
async def dig() -> Result:
    """Dig."""
    return Result(say="Dug.")


SPEC = ServerSpec("digs", "Digs.", (look, dig))


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SPEC], signer, database, cache)) as servers:
        yield servers


@pytest.mark.parametrize(
    ("tools", "denied", "listed"),
    [
        (None, (), {"look"}),
        (("look",), (), {"look"}),
        (("dig",), (), {"dig"}),
        (("look", "dig"), (), {"look", "dig"}),
        (("look", "dig"), ("dig",), {"look"}),
        ((), (), set[str]()),
    ],
)
async def test_it_is_listed_and_runs_for_whom_it_is_named(
    servers: Servers,
    tenant: Tenant,
    tools: tuple[str, ...] | None,
    denied: tuple[str, ...],
    listed: set[str],
) -> None:
    async with servers.connect("digs", tenant.claims(tools=tools, denied=denied)) as caller:
        assert set(await caller.tools()) == listed
        answer = await caller.call("dig")
    assert answer.error == (None if "dig" in listed else "unknown_tool")
