"""`antiphon up`: the whole constellation on this machine, on fixed ports."""

import asyncio

from rich.console import Console

from config.settings import Settings
from orchestrator.agent.providers import needs_models
from orchestrator.deployment import Plan, deployed
from orchestrator.engines.engines import Ports
from orchestrator.engines.node import livekit_client


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
    async with deployed(settings, plan, progress) as deployment:
        console.print(f"[bold green]ready[/]: {deployment.api_url} (Ctrl-C stops everything)")
        failed = asyncio.ensure_future(deployment.failure())
        try:
            raise await failed
        finally:
            failed.cancel()
