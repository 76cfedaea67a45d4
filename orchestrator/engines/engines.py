"""Starts the engines that have no URL configured, concurrently, and stops them together."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from orchestrator.engines.errors import EngineError
from orchestrator.engines.livekit import run_livekit
from orchestrator.engines.ports import Port
from orchestrator.engines.postgres import run_postgres
from orchestrator.engines.process import Process, Progress, Restarts
from orchestrator.engines.valkey import run_valkey


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """URLs and keys of the engines; for `start_engines`, an empty URL means: start this one."""

    database_url: str = field(default="", repr=False)
    migration_database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    livekit_url: str = ""
    livekit_api_key: str = ""
    livekit_api_secret: str = field(default="", repr=False)

    def to_environment(self) -> dict[str, str]:
        """Return the environment variables with which another process reaches the engines."""
        return {
            "DATABASE_URL": self.database_url,
            "MIGRATION_DATABASE_URL": self.migration_database_url,
            "REDIS_URL": self.redis_url,
            "LIVEKIT_URL": self.livekit_url,
            "LIVEKIT_API_KEY": self.livekit_api_key,
            "LIVEKIT_API_SECRET": self.livekit_api_secret,
        }


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Ports for the engines to listen on; 0 takes any free port."""

    postgres: int = 0
    valkey: int = 0
    livekit: int = 0
    livekit_media: int = 0


_ANY_PORTS = Ports()


class _Engine(Protocol):
    @property
    def process(self) -> Process: ...

    def endpoints(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Engines:
    """The endpoints of all engines, and the processes that were started."""

    endpoints: Endpoints
    processes: tuple[Process, ...]

    async def failure(self) -> EngineError:
        """Wait until one of the processes ends by itself, and return why."""
        waiting = [asyncio.create_task(process.failure()) for process in self.processes]
        if not waiting:
            await asyncio.Event().wait()  # no process can end: wait until cancelled
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return done.pop().result()


@asynccontextmanager
async def start_engines(
    endpoints: Endpoints,
    *,
    folder: Path | None,
    cache: Path,
    progress: Progress,
    ports: Ports = _ANY_PORTS,
    restarts: Restarts | None = None,
) -> AsyncGenerator[Engines]:
    """Start every engine that has no URL in `endpoints`, and stop them at exit.

    Data is stored in `folder`; without one, in a temporary folder that is removed at exit. With
    `restarts`, one that ends by itself is started again. Call it in the main thread: on Linux the
    engines end with the thread that started them. Long because each is started with what it needs.

    Raises:
        EngineError: an engine could not be started; none is left running.
    """
    async with AsyncExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-")))
        durable = folder is not None
        engines: list[AbstractAsyncContextManager[_Engine]] = []
        if not endpoints.database_url:
            port = Port(ports.postgres, "POSTGRES_PORT")
            postgres = run_postgres(
                home / "postgres", port, progress, durable=durable, restarts=restarts
            )
            engines.append(postgres)
        if not endpoints.redis_url:
            port = Port(ports.valkey, "VALKEY_PORT")
            valkey = run_valkey(home / "valkey", port, progress, durable=durable, restarts=restarts)
            engines.append(valkey)
        if not endpoints.livekit_url:
            port = Port(ports.livekit, "LIVEKIT_PORT")
            media = Port(ports.livekit_media, "LIVEKIT_MEDIA_PORT")
            livekit = run_livekit(home / "livekit", cache, port, media, progress, restarts=restarts)
            engines.append(livekit)
        with _as_engine_error():
            async with asyncio.TaskGroup() as tasks:
                starts = [
                    tasks.create_task(stack.enter_async_context(engine)) for engine in engines
                ]
        started = [start.result() for start in starts]
        for engine in started:
            endpoints = replace(endpoints, **engine.endpoints())
        yield Engines(endpoints, tuple(engine.process for engine in started))


@contextmanager
def _as_engine_error() -> Generator[None]:
    try:
        yield
    except ExceptionGroup as group:
        ours, others = group.split(EngineError)
        if ours is None or others is not None:
            raise
        if len(ours.exceptions) == 1:
            raise ours.exceptions[0] from None
        raise EngineError("\n\n".join(map(str, ours.exceptions))) from None
