"""`antiphon models`: the embedded models, once per machine, on loopback."""

import asyncio
import ipaddress
import os

import uvicorn

from orchestrator.embedded.app import create_app
from orchestrator.embedded.loader import Options, Parts
from orchestrator.embedded.weights import WeightsError

DEFAULT_PORT = 8790
_IDLE_SECONDS = 120
_GRACE_SECONDS = 2


def serve(
    host: str = "127.0.0.1", port: int = DEFAULT_PORT, options: Options | None = None
) -> None:
    """Serve the models until interrupted.

    Raises:
        WeightsError: a wanted model cannot be loaded; the message says what to do.
    """
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise WeightsError("The embedded models have no authentication: serve them on 127.0.0.1.")
    options = options or Options()
    options.require_installed()
    # Both are read when the libraries are loaded. Spinning threads would starve the other models,
    # and nothing may be looked for on a hub.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    asyncio.run(_serve(host, port, Parts(options)))


async def _serve(host: str, port: int, parts: Parts) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(parts),
            host=host,
            port=port,
            access_log=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    watch = asyncio.create_task(_stop_on_failure(parts, server))
    await server.serve()
    watch.cancel()
    if parts.error:
        raise WeightsError(parts.error)


async def _stop_on_failure(parts: Parts, server: uvicorn.Server) -> None:
    await parts.settled.wait()
    if parts.error:
        server.should_exit = True
