"""`antiphon up`: a whole deployment on this machine, on the configured ports."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.markup import escape

from config.settings import Settings
from orchestrator.agent.model_choice import needs_embedded_models
from orchestrator.engines.engines import Ports
from orchestrator.engines.files import write_private_file
from orchestrator.engines.node import ensure_livekit_client
from orchestrator.local.deployment import Deployment, Plan, run_deployment
from orchestrator.local.secrets import env_line

_SHARED_VARIABLES = (
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
async def _up_file(settings: Settings, deployment: Deployment) -> AsyncGenerator[None]:
    """While the deployment runs, provide a file with which other commands can reach it."""
    lines = (env_line(name, deployment.environment[name]) for name in _SHARED_VARIABLES)
    write_private_file(settings.up_file, "\n".join(lines) + "\n")
    try:
        yield
    finally:
        settings.up_file.unlink(missing_ok=True)


async def run(settings: Settings, console: Console) -> None:
    """Run until interrupted; a process or an engine that ends by itself is started again.

    Raises:
        EngineError: a process could not be started at first.
    """

    def progress(line: str) -> None:
        console.print(f"  {escape(line)}", highlight=False)

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
        models=needs_embedded_models(settings),
        jobs=True,
        restart=True,
        livekit_client=await ensure_livekit_client(settings.cache_dir, progress),
    )
    async with (
        run_deployment(settings, plan, progress) as deployment,
        _up_file(settings, deployment),
    ):
        console.print(f"[bold green]ready[/]: {deployment.api_url} (Ctrl-C stops everything)")
        console.print("store a bot: antiphon apply config/bots/demo-clinic.yaml")
        await asyncio.Event().wait()  # what is given up is said, and everything else goes on
