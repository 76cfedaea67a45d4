"""Vendors as tests play them: over httpx2's own transport, held against their specifications.

`VENDOR_CONTRACTS` names the folder with the specifications; without it requests go unchecked, and
the tests in tests/contracts say so.
"""

import gc
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

import httpx2

from tests.contracts.specifications import Http, Specifications

BODY_CANARY = "what-the-vendor-wrote"

Fault = Callable[[httpx2.Request], httpx2.Response]


def refused(status: int, **headers: str) -> Fault:
    """Return a fault: this status, with a body that nobody may see."""
    return lambda _: httpx2.Response(
        status, json={"message": BODY_CANARY, "error": BODY_CANARY}, headers=headers
    )


def timed_out(request: httpx2.Request) -> httpx2.Response:
    """Never answer."""
    raise httpx2.ReadTimeout(BODY_CANARY, request=request)


def reset(request: httpx2.Request) -> httpx2.Response:
    """Break the connection off."""
    raise httpx2.ReadError(BODY_CANARY, request=request)


def garbage(_: httpx2.Request) -> httpx2.Response:
    """Answer with what is no answer."""
    return httpx2.Response(200, text=f"<html>{BODY_CANARY}</html>")


@dataclass
class Vendor(ABC):
    """A vendor with a memory. What is not played is not allowed.

    `uncovered` names the requests, such as `GET /me`, that the specification lacks: `answer`
    has to look at those field by field. `reading_posts` names those that read, though not with GET.
    """

    base: ClassVar[str]
    specification: ClassVar[str | None] = None
    uncovered: ClassVar[re.Pattern[str] | None] = None
    reading_posts: ClassVar[re.Pattern[str] | None] = None

    requests: list[httpx2.Request] = field(default_factory=list[httpx2.Request])
    _faults: list[tuple[Callable[[httpx2.Request], bool], Fault, bool]] = field(
        default_factory=list[tuple[Callable[[httpx2.Request], bool], Fault, bool]]
    )
    _checked: set[str] = field(default_factory=set[str])

    @abstractmethod
    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request that is right, as the vendor would."""

    def fail(
        self, fault: Fault, *, writes: bool | None = None, times: int = 1, done: bool = False
    ) -> None:
        """Fail the next requests that read or write; `done` does first what was asked for."""

        def meant(request: httpx2.Request) -> bool:
            return writes is None or writes == self.changes(request)

        self._faults += [(meant, fault, done)] * times

    def recover(self) -> None:
        """Forget the faults that have not happened."""
        self._faults.clear()

    def transport(self) -> httpx2.MockTransport:
        """Return the way to this vendor."""
        return httpx2.MockTransport(self._serve)

    def written(self) -> list[httpx2.Request]:
        """Return the requests that were to change something."""
        return [request for request in self.requests if self.changes(request)]

    def changes(self, request: httpx2.Request) -> bool:
        """Say whether a request is to change something."""
        reads = self.reading_posts and self.reading_posts.fullmatch(self._operation(request))
        return request.method != "GET" and not reads

    def _operation(self, request: httpx2.Request) -> str:
        path = str(request.url).removeprefix(self.base).partition("?")[0]
        return f"{request.method} {path}"

    def _serve(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        assert str(request.url).startswith(self.base), request.url
        self._check(request)
        for entry in self._faults:
            meant, fault, done = entry
            if meant(request):
                self._faults.remove(entry)
                if done:
                    self.answer(request)
                return fault(request)
        return self.answer(request)

    def _check(self, request: httpx2.Request) -> None:
        contract = specification(self.specification) if self.specification else None
        path = str(request.url).removeprefix(self.base)
        operation = self._operation(request)
        if contract is None or (self.uncovered and self.uncovered.fullmatch(operation)):
            return
        # Faults are injected into requests that have been seen; only their values are new.
        exact, formed = f"{operation} {path} {request.content!r}", _formed(request)
        if exact in self._checked or (self._faults and formed in self._checked):
            return
        self._checked |= {exact, formed}
        found = contract.violations(
            request.method, path, dict(request.headers), request.content or b""
        )
        assert found == [], f"{request.method} {path}: {found}"


def _formed(request: httpx2.Request) -> str:
    """Return how a request is formed: what there is to it, without the values."""
    parts = [re.sub(r".*\d.*", "#", part) for part in request.url.path.split("/")]
    names = [name for name, _ in request.url.params.multi_items()]
    keys = re.findall(rb'"([^"\\]+)"\s*:', request.content)
    return f"{request.method} {parts} {sorted(names)} {sorted(keys)}"


class Exchange(httpx2.AsyncBaseTransport):
    """Reaches the vendor that is played now: a server for each test would cost more."""

    def __init__(self) -> None:
        self.vendor: Vendor | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Have it answer."""
        assert self.vendor is not None
        return await self.vendor.transport().handle_async_request(request)


@cache
def specification(name: str) -> Http | None:
    """Return a vendor's specification, where they are at hand."""
    folder = os.environ.get("VENDOR_CONTRACTS")
    loaded = Specifications(Path(folder)).http(name) if folder else None
    gc.freeze()  # it is large, and stays: the collector need not look at it again and again
    return loaded
