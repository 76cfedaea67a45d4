"""How many calls a business may make in a minute, on all replicas of a server together."""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import httpx2
import pytest_asyncio
from redis.asyncio import Redis

from config.cache import connect as connect_cache
from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.toolkit.things_server import THINGS, connect

MOST = 3


def answer(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json={"name": "thing"})


@pytest_asyncio.fixture
async def replicas(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[list[Servers]]:
    """The same server twice, with a low limit."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                in_one_task(
                    serve(
                        [THINGS],
                        signer,
                        database,
                        cache,
                        vendors=httpx2.MockTransport(answer),
                        calls_per_minute=MOST,
                    )
                )
            )
            for _ in range(2)
        ]


async def asked(servers: Servers, tenant: Tenant) -> str | None:
    async with servers.connect("things", tenant.claims()) as caller:
        return (await caller.call("read_thing", name="a")).error


async def test_the_limit_holds_for_all_replicas_and_for_one_business_only(
    replicas: list[Servers], database: Database
) -> None:
    one, other = await new_tenant(database), await new_tenant(database)
    for tenant in (one, other):
        await connect(database, tenant)
    minute = int(time.time()) // 60
    errors = [await asked(replicas[n % 2], one) for n in range(MOST + 2)]
    if int(time.time()) // 60 == minute:  # else a new minute has begun between the calls
        assert errors == [None] * MOST + ["rate_limited"] * 2
    assert await asked(replicas[0], other) is None
    rows = await fetch(database, one, "select outcome from audit order by created_at")
    assert [row["outcome"] for row in rows] == [error or "ok" for error in errors]


async def test_a_cache_that_is_down_silences_nobody(signer: Signer, database: Database) -> None:
    tenant = await new_tenant(database)
    await connect(database, tenant)
    nowhere = connect_cache("redis://127.0.0.1:1/0")
    vendor = httpx2.MockTransport(answer)
    async with in_one_task(
        serve([THINGS], signer, database, nowhere, vendors=vendor, calls_per_minute=1)
    ) as servers:
        assert [await asked(servers, tenant) for _ in range(2)] == [None, None]
    await nowhere.aclose()
