"""A bot's tools at the start of a session, in a job process as the worker has it: ours, LiveKit's.

Both do what an agent has to do before its model can be asked: ours reads the lists from the cache,
LiveKit's own client connects to every server and asks for its list.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from livekit.agents import JobExecutorType, JobProcess
from livekit.agents.llm import ToolError
from livekit.agents.llm.mcp import MCPServerHTTP, MCPToolset

from config.bots import Bot
from config.settings import Settings
from config.tokens import Signer, server_audience
from orchestrator.agent.catalogue import offered, servers_of
from orchestrator.agent.job import Process
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.toolset import CallTools
from orchestrator.agent.worker import prepare
from orchestrator.constellation import READ_BUDGET, Identity

SERVER, TOOL = "scheduling", "get_available_slots"
ARGUMENTS = {"service": "guided tour", "when": "next Thursday after two"}
GREETING = 1.0  # seconds of greeting before anyone can want a tool
_LATER_CALLS = 10

Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Timing:
    """What one session took, in milliseconds."""

    ready: float
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
    """Hold two sessions in this process, and send what each took."""
    prepare(JobProcess(executor_type=JobExecutorType.PROCESS, user_arguments=None, http_proxy=None))
    answers.send(asyncio.run(_both(name, job)))


async def _both(name: str, job: Job) -> tuple[Timing, Timing]:
    session = {"ours": _ours, "livekit": _livekit}[name]
    return await session(job), await session(job)


async def _ours(job: Job) -> Timing:
    started = time.perf_counter()
    process = Process.connect(job.settings)
    try:
        listed, asked = await process.catalogue.tools(job.identity, lambda _, __: None)
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
        ready = _since(started)
        assert set(listed) == set(servers_of(job.bot)), "the lists were to be in the cache"
        asked += [
            asyncio.create_task(process.constellation.connect(name, job.identity.claims(name)))
            for name in listed  # as a call does, while the caller hears the greeting
        ]

        async def ask() -> None:
            outcome = await process.constellation.call(
                SERVER, TOOL, ARGUMENTS, job.identity.claims(SERVER), budget=READ_BUDGET
            )
            assert outcome.error is None, outcome.text

        timing = Timing(ready, await _calls(ask))
        await asyncio.gather(*asked)
        return timing
    finally:
        await process.aclose()


async def _livekit(job: Job) -> Timing:
    headers = {name: _headers(job, name) for name in servers_of(job.bot)}
    started = time.perf_counter()
    async with AsyncExitStack() as stack:
        toolsets = {name: _toolset(job, name, headers[name]) for name in headers}
        for toolset in toolsets.values():
            stack.push_async_callback(toolset.aclose)
        await asyncio.gather(*(toolset.setup() for toolset in toolsets.values()))
        ready = _since(started)
        tool: Any = next(tool for tool in toolsets[SERVER].tools if tool.id == TOOL)

        async def ask() -> None:
            try:
                await tool(raw_arguments=ARGUMENTS)
            except ToolError as error:
                raise AssertionError(error.message) from None

        return Timing(ready, await _calls(ask))


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
