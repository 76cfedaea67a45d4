"""The API over real engines and real MCP servers; every answer is held against the document."""

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from redis.asyncio import Redis

from config.database import Database
from config.security.api_keys import create_key
from config.security.tokens import Signer
from config.tables import AgentConfig, McpConnection
from knowledge.server import SERVER as KNOWLEDGE
from orchestrator.api.app import OPERATIONS, create_app
from orchestrator.api.dependencies import Dependencies, LiveKitAccess
from orchestrator.api.openapi import document
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant
from tests.orchestrator.api.mcp_clients import Deployment, serve_deployment
from tests.orchestrator.api.scheduling_double import SCHEDULING
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task
from tests.support.servers import serve
from transcripts.server import SERVER as TRANSCRIPTS

OWN_ORIGIN = "http://127.0.0.1:8080"
SECRET = "a-secret-of-at-least-thirty-two-bytes"
DOCUMENT = document(OPERATIONS)
Json = dict[str, Any]


@pytest_asyncio.fixture(scope="session")
async def servers_url(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[str]:
    """The URL of the servers."""
    specs = [TRANSCRIPTS, KNOWLEDGE, SCHEDULING]
    async with (
        in_one_task(serve(specs, signer, database, cache)) as servers,
        in_one_task(serve_app(servers.app)) as url,
    ):
        yield url


@pytest_asyncio.fixture(scope="session")
async def dependencies(
    signer: Signer, database: Database, cache: Redis, servers_url: str
) -> AsyncGenerator[Dependencies]:
    """The API's dependencies; nothing listens at LiveKit's address."""
    router = Router(signer, lambda name: f"{servers_url}/{name}/mcp")
    async with httpx2.AsyncClient(timeout=2, trust_env=False) as http:
        yield Dependencies(
            database,
            cache,
            router,
            signer,
            LiveKitAccess("ws://127.0.0.1:9", "APIkey", SECRET),
            http,
            ice_servers=("stun:127.0.0.1:3478",),
            origins=frozenset({OWN_ORIGIN}),
            health_urls={"transcripts": f"{servers_url}/healthz"},
            anonymous_per_minute=3,
        )
    await router.aclose()


@pytest_asyncio.fixture(scope="session")
async def deployment(
    dependencies: Dependencies, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Deployment]:
    """The API and its servers, on fixed ports."""
    async with in_one_task(serve_deployment(dependencies, signer, database, cache)) as deployment:
        yield deployment


def check_against_document(response: httpx2.Response) -> None:
    """Fail for an answer that the document does not describe."""
    method = response.request.method.lower()
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, response.request.url.path) and method in operations:
            promised = operations[method]["responses"]
            answer = promised.get(str(response.status_code), promised["default"])
            kind = response.headers["content-type"].partition(";")[0]
            assert kind in answer["content"], response.text
            if kind == "application/json":
                schema = answer["content"][kind]["schema"]
                whole = {**schema, "components": DOCUMENT["components"]}
                Draft202012Validator(whole).validate(response.json())


async def _check_response(response: httpx2.Response) -> None:
    await response.aread()
    check_against_document(response)


ClientFactory = Callable[..., httpx2.AsyncClient]


def client_factory(dependencies: Dependencies) -> ClientFactory:
    """Return a function that opens clients of an API on these dependencies."""
    app = create_app(dependencies)

    def client(
        token: str | None = None, origin: str | None = None, address: str = "127.0.0.1"
    ) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Origin": origin} if origin else {}
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(
                app=app, client=(address, 1), raise_app_exceptions=False
            ),
            base_url=OWN_ORIGIN,
            headers=headers,
            event_hooks={"response": [_check_response]},
        )

    return client


@pytest.fixture(scope="session")
def client(dependencies: Dependencies) -> ClientFactory:
    """Open a client of the API."""
    return client_factory(dependencies)


@pytest_asyncio.fixture(scope="session")
async def key(database: Database, tenant: Tenant) -> str:
    """An API key of the tenant."""
    return await create_key(database, tenant.business_id, "tests")


@pytest_asyncio.fixture(scope="session")
async def other_key(database: Database, other_tenant: Tenant) -> str:
    """An API key of the other tenant."""
    return await create_key(database, other_tenant.business_id, "tests")


@pytest.fixture
def address() -> str:
    """A client address that has sent no request yet."""
    number = uuid4().int
    return f"10.{number % 250}.{number // 250 % 250}.{number // 62500 % 250}"


def slug(tenant: Tenant) -> str:
    """Return the slug of a tenant's business."""
    return f"b{tenant.business_id.hex[:12]}"


@dataclass(frozen=True)
class NewBot:
    """A bot that a test made."""

    id: UUID
    name: str


async def new_bot(database: Database, tenant: Tenant, *connections: Json, **changes: Any) -> NewBot:
    """Store one more bot of a tenant, like its first one but for `changes`."""
    bot = NewBot(uuid4(), f"bot-{uuid4().hex[:8]}")
    async with database.tenant(tenant.business_id) as session:
        first = await session.get_one(AgentConfig, tenant.bot_id)
        row: Json = {**first.model_dump(), "id": bot.id, "name": bot.name, **changes}
        session.add(AgentConfig(**row))
        await session.flush()
        for connection in connections:
            session.add(
                McpConnection(business_id=tenant.business_id, agent_config_id=bot.id, **connection)
            )
    return bot


async def start_session(client: ClientFactory, key: str, bot: str = "bot", **body: Any) -> Json:
    """Start a conversation with a key."""
    async with client(key) as http:
        answer = await http.post("/api/sessions/start", json={"bot": bot, **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def with_changes(dependencies: Dependencies, **changes: Any) -> Dependencies:
    """Return the dependencies with some of them replaced."""
    return replace(dependencies, **changes)
