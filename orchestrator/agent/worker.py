"""The worker: accepts calls while it has room, each in a job process that is warmed up before.

It also replays the journals of calls whose process died on this machine.
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
from orchestrator.agent.journal_replay import replay_orphans
from orchestrator.mcp_client.router import Router, load_ca_certificates
from orchestrator.runtime.gc_tuning import freeze_heap

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
_REPLAY_INTERVAL = 3.0  # seconds
_HEALTH_TIMEOUT = 0.5  # seconds


def prepare_process(process: JobProcess, config: Settings | None = None) -> None:
    """Load and warm up in a job process what no call should wait for."""
    # Imported here: the worker's own process serves no calls and needs no models.
    from orchestrator.agent.job import Process
    from orchestrator.agent.lite_llm import warm_up_litellm
    from orchestrator.agent.speech import build_vad

    config = config or settings()
    process.userdata["vad"] = build_vad()
    process.userdata["process"] = Process.connect(config)
    configure_tracing("worker", config)
    load_ca_certificates()
    warm_up_litellm()
    freeze_heap()


async def _serve_call(ctx: JobContext) -> None:
    from orchestrator.agent.call import entrypoint

    await entrypoint(ctx)


class Capacity:
    """How many calls this worker accepts; it rejects others, for another worker to take."""

    def __init__(self, server: AgentServer, config: Settings) -> None:
        self._server = server
        self._config = config
        self._limit = config.worker_max_calls or max(1, (os.cpu_count() or 1) // 2)

    def load(self) -> float:
        """Return how full this worker is, from 0 to 1."""
        return min(1.0, len(self._server.active_jobs) / self._limit)

    async def accept_or_reject(self, request: JobRequest) -> None:
        """Accept a call, or reject it, so that LiveKit asks another worker."""
        if len(self._server.active_jobs) >= self._limit or not await self._models_are_up():
            logger.warning("a call was refused: this worker could not serve it")
            await request.reject(terminate=False)
            return
        await request.accept(name="agent")

    async def _models_are_up(self) -> bool:
        if not self._config.embedded_models:
            return True
        url = self._config.models_url.removesuffix("/v1") + "/health"
        try:
            async with httpx2.AsyncClient(timeout=_HEALTH_TIMEOUT) as client:
                return (await client.get(url)).is_success
        except httpx2.HTTPError:
            return False


def build_server(config: Settings) -> AgentServer:
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
        setup_fnc=prepare_process,
        preload_modules=PRELOAD,
    )
    capacity = Capacity(server, config)
    server.load_fnc = capacity.load
    server.rtc_session(
        _serve_call, agent_name=config.agent_name, on_request=capacity.accept_or_reject
    )
    return server


async def serve() -> None:
    """Run the worker until it is cancelled; its ready file is there once it takes calls."""
    config = settings()
    server = build_server(config)

    def registered(*_: object) -> None:
        if config.worker_ready_file is not None:
            config.worker_ready_file.touch()

    server.on("worker_registered", registered)
    replaying = asyncio.create_task(_replay_journals(config))
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    serving = asyncio.create_task(server.run())
    ending = asyncio.create_task(terminated.wait())
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


async def _drain(server: AgentServer, seconds: int) -> None:
    """Take no more calls, and give those in progress so many seconds to end."""
    try:
        await server.drain(timeout=seconds)
    except TimeoutError:
        logger.warning("calls were cut off: they outlasted WORKER_DRAIN_SECONDS")


async def _replay_journals(config: Settings) -> None:
    key = required("SERVICE_TOKEN_PRIVATE_KEY", config.service_token_private_key)
    router = Router(Signer(key), config.mcp_server_url)
    folder: Path = config.state_dir / "journal"
    try:
        while True:
            count = await replay_orphans(router, folder)
            if count:
                logger.warning("calls were lost with their process", extra={"count": count})
            await asyncio.sleep(_REPLAY_INTERVAL)
    finally:
        await router.aclose()
