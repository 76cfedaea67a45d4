"""The definition of a background job, which `antiphon jobs` runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from config.database import Database

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Payload: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True)
class Job:
    """One kind of job.

    `run` is called with the database and the payload that was enqueued. It is called again if it
    failed or its worker died, so it has to tolerate that. With `cron` it runs on that schedule,
    with an empty payload.
    """

    run: Callable[[Database, Payload], Awaitable[None]]
    cron: str | None = None
