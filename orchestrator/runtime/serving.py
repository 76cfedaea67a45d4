"""Serves ASGI apps until SIGINT or SIGTERM."""

import logging
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from config.constellation import constellation, load_object
from config.settings import Settings
from config.telemetry import configure_tracing
from orchestrator.runtime.gc_tuning import freeze_heap

logger = logging.getLogger("antiphon.serving")

_GRACE_SECONDS = 5


async def serve_app(app: ASGIApp, host: str, port: int) -> None:
    """Serve `app` until SIGINT or SIGTERM; requests in flight may finish."""
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
    specs = [load_object(known.servers[name]) for name in names]
    configure_tracing("mcp", settings)
    async with load_object(known.serve)(specs, settings) as app:
        logger.info("serving %s", ", ".join(names))
        freeze_heap()
        await serve_app(app, settings.mcp_host, settings.mcp_port)
