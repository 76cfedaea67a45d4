"""A deployment with the examples' own bot in it, and a way to run an example as a person would."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from config.settings import Settings
from orchestrator.local.deployment import Deployment, Plan, run_deployment
from tests.support.processes import in_one_task

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
RunExample = Callable[..., Awaitable["CommandResult"]]


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    code: int
    out: str
    err: str


async def run(*command: str | Path, **environment: str) -> CommandResult:
    """Run a command in an empty environment but for what is given."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=ROOT,
        env={"PATH": os.defpath, "HOME": os.environ["HOME"], **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return CommandResult(process.returncode or 0, out.decode(), err.decode())


def cli(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the CLI has to be told of a deployment."""
    names = ("DATABASE_URL", "REDIS_URL", "SERVICE_TOKEN_PRIVATE_KEY", "MCP_URL")
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    return {name: environment[name] for name in names} | {"PATH": commands}


async def apply_example(
    environment: Mapping[str, str], *declaration: str | Path, secrets: Sequence[str] = ()
) -> CommandResult:
    """Store a bot with the example that does so; it prints an API key last.

    `secrets` are the names of variables that the declaration needs besides.
    """
    variables = cli(environment) | {name: environment[name] for name in secrets}
    return await run("sh", EXAMPLES / "apply_a_bot.sh", *declaration, **variables)


def example_runner(api_url: str, key: str) -> RunExample:
    """Return a function that runs an example against a deployment."""

    async def run_example(name: str, *arguments: str | Path, **environment: str) -> CommandResult:
        variables = {"ANTIPHON_URL": api_url, "ANTIPHON_KEY": key, **environment}
        return await run(sys.executable, EXAMPLES / name, *arguments, **variables)

    return run_example


@pytest_asyncio.fixture(scope="session")
async def api_deployment(
    engine_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Deployment]:
    """API and servers, without a worker: most examples make no call."""
    plan = Plan(folder=tmp_path_factory.mktemp("api"), worker=False)
    async with in_one_task(run_deployment(engine_settings, plan, print)) as deployment:
        yield deployment


@pytest_asyncio.fixture(scope="session")
async def applied(api_deployment: Deployment) -> CommandResult:
    """The example that stores the bot."""
    return await apply_example(api_deployment.environment)


@pytest_asyncio.fixture(scope="session")
async def key(applied: CommandResult) -> str:
    """The API key that it printed."""
    assert applied.code == 0, applied.err
    return applied.out.split()[-1]


@pytest_asyncio.fixture(scope="session")
async def example(api_deployment: Deployment, key: str) -> RunExample:
    """Run an example against the deployment."""
    return example_runner(api_deployment.api_url, key)
