"""Serves ASGI apps until the process is told to stop."""

import logging
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from config.constellation import constellation, load
from config.settings import Settings
from config.telemetry import configure_tracing
from orchestrator.runtime.gc_tuning import keep_for_good

logger = logging.getLogger("antiphon.serving")

_GRACE_SECONDS = 5


async def serve_app(app: ASGIApp, host: str, port: int) -> None:
    """Serve `app` until SIGINT or SIGTERM, and let what runs finish."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    await uvicorn.Server(config).serve()


async def serve_mcp(settings: Settings, names: Sequence[str]) -> None:
    """Serve these MCP servers in one process."""
    known = constellation()
    specs = [load(known.servers[name]) for name in names]
    configure_tracing("mcp", settings)
    async with load(known.serve)(specs, settings) as app:
        logger.info("serving %s", ", ".join(names))
        keep_for_good()
        await serve_app(app, settings.mcp_host, settings.mcp_port)
