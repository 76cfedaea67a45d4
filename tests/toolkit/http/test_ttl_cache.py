"""Values of vendors that are kept for a while."""

import asyncio

import pytest

from toolkit.http.ttl_cache import TtlCache


class Fetch:
    """A fetch that a test lets end."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.count = 0
        self.goes_on = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        await self.goes_on.wait()
        if self.fails:
            raise ValueError("down")
        return self.count


async def test_a_failure_is_not_kept_though_its_only_waiter_was_cancelled() -> None:
    cache, fetch = TtlCache(), Fetch(fails=True)
    waiter = asyncio.create_task(cache.get("key", 60, fetch))
    while not fetch.count:  # noqa: ASYNC110 - another task's number
        await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait({waiter})
    fetch.goes_on.set()
    with pytest.raises(ValueError, match="down"):  # the same fetch, which has not ended yet
        await cache.get("key", 60, fetch)
    fetch.fails = False
    assert await cache.get("key", 60, fetch) == 2


async def test_a_failure_that_nobody_waits_for_is_not_kept() -> None:
    cache, fetch = TtlCache(), Fetch(fails=True)
    waiter = asyncio.create_task(cache.get("key", 60, fetch))
    while not fetch.count:  # noqa: ASYNC110 - another task's number
        await asyncio.sleep(0)
    waiter.cancel()
    fetch.goes_on.set()
    await asyncio.wait({waiter})
    await asyncio.sleep(0)
    fetch.fails = False
    assert await cache.get("key", 60, fetch) == 2


async def test_what_is_asked_for_stays_and_what_is_not_makes_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("toolkit.http.ttl_cache._MAX_ENTRIES", 3)
    cache, fetch = TtlCache(), Fetch()
    fetch.goes_on.set()
    for key in ("a", "b", "c", "a", "d"):
        await cache.get(key, 60, fetch)
    assert fetch.count == 4
    assert await cache.get("a", 60, fetch) == 1
    assert await cache.get("b", 60, fetch) == 5  # it had made way
