"""Processes of ours that tests run, and contexts that fixtures hold open."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import httpx2

from orchestrator.engines.ports import free_port
from orchestrator.engines.process import Program, run_program

T = TypeVar("T")


@asynccontextmanager
async def in_one_task(context: AbstractAsyncContextManager[T]) -> AsyncGenerator[T]:
    """Enter and leave `context` in one task: pytest-asyncio uses two, which anyio refuses."""
    entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    holder = asyncio.create_task(hold())
    holder.add_done_callback(lambda _: entered.cancel())
    try:
        yield await entered
    except asyncio.CancelledError:
        await holder  # raises what kept the context from being entered
        raise
    finally:
        leave.set()
        await holder


def answers(url: str) -> Callable[[object], Awaitable[bool]]:
    """Return a check of whether `url` answers, for `running()`."""

    async def ready(_: object) -> bool:
        try:
            async with httpx2.AsyncClient(timeout=1, trust_env=False) as client:
                return (await client.get(url)).is_success
        except httpx2.HTTPError:
            return False

    return ready


@asynccontextmanager
async def mcp_process(environment: Mapping[str, str]) -> AsyncGenerator[str]:
    """Run `antiphon mcp` as a process of its own; yields where it listens."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(
            name="mcp",
            command=[sys.executable, "-m", "orchestrator", "mcp"],
            log=Path(folder) / "mcp.log",
            env={**os.environ, **environment, "MCP_PORT": str(port)},
        )
        url = f"http://127.0.0.1:{port}"
        async with in_one_task(run_program(program, answers(f"{url}/healthz"))):
            yield url
