"""How soon a session has its tools, and what its first call costs: ours, LiveKit's own client.

Run: `python -m benchmarks.tools_ready [SAMPLES]`
"""

import asyncio
import multiprocessing
import statistics
import sys
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

from sqlalchemy import text

from benchmarks.figures import heading, spread
from benchmarks.tool_sessions import GREETING, Job, Timing, run
from config.bots import Bot, load
from config.settings import Settings, required
from config.tokens import Signer
from orchestrator.agent.worker import PRELOAD
from orchestrator.applying import applied, stores
from orchestrator.deployment import Deployment, Plan, deployed
from orchestrator.inspecting import listed_tools

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS, _BOT = "harbour-museum", "three-servers"
_SIDES = ("ours", "livekit")
_PATIENCE = 60.0  # seconds

Sessions = dict[str, list[tuple[Timing, Timing]]]


async def main(samples: int) -> None:
    """Measure both sides in turn, each in a fresh process."""
    async with deployed(Settings(), Plan(folder=None, worker=False), _quiet) as deployment:
        await applied(deployment.settings, _DECLARATION)
        await listed_tools(deployment.settings, _BUSINESS, _BOT)
        job = await _job(deployment)
        jobs = multiprocessing.get_context("forkserver")
        jobs.set_forkserver_preload([*PRELOAD, "benchmarks.tool_sessions"])
        for side in _SIDES:  # the servers' first requests, and the fork server's imports
            await asyncio.to_thread(_sample, jobs, side, job)
        print(f"tools_ready: {samples} processes a side, in turn; {heading()}")
        sessions: Sessions = {side: [] for side in _SIDES}
        for _ in range(samples):
            for side in _SIDES:
                sessions[side].append(await asyncio.to_thread(_sample, jobs, side, job))
        print(f"at the end: {heading()}")
    _report(sessions)


def _quiet(_: str) -> None:
    pass


async def _job(deployment: Deployment) -> Job:
    settings = deployment.settings
    async with stores(settings) as (database, cache):
        async with database.nobody() as session:
            query = text("select business_id, bot_id from find_bot(:business, :bot)")
            found = await session.execute(query, {"business": _BUSINESS, "bot": _BOT})
            row = found.one()
        bot: Bot = await load(database, cache, row.business_id, row.bot_id)
    key = required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key)
    return Job(settings, Signer(key), bot)


def _sample(jobs: ForkServerContext, side: str, job: Job) -> tuple[Timing, Timing]:
    answers, sender = jobs.Pipe(duplex=False)
    process = jobs.Process(target=run, args=(side, job, sender))
    process.start()
    sender.close()
    try:
        if not answers.poll(_PATIENCE):
            raise TimeoutError(f"a session of {side} took more than {_PATIENCE:g} s")
        both: tuple[Timing, Timing] = answers.recv()
        return both
    finally:
        process.kill()
        process.join()


def _report(sessions: Sessions) -> None:
    rows: list[tuple[str, Callable[[tuple[Timing, Timing]], float]]] = [
        ("tools ready, first session of the process", lambda both: both[0].ready),
        ("tools ready, second session", lambda both: both[1].ready),
        (f"first tool call, {GREETING:g} s after that", lambda both: both[0].calls[0]),
        ("second tool call", lambda both: both[0].calls[1]),
        ("later tool calls", lambda both: statistics.median(both[0].calls[2:])),
    ]
    print(f"{'milliseconds':44}{'ours p50':>9}{'p95':>9}{'livekit p50':>13}{'p95':>9}{'ratio':>7}")
    for name, of in rows:
        ours, theirs = ([of(both) for both in sessions[side]] for side in _SIDES)
        ratio = statistics.median(theirs) / statistics.median(ours)
        print(f"{name:44}{spread(ours)}     {spread(theirs)}{ratio:6.1f}x")
    for side in _SIDES:
        print(f"{side}: first call / second call {_first_to_second(sessions[side]):.2f} (median)")


def _first_to_second(sessions: Sequence[tuple[Timing, Timing]]) -> float:
    return statistics.median(both[0].calls[0] / both[0].calls[1] for both in sessions)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 20))
