"""Connects the Jira provider to a fake Jira, without the server."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2

from config.database import Database
from config.security.vault import Account, DatabaseVault
from tests.conftest import Tenant
from tests.support.vendor_contract import NO_PAUSES
from tests.tickets.providers.jira.double import SECRETS, SETTINGS, FakeJira
from tickets.providers.jira.provider import Jira
from toolkit.tenancy import Attempt, Runtime, ToolCall, open_provider

Connect = Callable[..., Jira]


@asynccontextmanager
async def provider_factory(
    jira: FakeJira, database: Database, tenant: Tenant
) -> AsyncGenerator[Connect]:
    """Yield a function that returns the provider for one call.

    `key` is the idempotency key, `is_retry` whether the call is a retry; the others are settings.
    """
    async with httpx2.AsyncClient(transport=jira.transport()) as client:
        runtime = Runtime(client, DatabaseVault(database, None), database, **NO_PAUSES)

        def connect(
            *,
            key: str = "call-1",
            is_retry: bool = False,
            secrets: Any = SECRETS,
            first_poll_pause: float = 0.0,
            **settings: Any,
        ) -> Jira:
            account = Account("jira", None, secrets, {**SETTINGS, **settings})
            paused = replace(runtime, first_poll_pause=first_poll_pause)
            call = ToolCall(tenant.claims(), paused, Attempt(key, is_retry))
            return open_provider(Jira, account, call)

        yield connect
