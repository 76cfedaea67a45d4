"""A vendor's own job is followed until it has ended, or the caller has waited long enough."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from toolkit.http.polling import poll_until

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while it waits, and then at once."""

    def __init__(self) -> None:
        self.now = 100.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.now += timeout or 0.0
        return super().select(0)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


class Looks:
    """What is seen at each look, and when."""

    def __init__(self, *states: str) -> None:
        self._states = iter(states)
        self.times: list[float] = []

    async def __call__(self) -> str:
        self.times.append(asyncio.get_running_loop().time())
        return next(self._states, "working")

    @property
    def pauses(self) -> list[float]:
        return [later - time for time, later in zip(self.times, self.times[1:], strict=False)]


def is_done(state: str | None) -> bool:
    return state == "done"


def test_it_is_looked_at_until_it_has_ended() -> None:
    look = Looks("waiting", "working", "working", "done", "never looked at")
    assert run(poll_until(look, is_done, budget=10)) == "done"
    assert look.pauses == sorted(look.pauses)
    assert len(look.pauses) == 3


def test_what_has_ended_is_not_waited_for() -> None:
    look = Looks("done")
    assert run(poll_until(look, is_done, budget=0)) == "done"
    assert look.pauses == []


def test_it_is_left_alone_when_the_budget_is_spent() -> None:
    look = Looks()
    assert run(poll_until(look, is_done, budget=8)) is None
    assert 6 < sum(look.pauses) < 8
    assert len(look.times) >= 4
    assert max(look.pauses) == pytest.approx(2.0)


def test_a_look_that_fails_ends_it() -> None:
    async def look() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        run(poll_until(look, lambda _: True, budget=5))
