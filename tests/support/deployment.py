"""The whole constellation as processes, started once for every test that calls a bot.

Its databases are those of the test session. The language models and one provider of speech are
doubles; one MCP server is reached through a proxy that can go dead.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from orchestrator.engines.ports import free_port
from orchestrator.local.deployment import Deployment, Plan, run_deployment
from tests.support.language_models import Models, serve_models
from tests.support.processes import in_one_task
from tests.support.speech_socket import KEY
from tests.support.speech_vendors import SpeechVendors, serve_speech_vendors
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

PROXIED_SERVER = "knowledge"


@dataclass(frozen=True)
class SharedDeployment:
    """The constellation, and the doubles around it."""

    deployment: Deployment
    models: Models
    speech: SpeechVendors
    proxy: TcpProxy  # in front of PROXIED_SERVER

    @property
    def api_url(self) -> str:
        """Return where the API is."""
        return self.deployment.api_url

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment of its processes."""
        return self.deployment.environment

    @property
    def settings(self) -> Settings:
        """Return the settings with which this process reaches it."""
        return self.deployment.settings

    @property
    def journals(self) -> Path:
        """Return where the worker keeps what is not delivered yet."""
        return Path(self.environment["ANTIPHON_STATE"]) / "journal"


@asynccontextmanager
async def shared_deployment(
    settings: Settings, folder: Path, models_url: str, livekit_client: Path
) -> AsyncGenerator[SharedDeployment]:
    """Run everything but the embedded speech models, which answer at `models_url`."""
    mcp_port = free_port()
    async with (
        in_one_task(serve_models()) as (models, openai_url),
        in_one_task(serve_speech_vendors()) as speech,
        in_one_task(tcp_proxy(mcp_port)) as proxy,
    ):
        plan = Plan(
            folder=folder,
            jobs=True,
            restart=True,
            mcp_port=mcp_port,
            livekit_client=livekit_client,
            extra={
                "EMBEDDED_MODELS": "true",
                "MODELS_URL": models_url,
                "OPENAI_API_BASE": openai_url,
                "OPENAI_API_KEY": "scripted",
                "DEEPGRAM_API_KEY": KEY,
                "DEEPGRAM_BASE_URL": speech.url,
                "MCP_URLS": json.dumps({PROXIED_SERVER: f"{proxy.url}/{PROXIED_SERVER}/mcp"}),
                "WORKER_MAX_CALLS": "3",
                "WORKER_IDLE_PROCESSES": "1",
            },
        )
        async with in_one_task(run_deployment(settings, plan, print)) as deployment:
            yield SharedDeployment(deployment, models, speech, proxy)
