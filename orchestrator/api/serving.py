"""`antiphon api`: the API as a process."""

import logging

from config.settings import Settings
from config.telemetry import configure_tracing
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import open_dependencies
from orchestrator.runtime.connections import ConnectionLimits
from orchestrator.runtime.gc_tuning import freeze_heap
from orchestrator.runtime.serving import serve_app

logger = logging.getLogger("antiphon.serving")

_GRACE_SECONDS = 10


async def serve(settings: Settings) -> None:
    """Serve the API until the process is asked to stop; requests under way are finished.

    Raises:
        MissingSettingError: a variable is not set.
    """
    configure_tracing("api", settings)
    if settings.public_url and not settings.trusted_proxies:
        logger.warning("PUBLIC_URL is set and TRUSTED_PROXIES is not: callers share one limit")
    limits = ConnectionLimits(
        settings.max_connections,
        settings.max_connections_per_address,
        proxies=settings.trusted_proxies,
    )
    async with open_dependencies(settings) as dependencies:
        freeze_heap()
        app = create_app(dependencies)
        await serve_app(
            app,
            settings.api_host,
            settings.api_port,
            limits,
            grace_seconds=_GRACE_SECONDS,
            log_level=settings.log_level.lower(),
        )
