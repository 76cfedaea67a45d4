"""The worker: accepts calls while it has room, each in a job process that is warmed up before.

It also replays the journals of calls whose process died on this machine.
"""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from uuid import UUID, uuid4

import httpx2
from livekit.agents import AgentServer, JobContext, JobProcess, JobRequest
from redis.exceptions import RedisError

from config.cache import connect
from config.security.egress import load_ca_certificates
from config.security.tokens import Signer
from config.settings import Settings, prepare_litellm, required, settings
from config.telemetry import configure_metrics, configure_tracing
from orchestrator.agent.job import Process
from orchestrator.agent.journal import is_writable, journal_folder, probe
from orchestrator.agent.journal_replay import JournalReplay
from orchestrator.agent.prefix_reader import PrefixReader
from orchestrator.calls.queue import BEAT_SECONDS, WorkerSlots
from orchestrator.calls.state import CallStates
from orchestrator.mcp_client.router import Router
from orchestrator.runtime.gc_tuning import freeze_heap
from orchestrator.runtime.supervision import keep_running

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
    "orchestrator.agent.preloaded",
]
_CALLS_PER_CORE = 3  # with hosted models; docs/scaling.md has the figures
_PROBE_INTERVAL = 2.0  # seconds; LiveKit asks for the load twice a second
_HEALTH_TIMEOUT = 0.5  # seconds
# Until an answer of the embedded model begins; with another call, every caller would wait longer.
_SLOW_SECONDS = 5.0
_PREFIX_SECONDS = 60.0  # that the first calls wait for the embedded model to read their prompts


def prepare_process(process: JobProcess, config: Settings | None = None) -> None:
    """Load and warm up in a job process what no call should wait for."""
    # Imported here: the worker's own process serves no calls and needs no models.
    from orchestrator.agent.lite_llm import warm_up_litellm
    from orchestrator.agent.speech import build_vad

    config = config or settings()
    process.userdata["vad"] = build_vad()
    process.userdata["process"] = Process.connect(config)
    configure_tracing("worker", config)
    configure_metrics("worker", config)
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
        self._limit = config.worker_max_calls or _default_limit(config)
        self._http = httpx2.AsyncClient(timeout=_HEALTH_TIMEOUT, trust_env=False)
        self._journals = journal_folder(config)
        self._next_probe = 0.0  # by time.monotonic()
        self._probe_passed = True
        self._answers_late = False

    def load(self) -> float:
        """Return how full this worker is, from 0 to 1; LiveKit asks in a thread.

        It is full while no journal can be written: what is said in a call would be in memory only.
        """
        if not self._passes_probe():
            return 1.0
        return min(1.0, len(self._server.active_jobs) / self._limit)

    async def free(self) -> int | None:
        """Return how many more calls this worker can take now; None if it can serve none at all.

        While its calls get their answers late, it can take no more: who calls then is told that all
        agents are busy, and waits.
        """
        if self._server.draining or not await self._can_serve():
            return None
        active = len(self._server.active_jobs)
        return 0 if active and self._answers_late else max(0, self._limit - active)

    async def accept_or_reject(self, request: JobRequest) -> None:
        """Accept a call, or reject it, so that LiveKit asks another worker."""
        # A call that has been admitted is served, even where answers have become slow since.
        if len(self._server.active_jobs) >= self._limit or not await self._can_serve():
            logger.warning("a call was refused: this worker could not serve it")
            await request.reject(terminate=False)
            return
        await request.accept(name="agent")

    async def aclose(self) -> None:
        """Close the connection to the models."""
        await self._http.aclose()

    async def _can_serve(self) -> bool:
        return await self._models_are_up() and await is_writable(self._journals)

    def _passes_probe(self) -> bool:
        if time.monotonic() >= self._next_probe:
            self._next_probe = time.monotonic() + _PROBE_INTERVAL
            try:
                probe(self._journals)
            except OSError:
                self._probe_passed = False
            else:
                self._probe_passed = True
        return self._probe_passed

    async def _models_are_up(self) -> bool:
        if not self._config.embedded_models:
            return True
        try:
            health = await self._http.get(self._config.models_health_url)
            wait = health.json().get("engine", {}).get("wait_seconds")
        except (httpx2.HTTPError, ValueError):
            return False
        self._answers_late = wait is not None and wait > _SLOW_SECONDS
        return health.is_success


