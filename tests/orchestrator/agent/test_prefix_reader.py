"""Which bots' prompts the embedded model is given to read, and when."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.bots import announce_change
from config.database import Database
from config.security.tokens import Signer
from config.settings import Settings
from config.tables import AgentConfig
from orchestrator.agent.job import Process
from orchestrator.agent.prefix_reader import PrefixReader
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey
from tests.conftest import OWN_ENGINES, Tenant, new_tenant
from tests.support.asgi import serve_app


@dataclass
class Models:
    """The embedded models, which answer with `statuses`, and then that they have read."""

    url: str = ""
    statuses: list[int] = field(default_factory=list[int])
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def read_prefix(self, request: Request) -> Response:
        body = await request.json()
        status = self.statuses.pop(0) if self.statuses else 204
        if status == 204:
            self.asked.append(body)
        return Response(status_code=status)

    def prompts(self) -> list[str]:
        """Return the bots' own words in what was read."""
        return [str(body["messages"][0]["content"]).partition("\n")[0] for body in self.asked]

    async def wait_for(self, prompt: str) -> None:
        async with asyncio.timeout(10):
            while prompt not in self.prompts():  # noqa: ASYNC110 - a server's list
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def models() -> AsyncGenerator[Models]:
    models = Models()
    routes = [Route("/v1/prefixes", models.read_prefix, methods=["POST"])]
    async with serve_app(Starlette(routes=routes)) as url:
        models.url = f"{url}/v1"
        yield models


@pytest.fixture
def prefix_settings(jobs_postgres_server: Postgres, valkey_server: Valkey) -> Settings:
    """Settings on a database in which no other test keeps bots with servers."""
    engines: dict[str, Any] = {
        **OWN_ENGINES,
        "database_url": jobs_postgres_server.database_url,
        "redis_url": valkey_server.redis_url,
    }
    return Settings(**engines)


@asynccontextmanager
async def reader(settings: Settings, models: Models) -> AsyncGenerator[PrefixReader]:
    key = Signer.generate().private_key
    update = {"models_url": models.url, "service_token_private_key": key}
    process = Process.connect(settings.model_copy(update=update))
    prefix_reader = PrefixReader(process)
    yield prefix_reader
    await prefix_reader.aclose()
    await process.aclose()


async def store_bot(database: Database, prompt: str, model: str = "embedded") -> Tenant:
    tenant = await new_tenant(database)
    await change_bot(database, tenant, prompt, model)
    return tenant


async def change_bot(
    database: Database, tenant: Tenant, prompt: str, model: str = "embedded"
) -> None:
    async with database.tenant(tenant.business_id) as session:
        bot = await session.get_one(AgentConfig, tenant.bot_id)
        bot.system_prompt, bot.llm_model = prompt, model


async def test_the_prompts_of_embedded_bots_are_read_once_the_models_are_up(
    jobs_database: Database, prefix_settings: Settings, models: Models
) -> None:
    await store_bot(jobs_database, "You answer for the mill.")
    await store_bot(jobs_database, "You answer for the bakery.", model="openai/gpt-4.1-mini")
    models.statuses = [503, 503]
    async with reader(prefix_settings, models) as prefix_reader:
        await prefix_reader.read_all()
    assert "You answer for the mill." in models.prompts()
    assert "You answer for the bakery." not in models.prompts()


async def test_nothing_that_differs_by_day_is_in_it(
    jobs_database: Database, prefix_settings: Settings, models: Models
) -> None:
    await store_bot(jobs_database, "You answer for the pool.")
    async with reader(prefix_settings, models) as prefix_reader:
        await prefix_reader.read_all()
    assert "You answer for the pool." in models.prompts()
    assert "Today" not in str(models.asked)


async def test_a_prompt_that_is_refused_stops_nobody(
    jobs_database: Database, prefix_settings: Settings, models: Models
) -> None:
    await store_bot(jobs_database, "You answer for the zoo.")
    await store_bot(jobs_database, "You answer for the port.")
    models.statuses = [400]
    async with reader(prefix_settings, models) as prefix_reader:
        await prefix_reader.read_all()
    assert "You answer for the zoo." in models.prompts()


async def test_a_bot_that_is_changed_is_read_again(
    jobs_database: Database, prefix_settings: Settings, cache: Redis, models: Models
) -> None:
    tenant = await store_bot(jobs_database, "You answer for the inn.")
    async with reader(prefix_settings, models) as prefix_reader:
        watching = asyncio.create_task(prefix_reader.watch())
        await models.wait_for("You answer for the inn.")
        await change_bot(jobs_database, tenant, "You answer for the old inn.")
        await announce_change(cache, tenant.business_id, tenant.bot_id)
        await models.wait_for("You answer for the old inn.")
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
