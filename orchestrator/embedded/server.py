"""Serves the embedded models on loopback: what `antiphon models` runs, once per machine."""

import asyncio
import ipaddress

import uvicorn

from config.settings import set_library_defaults
from orchestrator.embedded.app import create_app
from orchestrator.embedded.loader import LoadOptions, ModelLoader
from orchestrator.embedded.weights import WeightsError

_IDLE_SECONDS = 120
_GRACE_SECONDS = 2


def serve(host: str, port: int, options: LoadOptions) -> None:
    """Serve the models until interrupted; port 0 takes a free port.

    Raises:
        WeightsError: an enabled model cannot be loaded; the message says what to do.
    """
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise WeightsError("The embedded models have no authentication: serve them on 127.0.0.1.")
    options.require_installed()
    # Both are read when the libraries are loaded. Spinning threads would starve the other models,
    # and nothing may be looked for on a hub.
    set_library_defaults(OMP_WAIT_POLICY="passive", HF_HUB_OFFLINE="1")
    asyncio.run(_serve(host, port, ModelLoader(options)))


async def _serve(host: str, port: int, loader: ModelLoader) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(loader),
            host=host,
            port=port,
            access_log=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    watch = asyncio.create_task(_stop_on_failure(loader, server))
    await server.serve()
    watch.cancel()
    if loader.error:
        raise WeightsError(loader.error)


async def _stop_on_failure(loader: ModelLoader, server: uvicorn.Server) -> None:
    await loader.finished.wait()
    if loader.error:
        server.should_exit = True
