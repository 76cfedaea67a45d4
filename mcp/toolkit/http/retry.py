"""The pauses between attempts: a vendor's Retry-After, and sleeping within a deadline."""

import asyncio
import random

import httpx2

from config.retry_after import parse_retry_after


def retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds in the Retry-After header; None without a usable one."""
    return parse_retry_after(response.headers.get("retry-after"))


async def sleep_before(deadline: float, seconds: float, *, jitter: float) -> bool:
    """Sleep for `seconds` and up to `jitter` more, and return True.

    Where the loop's time would reach `deadline`, return False at once.
    """
    jittered = seconds + random.uniform(0, jitter)  # noqa: S311 - spreads requests, hides nothing
    if asyncio.get_running_loop().time() + jittered >= deadline:
        return False
    await asyncio.sleep(jittered)
    return True
