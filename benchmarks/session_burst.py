"""Starts many sessions at once: how many get a room, how many a place, how many fail?

The workers tell of a number of free slots that is far below the number of callers; who waits comes
back with the ticket as the answer says. A caller fails who gets neither a room nor a place.

Run: `python -m benchmarks.session_burst [SESSIONS] [SLOTS] [SECONDS]`
"""

import asyncio
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx2
from redis.exceptions import RedisError

from benchmarks.fake_servers import model_server
from benchmarks.figures import heading, percentile
from config.cache import connect
from config.settings import Settings, required
from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.declarations import apply_file
from orchestrator.calls.queue import WorkerSlots
from orchestrator.local.deployment import Plan, run_deployment

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS, _BOT = "harbour-museum", "answering"
_TIMEOUT = 30.0


async def main(sessions: int, slots: int, seconds: float) -> None:
    """Start the sessions, let those that wait come back for some time, and print the outcome."""
    async with model_server() as models:
        extra = {"MODELS_URL": models, "CALL_QUEUE_SECONDS": "60", "MCP_CALLS_PER_MINUTE": "100000"}
        plan = Plan(None, worker=False, extra=extra)
        async with run_deployment(Settings(), plan, print) as deployment:
            await apply_file(deployment.settings, _DECLARATION)
            key = await create_api_key(deployment.settings, _BUSINESS, "burst")
            cache = connect(required("REDIS_URL", deployment.settings.redis_url))
            await WorkerSlots(cache).report("burst", slots)
            telling = asyncio.create_task(_tell_slots(WorkerSlots(cache), slots))
            print(f"{sessions} sessions at once, {slots} slots; {heading()}")
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient(
                base_url=deployment.api_url,
                headers=headers,
                timeout=_TIMEOUT,
                limits=httpx2.Limits(max_connections=None),
                trust_env=False,
            ) as http:
                outcomes: Counter[str] = Counter()
                times: list[float] = []
                until = time.monotonic() + seconds
                callers = (_call(http, until, outcomes, times) for _ in range(sessions))
                await asyncio.gather(*callers)
            telling.cancel()
            await cache.aclose()
    print(f"  last answers: {dict(outcomes)}")
    figures = ", ".join(f"p{each} {percentile(times, each):.1f}" for each in (50, 95, 100))
    print(f"  seconds to the first answer: {figures}")
    print(f"at the end: {heading()}")


async def _tell_slots(slots: WorkerSlots, free: int) -> None:
    """Tell of free slots as a worker does; the cache may be late, since this process is busy."""
    while True:
        with suppress(RedisError):
            await slots.report("burst", free)
        await asyncio.sleep(1)


async def _call(
    http: httpx2.AsyncClient, until: float, outcomes: Counter[str], times: list[float]
) -> None:
    """Start one session, and come back while there is a place in the queue."""
    body: dict[str, str] = {"bot": _BOT}
    started, first = time.monotonic(), True
    while True:
        try:
            answer = await http.post("/api/sessions/start", json=body)
        except httpx2.HTTPError as error:
            outcomes[type(error).__name__] += 1
            return
        if first:
            times.append(time.monotonic() - started)
            first = False
        if answer.status_code != 202 or time.monotonic() > until:
            known = answer.json().get("message", "")
            outcomes[f"{answer.status_code} {known}".strip()] += 1
            return
        body["ticket"] = answer.json()["ticket"]
        await asyncio.sleep(answer.json()["retry_after"])


if __name__ == "__main__":
    arguments = [int(each) for each in sys.argv[1:]]
    asyncio.run(main(*(arguments + [200, 20, 30][len(arguments) :])))
