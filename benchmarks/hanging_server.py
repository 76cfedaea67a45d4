"""What a server that accepts and never answers costs a call: the time to its greeting.

Run: `python -m benchmarks.hanging_server [CALLS]`
"""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

from benchmarks.figures import heading, spread
from benchmarks.wire import hanging_server, model_server
from config.settings import Settings
from orchestrator.applying import applied
from orchestrator.demo.caller import Caller
from orchestrator.deployment import Plan, deployed

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS = "harbour-museum"
_BOTS = ("answering", "answering-again", "answering-and-hanging")
_PATIENCE = 30.0  # seconds
_REST = 2.0  # seconds in which the worker prepares the next process


async def main(calls: int) -> None:
    """Call three bots in turn: two are alike, the third has a server more, which hangs."""
    greetings: dict[str, list[float]] = {bot: [] for bot in _BOTS}
    async with model_server() as models, hanging_server() as hanging:
        servers = json.dumps({"knowledge": f"{hanging}/knowledge/mcp"})
        extra = {"MODELS_URL": models, "MCP_URLS": servers, "WORKER_MAX_CALLS": "4"}
        async with deployed(Settings(), Plan(folder=None, extra=extra), _quiet) as deployment:
            await applied(deployment.settings, _DECLARATION)
            for bot in _BOTS:  # the servers' first requests, and what a bot's first call caches
                await _greeting(deployment.api_url, bot)
            print(f"hanging_server: {calls} calls a bot, in turn; {heading()}")
            for number in range(calls):
                for bot in sorted(_BOTS, reverse=bool(number % 2)):
                    greetings[bot].append(await _greeting(deployment.api_url, bot))
            print(f"at the end: {heading()}")
    print(f"{'milliseconds from the start of the session':44}{'p50':>8}{'p95':>9}")
    for bot in _BOTS:
        print(f"{bot:44}{spread(greetings[bot])}")
    first, again, hanging_too = (statistics.median(greetings[bot]) for bot in _BOTS)
    print(f"between the two that are alike: {again - first:+.0f} ms (what chance does)")
    both = statistics.median(greetings[_BOTS[0]] + greetings[_BOTS[1]])
    print(f"with the hanging server: {hanging_too - both:+.0f} ms (aim: at most 50)")


def _quiet(_: str) -> None:
    pass


async def _greeting(api_url: str, bot: str) -> float:
    """Call, and return the milliseconds until the caller heard a voice."""
    caller = Caller()
    started = time.time()
    await caller.call(api_url, _BUSINESS, bot)
    heard = await caller.reply(started, _PATIENCE)
    await caller.hang_up()
    await asyncio.sleep(_REST)
    assert heard is not None, f"{bot} did not answer"
    return (heard - started) * 1000


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 15))
