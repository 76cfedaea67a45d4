"""Prepares a bot's tools at the start of a session, in a job process: our way, and LiveKit's.

Both do what an agent has to do before its model can be called: ours reads the lists from the
cache, LiveKit's own MCP client connects to every server and lists its tools. The second session
reuses what the first has left: ours the connection to the cache, LiveKit's only imports.
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
from config.protocol import READ_BUDGET
from config.security.tokens import Signer, server_audience
from config.settings import Settings
from orchestrator.agent.client_events import discard_event
from orchestrator.agent.fillers import Fillers
from orchestrator.agent.job import Process
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_runner import ToolRunner
from orchestrator.agent.toolset import Toolset
from orchestrator.agent.worker import prepare_process
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool_cache import ToolCache, visible_tools

HANGING = "hanging"  # the server that accepts and never answers
SERVER, TOOL = "scheduling", "get_available_slots"
ARGUMENTS = {"service": "guided tour", "when": "next Thursday after two"}
GREETING = 1.0  # seconds of greeting before a tool can be needed
_LATER_CALLS = 10

MakeCall = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Timing:
    """Milliseconds of the two sessions of one process, and of the first one's calls."""

    fresh: float
    warm: float
    calls: tuple[float, ...]


@dataclass(frozen=True)
class Job:
    """The bot that has a session, and the settings for it."""

    settings: Settings
    signer: Signer
    bot: Bot

    @property
    def identity(self) -> Identity:
        """Return the identity that lists and calls tools."""
        return Identity(f"bot:{self.bot.id}", self.bot.business_id, self.bot)


def run(name: str, job: Job, answers: Connection) -> None:
    """Run two sessions in this process, and send their timing."""
    fresh = JobProcess(executor_type=JobExecutorType.PROCESS, user_arguments=None, http_proxy=None)
    prepare_process(fresh, job.settings)  # as every job process is, before a call comes
    asyncio.run({"ours": _ours, "livekit": _livekit}[name](job, fresh, answers))


async def _ours(job: Job, prepared: JobProcess, answers: Connection) -> None:
    started = time.perf_counter()
    process: Process = prepared.userdata["process"]
    # Without a directory: the benchmark's servers are not external servers of a business.
    router = Router(job.signer, job.settings.mcp_server_url)
    tool_cache = ToolCache(router, process.cache)
    process = replace(process, router=router, tool_cache=tool_cache)
    await _list(process, job)
    fresh = _elapsed_ms(started)
    _, listing = await process.tool_cache.get_and_refresh(job.identity, lambda _, __: None)
    met = [  # as a call does, while the caller hears the greeting
        asyncio.create_task(process.router.connect(name, job.identity.claims(name)))
        for name in job.bot.enabled_servers
    ]

    async def call() -> None:
        outcome = await process.router.call(
            SERVER, TOOL, ARGUMENTS, job.identity.claims(SERVER), budget=READ_BUDGET
        )
        assert outcome.error is None, outcome.text

    calls = await _time_calls(call)
    for task in (tasks := [*listing, *met]):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    started = time.perf_counter()
    await _list(process, job)
    answers.send(Timing(fresh, _elapsed_ms(started), calls))


async def _list(process: Process, job: Job) -> None:
    """Prepare the tools as a call does before its model can be called."""
    listed = await process.tool_cache.get_cached(job.identity)
    runner = ToolRunner(
        job.bot,
        job.identity,
        process.router,
        discard_event,
        TurnClock(discard_event),
        Fillers(-1),
        small_model=False,
    )
    toolset = Toolset(job.bot, runner, lambda: None)
    toolset.function_tools(visible_tools(job.bot, listed))
    assert set(listed) == {*job.bot.enabled_servers} - {HANGING}, (
        "the lists were to be in the cache"
    )


async def _livekit(job: Job, _: JobProcess, answers: Connection) -> None:
    async with AsyncExitStack() as stack:
        started = time.perf_counter()
        toolsets = await _set_up(job, stack)
        fresh = _elapsed_ms(started)
        tool: Any = next(tool for tool in toolsets[SERVER].tools if tool.id == TOOL)

        async def call() -> None:
            try:
                await tool(raw_arguments=ARGUMENTS)
            except ToolError as error:
                raise AssertionError(error.message) from None

        calls = await _time_calls(call)
        started = time.perf_counter()
        await _set_up(job, stack)
        answers.send(Timing(fresh, _elapsed_ms(started), calls))


async def _set_up(job: Job, stack: AsyncExitStack) -> dict[str, MCPToolset]:
    toolsets = {name: _toolset(job, name, _headers(job, name)) for name in job.bot.enabled_servers}
    for toolset in toolsets.values():
        stack.push_async_callback(toolset.aclose)
    setups = (toolset.setup() for toolset in toolsets.values())
    # LiveKit's session only logs a server that does not answer, and goes on without its tools.
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


async def _time_calls(call: MakeCall) -> tuple[float, ...]:
    await asyncio.sleep(GREETING)
    durations: list[float] = []
    for _ in range(_LATER_CALLS):
        started = time.perf_counter()
        await call()
        durations.append(_elapsed_ms(started))
    return tuple(durations)


def _elapsed_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
