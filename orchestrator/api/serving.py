"""`antiphon api`: the API as a process."""

import uvicorn

from config.settings import Settings
from config.telemetry import configure_tracing
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import open_dependencies
from orchestrator.runtime.gc_tuning import freeze_heap

_GRACE = 10  # seconds


async def serve(settings: Settings) -> None:
    """Serve the API until the process is asked to stop; requests under way are finished.

    Raises:
        MissingSettingError: a variable is not set.
    """
    configure_tracing("api", settings)
    async with open_dependencies(settings) as dependencies:
        config = uvicorn.Config(
            create_app(dependencies),
            host=settings.api_host,
            port=settings.api_port,
            access_log=False,  # an address may hold what should not be kept
            log_level=settings.log_level.lower(),
            server_header=False,
            # Without a proxy in front, a client could forge its address and so escape the limits.
            proxy_headers=settings.public_url is not None,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE,
        )
        freeze_heap()
        await uvicorn.Server(config).serve()
