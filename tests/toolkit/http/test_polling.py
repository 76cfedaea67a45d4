"""A vendor's own job is followed until it has ended, or the caller has waited long enough."""

import asyncio
from collections.abc import Iterator

import pytest

from toolkit.http.polling import poll_until


class FakeLoop:
    """A loop whose time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLoop]:
    loop = FakeLoop()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "get_running_loop", lambda: loop)
        patch.setattr(asyncio, "sleep", loop.sleep)
        yield loop


async def test_it_is_looked_at_until_it_has_ended(loop: FakeLoop) -> None:
    states = iter(["waiting", "working", "working", "done", "never looked at"])

    async def look() -> str:
        return next(states)

    assert await poll_until(look, lambda state: state == "done", budget=10) == "done"
    assert loop.pauses == sorted(loop.pauses)
    assert len(loop.pauses) == 3


async def test_what_has_ended_is_not_waited_for(loop: FakeLoop) -> None:
    async def look() -> str:
        return "done"

    assert await poll_until(look, lambda state: state == "done", budget=0) == "done"
    assert loop.pauses == []


async def test_it_is_left_alone_when_the_budget_is_spent(loop: FakeLoop) -> None:
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        return looks

    assert await poll_until(look, lambda _: False, budget=8) is None
    assert sum(loop.pauses) < 8
    assert 4 <= looks == len(loop.pauses) + 1
    assert max(loop.pauses) == 2.0


async def test_a_look_that_fails_ends_it(loop: FakeLoop) -> None:
    async def look() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await poll_until(look, lambda _: True, budget=5)
