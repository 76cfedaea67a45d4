"""`antiphon up`: the whole constellation on this machine, on fixed ports."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rich.console import Console

from config.settings import Settings
from orchestrator.agent.model_choice import needs_models
from orchestrator.engines.engines import Ports
from orchestrator.engines.files import write_private
from orchestrator.engines.node import livekit_client
from orchestrator.local.deployment import Deployment, Plan, deployed
from orchestrator.local.secrets import env_line

_TOLD = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "LIVEKIT_URL",
    "LIVEKIT_API_KEY",
    "LIVEKIT_API_SECRET",
    "SERVICE_TOKEN_PRIVATE_KEY",
    "SERVICE_TOKEN_PUBLIC_KEY",
    "VAULT_KEYS",
    "MCP_URL",
)


@asynccontextmanager
async def _told(settings: Settings, deployment: Deployment) -> AsyncGenerator[None]:
    """Tell the other commands of this machine how to reach what runs, as long as it runs."""
    lines = (env_line(name, deployment.environment[name]) for name in _TOLD)
    write_private(settings.up_file, "\n".join(lines) + "\n")
    try:
        yield
    finally:
        settings.up_file.unlink(missing_ok=True)


async def run(settings: Settings, console: Console) -> None:
    """Run until somebody stops it, or until a part of it ends.

    Raises:
        EngineError: a part could not be started, or ended by itself.
    """

    def progress(line: str) -> None:
        console.print(f"  {line}", highlight=False)

    plan = Plan(
        folder=settings.state_dir,
        ports=Ports(
            postgres=settings.postgres_port,
            valkey=settings.valkey_port,
            livekit=settings.livekit_port,
            livekit_media=settings.livekit_media_port,
        ),
        api_port=settings.api_port,
        mcp_port=settings.mcp_port,
        models_port=settings.models_port,
        worker_port=settings.worker_port,
        models=needs_models(settings),
        jobs=True,
        livekit_client=await livekit_client(settings.cache_dir, progress),
    )
    async with deployed(settings, plan, progress) as deployment, _told(settings, deployment):
        console.print(f"[bold green]ready[/]: {deployment.api_url} (Ctrl-C stops everything)")
        console.print("store a bot: antiphon apply config/bots/demo-clinic.yaml")
        failed = asyncio.ensure_future(deployment.failure())
        try:
            raise await failed
        finally:
            failed.cancel()
