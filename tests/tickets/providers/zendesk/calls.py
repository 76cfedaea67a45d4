"""The Zendesk provider as its tests call it, on the played vendor."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from config.security.tokens import Claims
from config.security.vault import Account
from tests.tickets.providers.zendesk.double import SECRETS
from tests.tickets.providers.zendesk.double import Zendesk as Played
from tickets.provider import CallLog, Draft
from tickets.providers.zendesk.provider import Zendesk
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Attempt, Runtime, ToolCall

KEY = "a1" * 32
HUMS = Draft(subject="Mixer hums", text="It hums.")
CALL = CallLog(
    phone="+49 30 5550142",
    direction="inbound",
    started_at=datetime(2026, 11, 24, 9, 0, 5, tzinfo=UTC),
    seconds=241,
    summary="Asked for the technician.",
)
Open = Callable[..., Zendesk]


@asynccontextmanager
async def calling(vendor: Played, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Open]:
    """Open the provider: `again` says that the write is tried again."""
    monkeypatch.setattr("toolkit.http.polling._FIRST", 0.0)
    monkeypatch.setattr("toolkit.http.client._PAUSE", 0.0)
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, SingleAccountVault(Account("zendesk")))
        mine = claims()

        def of(*, again: bool = False, key: str = KEY, **settings: Any) -> Zendesk:
            account = Account("zendesk", None, SECRETS, settings)
            return Zendesk(account, ToolCall(mine, runtime, Attempt(key, again)))

        yield of
        runtime.threads.close()


def claims() -> Claims:
    """Return somebody's."""
    return Claims(sub="test", business_id=uuid4())


def sent(request: httpx2.Request) -> Any:
    """Return what a request says."""
    return json.loads(request.content)


def paths(requests: list[httpx2.Request]) -> list[str]:
    """Return what requests ask for."""
    return [f"{each.method} {each.url.path.removeprefix('/api/v2/')}" for each in requests]
