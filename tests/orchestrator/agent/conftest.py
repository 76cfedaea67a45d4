"""A whole constellation, started once, with the museum in it."""

import json
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from config.database import Database
from config.settings import Settings, required
from orchestrator.admin.api_keys import created_key
from orchestrator.admin.declarations import applied, business_called
from orchestrator.engines.ports import free_port
from orchestrator.local.deployment import Plan, deployed
from tests.conftest import OWN_ENGINES
from tests.orchestrator.agent.museum import BUSINESS, Museum, declaration
from tests.support.callers import CallersVoice
from tests.support.language_models import serving_models
from tests.support.processes import held
from tests.support.speech_socket import KEY
from tests.support.speech_vendors import voices
from tests.support.tcp_proxy import line


@pytest_asyncio.fixture(scope="session")
async def museum(
    models_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Museum]:
    """The museum: everything real but the language models and one provider of hearing."""
    folder = tmp_path_factory.mktemp("museum")
    mcp_port = free_port()
    async with (
        held(serving_models()) as (models, openai_url),
        held(voices()) as heard,
        held(line(mcp_port)) as knowledge,
    ):
        plan = Plan(
            folder=folder / "constellation",
            mcp_port=mcp_port,
            extra={
                "EMBEDDED_MODELS": "true",
                "MODELS_URL": models_url,
                "OPENAI_API_BASE": openai_url,
                "OPENAI_API_KEY": "scripted",
                "DEEPGRAM_API_KEY": KEY,
                "DEEPGRAM_BASE_URL": heard.url,
                "MCP_URLS": json.dumps({"knowledge": f"{knowledge.url}/knowledge/mcp"}),
                "WORKER_MAX_CALLS": "3",
                "WORKER_IDLE_PROCESSES": "1",
            },
        )
        file = folder / "museum.yaml"
        file.write_text(declaration(), encoding="utf-8")
        async with held(deployed(Settings(**OWN_ENGINES), plan, print)) as deployment:
            await applied(deployment.settings, file)
            database = Database(required("DATABASE_URL", deployment.settings.database_url))
            business_id = await business_called(database, BUSINESS)
            key = await created_key(deployment.settings, BUSINESS, "tests")
            assert business_id is not None
            voice = CallersVoice(models_url)
            yield Museum(deployment, models, heard, knowledge, database, business_id, key, voice)
            await database.aclose()
