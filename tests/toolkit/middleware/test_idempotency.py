"""What is changed back, or made again after it was taken away, is done and not only said."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import pytest_asyncio
from fastmcp.tools import tool
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant
from tests.support.processes import in_one_task
from tests.support.servers import Caller, Servers, serve
from toolkit.effects import CHANGES, DESTROYS, WRITES
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec

done: list[str] = []


class Row(Result):
    """One row of a nested answer."""

    value: str


class Done(Result):
    """What was done."""

    value: str
    rows: tuple[Row, ...] = ()


@tool(title="Make", annotations=WRITES)
async def make(value: str) -> Done:
    """Make something."""
    done.append(f"make {value}")
    return Done(value=value, rows=(Row(value=value),))


@tool(title="Put", annotations=CHANGES)
async def put(value: str) -> Done:
    """Put something in the place of what is there."""
    done.append(f"put {value}")
    return Done(value=value)


@tool(title="Name", annotations=CHANGES)
async def name(value: str) -> Done:
    """Name it."""
    done.append(f"name {value}")
    return Done(value=value)


@tool(title="Remove", annotations=DESTROYS)
async def remove(value: str) -> Done:
    """Take something away."""
    done.append(f"remove {value}")
    return Done(value=value)


SERVER = ServerSpec("things", "Things.", (make, put, name, remove))


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SERVER], signer, database, cache)) as servers:
        yield servers


@asynccontextmanager
async def caller(servers: Servers, tenant: Tenant) -> AsyncGenerator[Caller]:
    async with servers.connect("things", tenant.claims(conversation_id=uuid4())) as caller:
        yield caller


@pytest.mark.parametrize(
    ("asked", "happened"),
    [
        ("put a, put b, put a", "put a, put b, put a"),
        ("put a, put a, put b, put b", "put a, put b"),
        ("put a, name b, put a", "put a, name b, put a"),
        ("make a, make a, make b, make a", "make a, make b"),
        ("make a, put b, make a", "make a, put b"),
        ("make a, remove a, make a, make a", "make a, remove a, make a"),
        ("put a, remove a, put a", "put a, remove a, put a"),
        ("remove a, remove a", "remove a"),
        ("make a, remove a, remove a, make a", "make a, remove a, make a"),
    ],
)
async def test_a_repeat_is_a_repeat_until_something_came_between(
    servers: Servers, tenant: Tenant, asked: str, happened: str
) -> None:
    done.clear()
    async with caller(servers, tenant) as client:
        for step in asked.split(", "):
            called, value = step.split()
            answer = await client.call(called, value=value)
            assert answer.data["value"] == value
    assert ", ".join(done) == happened


async def test_a_key_that_a_client_sends_is_one_call_whatever_came_between(
    servers: Servers, tenant: Tenant
) -> None:
    done.clear()
    async with caller(servers, tenant) as client:
        for value, key in (("a", "k1"), ("b", "k2"), ("a", "k1")):
            assert (await client.call("put", key=key, value=value)).data["value"] == value
    assert done == ["put a", "put b"]


async def test_other_conversations_are_not_concerned(servers: Servers, tenant: Tenant) -> None:
    done.clear()
    async with caller(servers, tenant) as first, caller(servers, tenant) as second:
        await first.call("make", value="a")
        await second.call("remove", value="a")
        await first.call("make", value="a")
    assert done == ["make a", "remove a"]
