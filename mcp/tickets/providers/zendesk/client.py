"""zenpy, which sends where every vendor's requests are sent, and whose jobs are followed.

It is under the GPL and part of the `zendesk` extra alone: it is imported when it is needed.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Any, cast

import httpx2

from tickets.provider import Batch, Refused
from tickets.providers.zendesk.mapping import Job, batch_of
from toolkit.errors import Disconnected, ToolFailure
from toolkit.http.client import Model, VendorApi, thread_budget
from toolkit.http.polling import poll_until
from toolkit.http.sync_sdk import Threads, session

# Is given zenpy's client, and the module with its records.
Work = Callable[[Any, Any], object]

_PATIENCE = 11.0  # seconds for a job, and to begin it: a write has not many more
_PASSED_ON = ("accept", "content-type")


@dataclass(frozen=True)
class Wired:
    """zenpy in threads, its answers as models of what is used."""

    api: VendorApi
    threads: Threads

    async def ask(
        self,
        work: Work,
        returns: type[Model],
        *,
        writes: bool = False,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Model:
        """Do `work` with zenpy, and read its answer as `returns`.

        `query` and `headers` go along with each request: zenpy has no words for them.

        Raises:
            ToolFailure: whatever went wrong, in the catalogue's words.
        """
        budget = thread_budget(writes=writes)
        http = session(partial(self._exchange, query or {}, headers or {}), budget=budget)
        answer = await self.threads.run(
            lambda: _performed(work, http), budget=budget, writes=writes
        )
        return self.api.read(answer, returns, reads=not writes)

    async def bulk(
        self,
        work: Work,
        sent: Sequence[str],
        refused: tuple[Refused, ...] = (),
        *,
        created: bool = False,
    ) -> Batch:
        """Begin a job, follow it while the caller waits, and tell what became of each record.

        `sent` are those it is about, and `refused` those that could not even be sent.
        """
        if not sent:
            return Batch(refused=refused)
        clock = asyncio.get_running_loop().time
        until = clock() + _PATIENCE
        job = await self.ask(work, Job, writes=True)
        ended = job if job.ended else await self._ended(job.id, until - clock())
        batch = batch_of(ended, sent, created=created) if ended else Batch(job=job.id)
        return batch.model_copy(update={"refused": (*refused, *batch.refused)})

    async def _ended(self, job_id: str, patience: float) -> Job | None:
        look = partial(self.ask, lambda desk, _: desk.job_status(id=job_id), Job)
        try:
            return await poll_until(look, lambda job: job.ended, budget=patience)
        except ToolFailure:
            # It has been taken and goes on, whether or not it can be looked at.
            return None

    async def _exchange(
        self, query: Mapping[str, str], headers: Mapping[str, str], request: httpx2.Request
    ) -> httpx2.Response:
        """Send a request to where the account is, which zenpy does not know."""
        path = request.url.raw_path.decode().partition("?")[0].removesuffix(".json")
        # zenpy writes None for what it was not given.
        given = {name: value for name, value in request.url.params.items() if value != "None"}
        sent = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        return await self.api.exchange_json(
            self.api.wire.client.build_request(
                request.method,
                f"{self.api.base_url}{path}",
                params={**given, **query},
                headers={**sent, **headers},
                content=request.content,
            )
        )


def first(found: Any, most: int) -> list[Any] | None:
    """Return the first of what zenpy has found; None of an answer in which it found no list."""
    return [*islice(found, most)] if hasattr(found, "__next__") else None


def _performed(work: Work, http: Any) -> object:
    try:
        zenpy = import_module("zenpy")
    except ModuleNotFoundError:
        raise Disconnected(
            "Zendesk cannot be used here: antiphon[zendesk] is not installed."
        ) from None
    # Its debug log has what callers said, and what Zendesk answered.
    logging.getLogger("zenpy").setLevel(logging.WARNING)
    desk = zenpy.Zenpy(subdomain="here", session=http, anonymous=True, disable_cache=True)
    failures = import_module("zenpy.lib.exception")
    try:
        return _plain(work(desk, import_module("zenpy.lib.api_objects")))
    except (failures.ZenpyException, AttributeError, KeyError, TypeError, ValueError):
        # So it fails at an answer that it does not know; nothing can be read as such a one.
        return None


def _plain(answer: Any) -> object:
    """Return records as they came: zenpy's own ask for whatever they lack when it is looked at."""
    if isinstance(answer, list):
        return [_plain(each) for each in cast("list[object]", answer)]
    return answer.to_dict() if hasattr(answer, "to_dict") else {}
