"""Several requests at once: how many, and what becomes of them where one fails."""

import asyncio

import pytest

from toolkit.errors import NotFound, ToolFailure, Unavailable
from toolkit.http.concurrency import gather, map_concurrently


class FakeVendor:
    """A vendor that returns ten times a number, a moment later, and counts concurrent requests."""

    def __init__(self, failing: dict[int, ToolFailure] | None = None) -> None:
        self.failing = failing or {}
        self.requested: list[int] = []
        self.answered: list[int] = []
        self.batches: list[int] = []
        self._open = 0

    async def __call__(self, number: int) -> int:
        if not self._open:
            self.batches.append(0)
        self.batches[-1] += 1
        self._open += 1
        self.requested.append(number)
        await asyncio.sleep(0)
        self._open -= 1
        if number in self.failing:
            raise self.failing[number]
        await asyncio.sleep(0)
        self.answered.append(number)
        return number * 10


async def test_answers_come_in_the_order_of_the_questions() -> None:
    vendor = FakeVendor()
    assert await gather(vendor(each) for each in (3, 1, 2)) == [30, 10, 20]
    assert await gather(vendor(each) for each in range(0)) == []


async def test_the_first_failure_is_told_when_all_have_come_back() -> None:
    vendor = FakeVendor({1: Unavailable("down"), 2: NotFound("none")})
    with pytest.raises(Unavailable):
        await gather(vendor(each) for each in (1, 2, 3))
    assert vendor.answered == [3]


@pytest.mark.parametrize(
    ("count", "first_alone", "turns"),
    [
        (5, False, [2, 2, 1]),
        (2, False, [2]),
        (5, True, [1, 2, 2]),
        (1, True, [1]),
        (0, False, []),
        (0, True, []),
    ],
)
async def test_only_so_many_are_asked_at_once(
    count: int, first_alone: bool, turns: list[int]
) -> None:
    vendor = FakeVendor()
    answers = await map_concurrently(vendor, range(count), limit=2, first_alone=first_alone)
    assert answers == [number * 10 for number in range(count)]
    assert vendor.batches == turns


async def test_no_more_are_asked_after_a_failure() -> None:
    vendor = FakeVendor({1: NotFound("none")})
    with pytest.raises(NotFound):
        await map_concurrently(vendor, range(6), limit=2)
    assert vendor.requested == [0, 1]
    with pytest.raises(NotFound):
        await map_concurrently(vendor, [1, 2], limit=2, first_alone=True)
    assert vendor.requested == [0, 1, 1]
