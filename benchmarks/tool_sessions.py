"""A bot's tools at the start of a session, in a job process as the worker has it: ours, LiveKit's.

Both do what an agent has to do before its model can be asked: ours reads the lists from the cache,
LiveKit's own client connects to every server and asks for its list. The second session finds what
the first has left: of ours the connection to the cache, of LiveKit's nothing but imports.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from livekit.agents import JobExecutorType, JobProcess
from livekit.agents.llm import ToolError
from livekit.agents.llm.mcp import MCPServerHTTP, MCPToolset

from config.bots import Bot
from config.security.tokens import Signer, server_audience
from config.settings import Settings
from orchestrator.agent.job import Process
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.toolset import CallTools
from orchestrator.agent.worker import prepare
from orchestrator.mcp_client.router import READ_BUDGET, Identity, Router
from orchestrator.mcp_client.tool_cache import ToolCache, offered

HANGING = "hanging"  # the server that accepts and never answers
SERVER, TOOL = "scheduling", "get_available_slots"
ARGUMENTS = {"service": "guided tour", "when": "next Thursday after two"}
GREETING = 1.0  # seconds of greeting before anyone can want a tool
_LATER_CALLS = 10

Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Timing:
    """What the two sessions of one process took, in milliseconds; the first one makes calls."""

    fresh: float
    warm: float
    calls: tuple[float, ...]


@dataclass(frozen=True)
class Job:
    """Who has a session with which settings."""

    settings: Settings
    signer: Signer
    bot: Bot

    @property
    def identity(self) -> Identity:
        """Return for whom tools are listed and called."""
        return Identity(f"bot:{self.bot.id}", self.bot.business_id, self.bot)


def run(name: str, job: Job, answers: Connection) -> None:
    """Hold two sessions in this process, and send what they took."""
    fresh = JobProcess(executor_type=JobExecutorType.PROCESS, user_arguments=None, http_proxy=None)
    prepare(fresh, job.settings)  # as every job process is, before a call comes
    asyncio.run({"ours": _ours, "livekit": _livekit}[name](job, fresh, answers))


async def _ours(job: Job, prepared: JobProcess, answers: Connection) -> None:
    started = time.perf_counter()
    process: Process = prepared.userdata["process"]
    # Servers that are no part of this installation would be looked for among a business's own.
    constellation = Router(job.signer, job.settings.mcp_server_url)
    catalogue = ToolCache(constellation, process.cache)
    process = replace(process, constellation=constellation, catalogue=catalogue)
    await _list(process, job)
    fresh = _since(started)
    _, listing = await process.catalogue.tools(job.identity, lambda _, __: None)
    met = [  # as a call does, while the caller hears the greeting
        asyncio.create_task(process.constellation.connect(name, job.identity.claims(name)))
        for name in job.bot.enabled_servers
    ]

    async def ask() -> None:
        outcome = await process.constellation.call(
            SERVER, TOOL, ARGUMENTS, job.identity.claims(SERVER), budget=READ_BUDGET
        )
        assert outcome.error is None, outcome.text

    calls = await _calls(ask)
    for task in (tasks := [*listing, *met]):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    started = time.perf_counter()
    await _list(process, job)
    answers.send(Timing(fresh, _since(started), calls))


async def _list(process: Process, job: Job) -> None:
    """Do what a call does before its model can be asked, as far as it is about tools."""
    listed = await process.catalogue.known(job.identity)
    toolset = CallTools(
        job.bot,
        job.identity,
        process.constellation,
        lambda _, __: None,
        TurnClock(),
        small_model=False,
        hang_up=lambda: None,
    )
    toolset.function_tools(offered(job.bot, listed))
    assert set(listed) == {*job.bot.enabled_servers} - {HANGING}, (
        "the lists were to be in the cache"
    )


async def _livekit(job: Job, _: JobProcess, answers: Connection) -> None:
    async with AsyncExitStack() as stack:
        started = time.perf_counter()
        toolsets = await _set_up(job, stack)
        fresh = _since(started)
        tool: Any = next(tool for tool in toolsets[SERVER].tools if tool.id == TOOL)

        async def ask() -> None:
            try:
                await tool(raw_arguments=ARGUMENTS)
            except ToolError as error:
                raise AssertionError(error.message) from None

        calls = await _calls(ask)
        started = time.perf_counter()
        await _set_up(job, stack)
        answers.send(Timing(fresh, _since(started), calls))


async def _set_up(job: Job, stack: AsyncExitStack) -> dict[str, MCPToolset]:
    toolsets = {name: _toolset(job, name, _headers(job, name)) for name in job.bot.enabled_servers}
    for toolset in toolsets.values():
        stack.push_async_callback(toolset.aclose)
    setups = (toolset.setup() for toolset in toolsets.values())
    # Its session only logs a server that does not answer, and goes on without its tools.
    await asyncio.gather(*setups, return_exceptions=True)
    missing = [name for name, each in toolsets.items() if not each.tools and name != HANGING]
    assert not missing, f"{missing} did not list their tools"
    return toolsets


def _headers(job: Job, server: str) -> Mapping[str, str]:
    token = job.signer.mint(server_audience(server), job.identity.claims(server))
    return {"Authorization": f"Bearer {token}"}


def _toolset(job: Job, server: str, headers: Mapping[str, str]) -> MCPToolset:
    url = job.settings.mcp_server_url(server)
    return MCPToolset(id=server, mcp_server=MCPServerHTTP(url, headers=dict(headers)))


async def _calls(ask: Ask) -> tuple[float, ...]:
    await asyncio.sleep(GREETING)
    took: list[float] = []
    for _ in range(_LATER_CALLS):
        started = time.perf_counter()
        await ask()
        took.append(_since(started))
    return tuple(took)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
