"""How long to leave a vendor alone, and waiting for no longer than a caller does."""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2


def retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds that the vendor wishes to be left alone, from its header if it has one.

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


async def pause(seconds: float, deadline: float, *, spread: float) -> bool:
    """Wait, and up to `spread` seconds longer, and say so; where the deadline is sooner, do not."""
    jittered = seconds + random.uniform(0, spread)  # noqa: S311 - spreads requests, hides nothing
    if asyncio.get_running_loop().time() + jittered >= deadline:
        return False
    await asyncio.sleep(jittered)
    return True
