"""Measures how soon a session has its tools, and its first calls: our client and LiveKit's.

With 1, 6 and 13 servers, and with one of 6 and 13 hanging: it accepts and never answers. Three are
different servers, and the others copies of one under other names.

Run: `python -m benchmarks.tools_ready [SAMPLES]`
"""

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

from sqlalchemy import text

from benchmarks.fake_servers import hanging_server
from benchmarks.figures import heading, spread
from benchmarks.peers import CALENDARS, peer
from benchmarks.tool_sessions import GREETING, HANGING, Job, Timing, run
from config.bot_settings import ServerUse
from config.bots import Bot, load_bot
from config.security.tokens import Signer
from config.settings import Settings, required
from orchestrator.admin.declarations import apply_file, open_stores
from orchestrator.agent.worker import PRELOAD
from orchestrator.engines.ports import free_port
from orchestrator.local.deployment import Deployment, Plan, run_deployment
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool_cache import ToolCache

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS, _BOT = "harbour-museum", "three-servers"
_SIDES = ("ours", "livekit")
_SESSION_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class Case:
    """The number of the bot's servers, including a hanging one."""

    servers: int
    hanging: bool = False

    def __str__(self) -> str:
        """Return a title."""
        count = "1 server" if self.servers == 1 else f"{self.servers} servers"
        return f"{count}, one hanging" if self.hanging else count


_CASES = (Case(1), Case(6), Case(13), Case(6, hanging=True), Case(13, hanging=True))

Timings = dict[tuple[Case, str], list[Timing]]


async def main(samples: int) -> None:
    """Measure both sides in turn, each in a fresh process."""
    async with AsyncExitStack() as stack:
        plan = Plan(folder=None, worker=False)
        deployment = await stack.enter_async_context(run_deployment(Settings(), plan, _quiet))
        await apply_file(deployment.settings, _DECLARATION)
        jobs = await _jobs(deployment, stack)
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload([*PRELOAD, "benchmarks.tool_sessions"])
        for side in _SIDES:  # the servers' first requests, and the fork server's imports
            await asyncio.to_thread(_sample, processes, side, jobs[Case(13)])
        print(f"tools_ready: {samples} processes a side and case, in turn; {heading()}")
        timings: Timings = {(case, side): [] for case in _CASES for side in _SIDES}
        for _ in range(samples):
            for case, side in timings:
                timing = await asyncio.to_thread(_sample, processes, side, jobs[case])
                timings[case, side].append(timing)
        print(f"at the end: {heading()}")
    _report(timings)


def _quiet(_: str) -> None:
    pass


async def _jobs(deployment: Deployment, stack: AsyncExitStack) -> dict[Case, Job]:
    """Start the other servers; return a job for each case, with its tool lists in the cache."""
    logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-")))
    calendars = await stack.enter_async_context(
        peer("calendars", free_port(), "/{server}/mcp", deployment.environment, logs)
    )
    hanging = await stack.enter_async_context(hanging_server())
    urls = {name: calendars.url.format(server=name) for name in CALENDARS}
    urls[HANGING] = f"{hanging}/mcp"
    settings = deployment.settings.model_copy(update={"mcp_urls": urls})
    key = required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key)
    stored = await _stored_bot(settings)
    others = {name: ServerUse(integration="tours") for name in CALENDARS}
    jobs: dict[Case, Job] = {}
    for number, case in enumerate(_CASES):
        answering = case.servers - case.hanging
        servers = dict(list({**stored.servers, **others}.items())[:answering])
        servers |= {HANGING: ServerUse()} if case.hanging else {}
        # Lists are kept per version of a bot.
        bot = stored.model_copy(update={"servers": servers, "version": 1000 + number})
        jobs[case] = Job(settings, Signer(key), bot)
        await _cache_tool_lists(jobs[case])
    return jobs


async def _stored_bot(settings: Settings) -> Bot:
    async with open_stores(settings) as (database, cache):
        async with database.unscoped() as session:
            query = text("select business_id, bot_id from find_bot(:business, :bot)")
            result = await session.execute(query, {"business": _BUSINESS, "bot": _BOT})
            row = result.one()
        bot = await load_bot(database, cache, row.business_id, row.bot_id)
    first = {"scheduling": bot.servers["scheduling"]}
    return bot.model_copy(update={"servers": {**first, **bot.servers}})


async def _cache_tool_lists(job: Job) -> None:
    """Put the bot's tool lists into the cache, as its first call does."""
    router = Router(job.signer, job.settings.mcp_server_url)
    async with open_stores(job.settings) as (_, cache):
        tool_cache = ToolCache(router, cache)
        for name in job.bot.enabled_servers:
            if name != HANGING:
                await tool_cache.refresh(job.identity, name)
    await router.aclose()


def _sample(processes: ForkServerContext, side: str, job: Job) -> Timing:
    answers, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=run, args=(side, job, sender))
    process.start()
    sender.close()
    try:
        if not answers.poll(_SESSION_TIMEOUT):
            raise TimeoutError(f"a session of {side} took more than {_SESSION_TIMEOUT:g} s")
        timing: Timing = answers.recv()
        return timing
    finally:
        process.kill()
        process.join()


def _report(timings: Mapping[tuple[Case, str], Sequence[Timing]]) -> None:
    rows: list[tuple[str, Callable[[Timing], float]]] = [
        ("tools ready, first session of the process", lambda each: each.fresh),
        ("tools ready, second session", lambda each: each.warm),
        (f"first tool call, {GREETING:g} s after the first", lambda each: each.calls[0]),
        ("second tool call", lambda each: each.calls[1]),
        ("later tool calls", lambda each: statistics.median(each.calls[2:])),
    ]
    for case in _CASES:
        print(f"\n{case!s:44}{'ours p50':>9}{'p95':>9}{'livekit p50':>13}{'p95':>9}{'ratio':>7}")
        for name, of in rows:
            ours, theirs = ([of(each) for each in timings[case, side]] for side in _SIDES)
            ratio = statistics.median(theirs) / statistics.median(ours)
            print(f"{name:44}{spread(ours)}     {spread(theirs)}{ratio:6.1f}x")
        compared = (f"{side} {_first_to_second(timings[case, side]):.2f}" for side in _SIDES)
        print(f"first call / second call, median: {', '.join(compared)}")
    print("\nmilliseconds; tools are ready where the model could be asked")


def _first_to_second(timings: Sequence[Timing]) -> float:
    return statistics.median(each.calls[0] / each.calls[1] for each in timings)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 10))
