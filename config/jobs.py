"""What the owner of a kind of job hands over: work that is done later, by `antiphon jobs`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from config.database import Database

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Payload: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True)
class Job:
    """One kind of job.

    `run` is called with the payload that was enqueued, and again where it failed or its worker
    died, so that a second time must do no harm. With `cron`, it comes by itself, without a payload.
    """

    run: Callable[[Database, Payload], Awaitable[None]]
    cron: str | None = None
