"""A deployment with the examples' own bot in it, and a way to run an example as a person would."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from config.settings import Settings
from orchestrator.local.deployment import Deployment, Plan, deployed
from tests.conftest import OWN_ENGINES
from tests.support.processes import held

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
Run = Callable[..., Awaitable["Ran"]]


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


async def run(*command: str | Path, **environment: str) -> Ran:
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
    return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest_asyncio.fixture(scope="session")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Deployment]:
    """API, servers and engines, without a worker."""
    plan = Plan(folder=tmp_path_factory.mktemp("deployment"), worker=False)
    async with held(deployed(Settings(**OWN_ENGINES), plan, print)) as deployment:
        yield deployment


def cli(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the CLI has to be told of a deployment."""
    names = ("DATABASE_URL", "REDIS_URL", "SERVICE_TOKEN_PRIVATE_KEY", "MCP_URL")
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    return {name: environment[name] for name in names} | {"PATH": commands}


@pytest_asyncio.fixture(scope="session")
async def applied(deployment: Deployment) -> Ran:
    """The example that stores the bot."""
    return await run("sh", EXAMPLES / "apply_a_bot.sh", **cli(deployment.environment))


@pytest_asyncio.fixture(scope="session")
async def key(applied: Ran) -> str:
    """The API key that it printed."""
    assert applied.code == 0, applied.err
    return applied.out.split()[-1]


@pytest_asyncio.fixture(scope="session")
async def example(deployment: Deployment, key: str) -> Run:
    """Run an example against the deployment."""

    async def started(name: str, *arguments: str | Path, **environment: str) -> Ran:
        told = {"ANTIPHON_URL": deployment.api_url, "ANTIPHON_KEY": key, **environment}
        return await run(sys.executable, EXAMPLES / name, *arguments, **told)

    return started
