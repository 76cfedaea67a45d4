"""The pauses between attempts: a vendor's Retry-After, and sleeping within a deadline."""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2


def retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds in the Retry-After header; None without a usable one.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after: seconds, or a date.
    """
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    # RFC 9110 dates are in GMT, also where a vendor forgets to say so.
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


async def sleep_before(deadline: float, seconds: float, *, jitter: float) -> bool:
    """Sleep for `seconds` and up to `jitter` more, and return True.

    Where the loop's time would reach `deadline`, return False at once.
    """
    jittered = seconds + random.uniform(0, jitter)  # noqa: S311 - spreads requests, hides nothing
    if asyncio.get_running_loop().time() + jittered >= deadline:
        return False
    await asyncio.sleep(jittered)
    return True