def _default_limit(config: Settings) -> int:
    """Return how many calls this machine carries: with embedded models, far fewer."""
    cores = os.cpu_count() or 1
    return max(1, cores // 2) if config.embedded_models else _CALLS_PER_CORE * cores


async def report_slots(
    capacity: Capacity,
    slots: WorkerSlots,
    registered: asyncio.Event,
    *,
    period: float = BEAT_SECONDS,
) -> None:
    """Tell every `period` seconds how many calls this worker can take, once LiveKit knows it.

    While it can serve none, for it drains, its disk is full or its models are down, it is no worker
    for those who ask: the API is not ready without another one.
    """
    await registered.wait()
    worker_id = uuid4().hex
    try:
        while True:
            free = await capacity.free()
            with suppress(RedisError):  # those who ask for a slot have no cache either
                if free is None:
                    await slots.withdraw(worker_id)
                else:
                    await slots.report(worker_id, free)
            await asyncio.sleep(period)
    finally:
        with suppress(RedisError):
            await slots.withdraw(worker_id)


def build_server(config: Settings) -> tuple[AgentServer, Capacity]:
    """Return the worker's server, not yet running, and how many calls it takes."""
    prepare_litellm()  # the process that preloads it inherits the environment
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
    return server, capacity


async def serve() -> None:
    """Run the worker until it is cancelled; its ready file is there once it takes calls."""
    config = settings()
    configure_metrics("worker", config)
    server, capacity = build_server(config)
    registered = asyncio.Event()

    def note_registration(*_: object) -> None:
        if config.worker_ready_file is not None:
            config.worker_ready_file.touch()
        registered.set()

    server.on("worker_registered", note_registration)
    replaying = asyncio.create_task(_replay_journals(config))
    prefixes_read = asyncio.Event()
    reading = asyncio.create_task(_read_prefixes(config, prefixes_read))
    cache = connect(required("REDIS_URL", config.redis_url))
    reporting = asyncio.create_task(report_slots(capacity, WorkerSlots(cache), registered))
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PREFIX_SECONDS):
            await prefixes_read.wait()
    serving = asyncio.create_task(server.run())
    ending = asyncio.create_task(terminated.wait())
    try:
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        await _drain(server, config.worker_drain_seconds)
    finally:
        for task in (replaying, ending, reporting, reading):
            task.cancel()
        await asyncio.gather(replaying, reporting, reading, return_exceptions=True)
        await server.aclose()
        await capacity.aclose()
        await cache.aclose()
        serving.cancel()


async def _drain(server: AgentServer, seconds: int) -> None:
    """Take no more calls, and give those in progress so many seconds to end."""
    try:
        await server.drain(timeout=seconds)
    except TimeoutError:
        logger.warning("calls were cut off: they outlasted WORKER_DRAIN_SECONDS")


async def _read_prefixes(config: Settings, read: asyncio.Event) -> None:
    """Have the embedded model read every bot's prompt: first all of them, then each new one."""
    if not config.embedded_models:
        read.set()
        return
    process = Process.connect(config)
    reader = PrefixReader(process)
    try:
        await reader.read_all()
        read.set()
        await reader.watch()
    finally:
        await reader.aclose()
        await process.aclose()


async def _replay_journals(config: Settings) -> None:
    """Deliver the journals of calls that have ended here; a replay that dies is started anew."""
    key = required("SERVICE_TOKEN_PRIVATE_KEY", config.service_token_private_key)
    router = Router(Signer(key), config.mcp_server_url)
    cache = connect(required("REDIS_URL", config.redis_url))
    states = CallStates(cache)

    async def is_lost(conversation_id: UUID) -> bool:
        return not await states.is_known(conversation_id)

    replay = JournalReplay(router, journal_folder(config), is_lost=is_lost)
    try:
        await keep_running("replay of journals", replay.run)
    finally:
        await router.aclose()
        await cache.aclose()
