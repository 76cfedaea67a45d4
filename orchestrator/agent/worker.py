"""The worker: takes calls that it can serve, each in a job process that is warm before it comes.

It also brings home the journals of calls whose process died on this machine.
"""

import asyncio
import logging
import os
import signal
from pathlib import Path

import httpx2
from livekit.agents import AgentServer, JobContext, JobProcess, JobRequest

from config.security.tokens import Signer
from config.settings import Settings, required, settings
from config.telemetry import configure_tracing
from orchestrator.agent.recorder import replay
from orchestrator.mcp_client.router import Router, warm_trust
from orchestrator.runtime.gc_tuning import keep_for_good

logger = logging.getLogger("antiphon.worker")

PRELOAD = [
    "orchestrator.agent.call",
    "litellm",
    "litellm.main",
    "httpcore2",  # httpx2 imports it, and anyio its backend, with the first client: in a call
    "anyio._backends._asyncio",
    "psycopg",  # SQLAlchemy imports it with the first engine: in a call
    "livekit.plugins.deepgram",
    "livekit.plugins.elevenlabs",
    "livekit.plugins.openai",
    "livekit.plugins.sarvam",
]
_REPLAY_EVERY = 3.0  # seconds
_HEALTH_PATIENCE = 0.5


def prepare(process: JobProcess, config: Settings | None = None) -> None:
    """Do once per job process what no call should wait for."""
    # Imported here: the worker's own process serves no calls and needs no models.
    from orchestrator.agent.job import Process
    from orchestrator.agent.llm import warm_up
    from orchestrator.agent.speech import detector

    config = config or settings()
    process.userdata["vad"] = detector()
    process.userdata["process"] = Process.connect(config)
    configure_tracing("worker", config)
    warm_trust()
    warm_up()
    keep_for_good()


async def _serve_call(ctx: JobContext) -> None:
    from orchestrator.agent.call import entrypoint

    await entrypoint(ctx)


class Capacity:
    """How many calls this worker takes: what it could not serve, it leaves to another."""

    def __init__(self, server: AgentServer, config: Settings) -> None:
        self._server = server
        self._config = config
        self._limit = config.worker_max_calls or max(1, (os.cpu_count() or 1) // 2)

    def load(self) -> float:
        """Return how full this worker is, from 0 to 1."""
        return min(1.0, len(self._server.active_jobs) / self._limit)

    async def answer(self, request: JobRequest) -> None:
        """Accept a call, or leave it to another worker."""
        if len(self._server.active_jobs) >= self._limit or not await self._models_answer():
            logger.warning("a call was refused: this worker could not serve it")
            await request.reject(terminate=False)
            return
        await request.accept(name="agent")

    async def _models_answer(self) -> bool:
        if not self._config.embedded_models:
            return True
        url = self._config.models_url.removesuffix("/v1") + "/health"
        try:
            async with httpx2.AsyncClient(timeout=_HEALTH_PATIENCE) as client:
                return (await client.get(url)).is_success
        except httpx2.HTTPError:
            return False


def new_server(config: Settings) -> AgentServer:
    """Return the worker's server, not yet running."""
    server = AgentServer(
        ws_url=required("LIVEKIT_URL", config.livekit_url),
        api_key=required("LIVEKIT_API_KEY", config.livekit_api_key),
        api_secret=required("LIVEKIT_API_SECRET", config.livekit_api_secret),
        host="127.0.0.1",
        port=config.worker_port,
        num_idle_processes=config.worker_idle_processes,
        initialize_process_timeout=60,
        load_threshold=1.0,
        setup_fnc=prepare,
        preload_modules=PRELOAD,
    )
    capacity = Capacity(server, config)
    server.load_fnc = capacity.load
    server.rtc_session(_serve_call, agent_name=config.agent_name, on_request=capacity.answer)
    return server


async def serve() -> None:
    """Run the worker until it is cancelled; its ready file is there once it takes calls."""
    config = settings()
    server = new_server(config)

    def registered(*_: object) -> None:
        if config.worker_ready_file is not None:
            config.worker_ready_file.touch()

    server.on("worker_registered", registered)
    replaying = asyncio.create_task(_bring_home(config))
    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
    serving = asyncio.create_task(server.run())
    ending = asyncio.create_task(told_to_end.wait())
    try:
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        await _drain(server, config.worker_drain_seconds)
    finally:
        replaying.cancel()
        ending.cancel()
        await server.aclose()
        serving.cancel()


async def _drain(server: AgentServer, patience: int) -> None:
    """Take no more calls, and let those in progress end; `patience` is in seconds."""
    try:
        await server.drain(timeout=patience)
    except TimeoutError:
        logger.warning("calls were cut off: they outlasted WORKER_DRAIN_SECONDS")


async def _bring_home(config: Settings) -> None:
    key = required("SERVICE_TOKEN_PRIVATE_KEY", config.service_token_private_key)
    constellation = Router(Signer(key), config.mcp_server_url)
    folder: Path = config.state_dir / "journal"
    try:
        while True:
            count = await replay(constellation, folder)
            if count:
                logger.warning("calls were lost with their process", extra={"count": count})
            await asyncio.sleep(_REPLAY_EVERY)
    finally:
        await constellation.aclose()
