"""Serves ASGI apps until SIGINT or SIGTERM."""

import logging
import resource
from collections.abc import Sequence
from dataclasses import replace

import uvicorn
from starlette.types import ASGIApp

from config.constellation import constellation, load_object
from config.settings import Settings
from config.telemetry import configure_tracing
from orchestrator.runtime.connections import ConnectionLimits, limited_protocol
from orchestrator.runtime.gc_tuning import freeze_heap

logger = logging.getLogger("antiphon.serving")

_KEEP_ALIVE_SECONDS = 75
_OTHER_FILES = 128  # that a process has open beside its clients' connections


async def serve_app(
    app: ASGIApp,
    host: str,
    port: int,
    limits: ConnectionLimits,
    *,
    grace_seconds: int = 5,
    log_level: str = "warning",
) -> None:
    """Serve `app` until SIGINT or SIGTERM; requests in flight have `grace_seconds` to finish.

    `X-Forwarded-For` and `X-Forwarded-Proto` are read from the proxies of `limits` alone.
    """
    proxies = [str(network) for network in limits.proxies]
    total = min(limits.total, _allow_files(limits.total + _OTHER_FILES) - _OTHER_FILES)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=limited_protocol(replace(limits, total=total)),
        ws="none",
        log_level=log_level,
        access_log=False,  # an address may hold what should not be kept
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
    )
    await uvicorn.Server(config).serve()


def _allow_files(wanted: int) -> int:
    """Let this process have so many files open, as far as the system allows; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


async def serve_mcp(settings: Settings, names: Sequence[str]) -> None:
    """Serve these MCP servers in one process."""
    known = constellation()
    specs = [load_object(known.servers[name]) for name in names]
    configure_tracing("mcp", settings)
    async with load_object(known.serve)(specs, settings) as app:
        logger.info("serving %s", ", ".join(names))
        freeze_heap()
        # Its clients are our own workers, many calls of which have one address.
        total = settings.max_connections
        limits = ConnectionLimits(total, per_address=total)
        await serve_app(app, settings.mcp_host, settings.mcp_port, limits)
