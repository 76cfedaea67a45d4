"""A platform that takes webhooks, and a tenant's helpdesk on it."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Dependencies, LiveKitAccess
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Program, run_program
from orchestrator.engines.valkey import Valkey
from orchestrator.mcp_client.external.registration import RegistrationContext
from orchestrator.mcp_client.router import Router
from tests.orchestrator.channels.helpdesks import Helpdesk, Platform, Vendors, open_helpdesk
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task
from tests.support.scripted_model import ScriptedModel, serve_model
from tests.support.servers import KEYRING, VAULT_KEYS, serve
from tickets.server import SERVER as TICKETS
from transcripts.server import SERVER as TRANSCRIPTS


@pytest_asyncio.fixture(scope="module")
async def platform(
    signer: Signer,
    jobs_database: Database,
    cache: Redis,
    jobs_postgres_server: Postgres,
    valkey_server: Valkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Platform]:
    """A platform that takes webhooks.

    Long because its parts need each other's addresses.
    """
    vendors, model = Vendors(), ScriptedModel()
    folder = tmp_path_factory.mktemp("jobs")
    ready = folder / "ready"
    specs = [TICKETS, TRANSCRIPTS]
    transport = httpx2.MockTransport(vendors.answer)
    async with (
        in_one_task(serve(specs, signer, jobs_database, cache, vendors=transport)) as servers,
        in_one_task(serve_app(servers.app)) as url,
        in_one_task(serve_model(model)) as model_url,
    ):
        program = Program(
            name="jobs",
            command=[sys.executable, "-m", "orchestrator", "jobs"],
            log=folder / "jobs.log",
            env={
                **os.environ,
                "DATABASE_URL": jobs_postgres_server.database_url,
                "REDIS_URL": valkey_server.redis_url,
                "SERVICE_TOKEN_PRIVATE_KEY": signer.private_key,
                "VAULT_KEYS": VAULT_KEYS,
                "MCP_URL": f"{url}/{{server}}/mcp",
                "OPENAI_API_BASE": model_url,
                "OPENAI_API_KEY": "scripted",
                "JOBS_READY_FILE": str(ready),
                "ANTIPHON_STATE": str(folder),
            },
        )

        async def is_ready(_: object) -> bool:
            return await asyncio.to_thread(Path.exists, ready)

        router = Router(signer, lambda name: f"{url}/{name}/mcp")
        dependencies = Dependencies(
            jobs_database,
            cache,
            router,
            signer,
            LiveKitAccess("ws://127.0.0.1:9", "key", "secret"),
            httpx2.AsyncClient(),
            registration=RegistrationContext(KEYRING),
        )
        api = httpx2.ASGITransport(app=create_app(dependencies))
        async with (
            in_one_task(run_program(program, is_ready)),
            dependencies.http,
            httpx2.AsyncClient(transport=api, base_url="http://127.0.0.1") as http,
        ):
            yield Platform(http, model, vendors, jobs_database)
        await router.aclose()


@pytest_asyncio.fixture
async def helpdesk(platform: Platform, request: pytest.FixtureRequest) -> Helpdesk:
    """A new tenant at the vendor that the test names."""
    return await open_helpdesk(platform, str(request.param))
