"""Connects the Zendesk provider to a fake Zendesk, without the server."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2

from config.security.tokens import Claims
from config.security.vault import Account
from tests.support.vendor_contract import NO_PAUSES
from tests.tickets.providers.zendesk.double import SECRETS, FakeZendesk
from tickets.provider import CallLog, TicketDraft
from tickets.providers.zendesk.provider import Zendesk
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Attempt, Runtime, ToolCall

KEY = "a1" * 32
HUMS = TicketDraft(subject="Mixer hums", text="It hums.")
CALL = CallLog(
    phone="+49 30 5550142",
    direction="inbound",
    started_at=datetime(2026, 11, 24, 9, 0, 5, tzinfo=UTC),
    seconds=241,
    summary="Asked for the technician.",
)
Connect = Callable[..., Zendesk]


@asynccontextmanager
async def provider_factory(vendor: FakeZendesk) -> AsyncGenerator[Connect]:
    """Yield a function that returns the provider for one call.

    `key` is the idempotency key, `is_retry` whether the call is a retry; the others are settings.
    """
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, SingleAccountVault(Account("zendesk")), **NO_PAUSES)
        claims = new_claims()

        def connect(*, is_retry: bool = False, key: str = KEY, **settings: Any) -> Zendesk:
            account = Account("zendesk", None, SECRETS, settings)
            return Zendesk(account, ToolCall(claims, runtime, Attempt(key, is_retry)))

        yield connect
        runtime.threads.close()


def new_claims() -> Claims:
    """Return the claims of a new tenant."""
    return Claims(sub="test", business_id=uuid4())


def request_body(request: httpx2.Request) -> Any:
    """Return the JSON of a request."""
    return json.loads(request.content)


def request_lines(requests: list[httpx2.Request]) -> list[str]:
    """Return the methods and paths of requests."""
    return [f"{each.method} {each.url.path.removeprefix('/api/v2/')}" for each in requests]
