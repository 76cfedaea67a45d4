"""Measures what a server that accepts and never answers costs a call: the time to its greeting.

Run: `python -m benchmarks.hanging_server [CALLS]`
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.fake_servers import hanging_server, model_server
from benchmarks.figures import heading, percentile
from config.settings import Settings
from orchestrator.admin.declarations import apply_file
from orchestrator.demo.caller import Caller
from orchestrator.local.deployment import Plan, run_deployment

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS = "harbour-museum"
_BOTS = ("answering", "answering-again", "answering-and-hanging")
_GREETING_TIMEOUT = 30.0  # seconds
_REST = 2.0  # seconds in which the worker prepares the next process


async def main(calls: int) -> None:
    """Call three bots: two are alike, the third has one more server, which hangs."""
    order = random.Random(0)
    greetings: dict[str, list[float]] = {bot: [] for bot in _BOTS}
    async with model_server() as models, hanging_server() as hanging:
        servers = json.dumps({"knowledge": f"{hanging}/knowledge/mcp"})
        extra = {"MODELS_URL": models, "MCP_URLS": servers, "WORKER_MAX_CALLS": "4"}
        async with run_deployment(Settings(), Plan(folder=None, extra=extra), _quiet) as deployment:
            await apply_file(deployment.settings, _DECLARATION)
            for bot in _BOTS:  # the servers' first requests, and what a bot's first call caches
                await _greeting(deployment.api_url, bot)
            print(f"hanging_server: {calls} calls a bot, in a random order; {heading()}")
            for _ in range(calls):
                for bot in order.sample(_BOTS, len(_BOTS)):
                    greetings[bot].append(await _greeting(deployment.api_url, bot))
            print(f"at the end: {heading()}")
    print(f"{'milliseconds from the start of the session':44}{'p25':>8}{'p50':>8}{'p95':>8}")
    for bot in _BOTS:
        print(f"{bot:44}{''.join(f'{percentile(greetings[bot], p):8.0f}' for p in (25, 50, 95))}")
    for percent in (25, 50):
        _compare(greetings, percent)


def _compare(greetings: Mapping[str, Sequence[float]], percent: float) -> None:
    first, second, hanging = (greetings[bot] for bot in _BOTS)
    chance = percentile(second, percent) - percentile(first, percent)
    cost = percentile(hanging, percent) - percentile([*first, *second], percent)
    control = f"{chance:+.0f} ms between the two that are alike"
    print(f"p{percent}: {cost:+.0f} ms with the hanging server, {control}")


def _quiet(_: str) -> None:
    pass


async def _greeting(api_url: str, bot: str) -> float:
    """Call, and return the milliseconds until the caller heard a voice."""
    caller = Caller()
    started = time.time()
    await caller.call(api_url, _BUSINESS, bot)
    heard = await caller.wait_for_reply(started, _GREETING_TIMEOUT)
    await caller.hang_up()
    await asyncio.sleep(_REST)
    assert heard is not None, f"{bot} did not answer"
    return (heard - started) * 1000


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 15))
