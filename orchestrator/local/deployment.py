"""Runs a deployment on one machine: the engines, then our own processes, concurrently."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from pydantic import SecretStr

from config.migrate import migrate
from config.security.encryption import Keyring
from config.security.tokens import Signer
from config.settings import Settings
from config.settings import environment as own_environment
from orchestrator.engines.engines import Endpoints, Engines, Ports, start_engines
from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import write_private_file
from orchestrator.engines.ports import Port
from orchestrator.engines.process import (
    Process,
    Program,
    Progress,
    Ready,
    Restarts,
    run_program,
)
from orchestrator.local.environments import process_environment

_HEALTH_TIMEOUT = 0.5  # seconds that one health request may take


@dataclass(frozen=True)
class Plan:
    """Which processes to run, and where; a port of 0 takes any free one.

    `folder` holds the data; without one, it is temporary. `extra` are environment variables. With
    `restart`, a process or engine that ends by itself is started again. It has many fields because
    each port and process is chosen by itself.
    """

    folder: Path | None
    ports: Ports = field(default_factory=Ports)
    api_port: int = 0
    mcp_port: int = 0
    models_port: int = 0
    worker_port: int = 0
    models: bool = False
    llm: bool = True
    worker: bool = True
    jobs: bool = False
    restart: bool = False
    livekit_client: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Deployment:
    """A running deployment: its URLs, settings, environment and processes.

    `environment` has what all processes together are told, the secrets of each among it.
    """

    api_url: str
    models_url: str | None
    livekit_url: str
    settings: Settings
    environment: Mapping[str, str] = field(repr=False)
    engines: Engines
    processes: tuple[Process, ...]

    def environment_of(self, process: str) -> dict[str, str]:
        """Return the environment of one of our processes."""
        return process_environment(process, self.environment)

    async def failure(self) -> EngineError:
        """Wait until a process ends for good, and return an error with the end of its log."""
        waiting = [asyncio.ensure_future(process.failure()) for process in self.processes]
        waiting.append(asyncio.ensure_future(self.engines.failure()))
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in waiting:
                task.cancel()


@asynccontextmanager
async def run_deployment(
    settings: Settings, plan: Plan, progress: Progress
) -> AsyncGenerator[Deployment]:
    """Run a deployment, and stop all of it at exit; long because all is started in one order.

    Raises:
        EngineError: a process could not be started; the others are stopped.
    """
    restarts = Restarts(progress=progress) if plan.restart else None
    async with AsyncExitStack() as stack:
        home = plan.folder or Path(stack.enter_context(_temporary_folder()))
        engines = await stack.enter_async_context(
            start_engines(
                _endpoints(settings),
                folder=home / "engines",
                cache=settings.cache_dir,
                progress=progress,
                ports=plan.ports,
                restarts=restarts,
            )
        )
        endpoints = engines.endpoints
        await asyncio.to_thread(migrate, endpoints.migration_database_url, endpoints.database_url)
        progress("database: schema is up to date")
        environment = _environment(settings, plan, engines, home)
        programs = _programs(plan, environment, home / "logs")
        async with asyncio.TaskGroup() as tasks:
            started = [
                tasks.create_task(
                    stack.enter_async_context(_running(program, ready, progress, restarts))
                )
                for program, ready in programs
            ]
        yield Deployment(
            api_url=f"http://127.0.0.1:{environment['API_PORT']}",
            models_url=environment["MODELS_URL"] if plan.models else None,
            livekit_url=endpoints.livekit_url,
            settings=_settings(settings, endpoints, environment),
            environment=environment,
            engines=engines,
            processes=tuple(task.result() for task in started),
        )


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="antiphon-")


@asynccontextmanager
async def _running(
    program: Program, ready: Ready, progress: Progress, restarts: Restarts | None
) -> AsyncGenerator[Process]:
    async with run_program(program, ready, restarts) as process:
        progress(f"{program.name}: ready")
        yield process


def _programs(
    plan: Plan, environment: Mapping[str, str], logs: Path
) -> list[tuple[Program, Ready]]:
    logs.mkdir(parents=True, exist_ok=True)

    def program(
        name: str, *arguments: str, deadline: float = 60, ready_file: Path | None = None
    ) -> Program:
        return Program(
            name=name,
            command=[sys.executable, "-m", "orchestrator", *arguments],
            log=logs / f"{name}.log",
            env=process_environment(name, environment),
            ready_file=ready_file,
            deadline=deadline,
        )

    port = environment.__getitem__
    programs = [
        (program("mcp", "mcp"), _answers(f"http://127.0.0.1:{port('MCP_PORT')}/healthz")),
        (program("api", "api"), _answers(f"http://127.0.0.1:{port('API_PORT')}/healthz")),
    ]
    if plan.models:
        health = f"http://127.0.0.1:{port('MODELS_PORT')}/health"
        options = ("models",) if plan.llm else ("models", "--no-llm")
        programs.append((program("models", *options, deadline=300), _answers(health)))
    if plan.worker:
        made = Path(port("WORKER_READY_FILE"))
        worker = program("worker", "worker", deadline=90, ready_file=made)
        programs.append((worker, _exists(made)))
    if plan.jobs:
        made = Path(port("JOBS_READY_FILE"))
        programs.append((program("jobs", "jobs", ready_file=made), _exists(made)))
    return programs


def _exists(path: Path) -> Ready:
    async def ready(_: Process) -> bool:
        return await asyncio.to_thread(path.exists)

    return ready


def _answers(url: str) -> Ready:
    async def ready(_: Process) -> bool:
        try:
            async with httpx2.AsyncClient(timeout=_HEALTH_TIMEOUT, trust_env=False) as client:
                return (await client.get(url)).is_success
        except httpx2.HTTPError:
            return False

    return ready


def _environment(settings: Settings, plan: Plan, engines: Engines, home: Path) -> dict[str, str]:
    """Return the variables of all our processes together."""
    ports = {
        "API_PORT": str(Port(plan.api_port, "API_PORT").tcp()),
        "MCP_PORT": str(Port(plan.mcp_port, "MCP_PORT").tcp()),
        "MODELS_PORT": str(Port(plan.models_port, "MODELS_PORT").tcp()),
        "WORKER_PORT": str(Port(plan.worker_port, "WORKER_PORT").tcp()),
    }
    own = {
        **ports,
        "MCP_URL": f"http://127.0.0.1:{ports['MCP_PORT']}/{{server}}/mcp",
        "MODELS_URL": f"http://127.0.0.1:{ports['MODELS_PORT']}/v1",
        "WORKER_DRAIN_SECONDS": "1",  # Ctrl-C must not wait for calls to end
        "EMBEDDED_MODELS": str(plan.models).lower(),
        "ANTIPHON_STATE": str(home),
        "WORKER_READY_FILE": str(home / "worker.ready"),
        "JOBS_READY_FILE": str(home / "jobs.ready"),
        "ANTIPHON_CACHE": str(settings.cache_dir),
        **_service_keys(settings),
        "VAULT_KEYS": _vault_keys(settings, home),
    }
    if not plan.worker:
        own["CALL_QUEUE_SECONDS"] = "0"  # for a worker that never comes
    if plan.livekit_client is not None:
        own["LIVEKIT_CLIENT"] = str(plan.livekit_client)
    return {**own_environment(), **engines.endpoints.to_environment(), **own, **plan.extra}


def _settings(settings: Settings, endpoints: Endpoints, environment: Mapping[str, str]) -> Settings:
    """Return settings with which this process reaches the deployment."""
    return settings.model_copy(
        update={
            "database_url": SecretStr(endpoints.database_url),
            "redis_url": SecretStr(endpoints.redis_url),
            "service_token_private_key": SecretStr(environment["SERVICE_TOKEN_PRIVATE_KEY"]),
            "vault_keys": SecretStr(environment["VAULT_KEYS"]),
            "mcp_url": environment["MCP_URL"],
            "models_url": environment["MODELS_URL"],
        }
    )


def _service_keys(settings: Settings) -> dict[str, str]:
    if settings.service_token_private_key is None:
        signer = Signer.generate()
    else:
        signer = Signer(settings.service_token_private_key.get_secret_value())
    return {
        "SERVICE_TOKEN_PRIVATE_KEY": signer.private_key,
        "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
    }


def _vault_keys(settings: Settings, home: Path) -> str:
    """Return the configured vault keys, else keys generated once and stored beside the database."""
    if settings.vault_keys is not None:
        return settings.vault_keys.get_secret_value()
    path = home / "vault.keys"
    if not path.exists():
        write_private_file(path, Keyring.new_key("k1"))
    return path.read_text(encoding="utf-8")


def _endpoints(settings: Settings) -> Endpoints:
    return Endpoints(
        database_url=_plain(settings.database_url),
        migration_database_url=_plain(settings.migration_database_url),
        redis_url=_plain(settings.redis_url),
        livekit_url=settings.livekit_url or "",
        livekit_api_key=settings.livekit_api_key or "",
        livekit_api_secret=_plain(settings.livekit_api_secret),
    )


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
