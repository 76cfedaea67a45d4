"""Connects the Freshdesk provider to a fake Freshdesk, without the server."""

from dataclasses import replace
from typing import Any

import httpx2

from config.database import Database
from config.security.vault import Account, DatabaseVault
from tests.conftest import Tenant
from tests.support.vendor_contract import NO_PAUSES
from tests.tickets.providers.freshdesk.double import SECRETS, FakeFreshdesk
from tickets.providers.freshdesk.provider import Freshdesk
from toolkit.tenancy import Attempt, Runtime, ToolCall


class FreshdeskHarness:
    """A seeded fake Freshdesk, and providers that are connected to it for one tenant."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.vendor = FakeFreshdesk()
        self.seed = self.vendor.seed()
        client = httpx2.AsyncClient(transport=self.vendor.transport())
        self._runtime = Runtime(client, DatabaseVault(database, None), database, **NO_PAUSES)
        self._tenant = tenant

    def account(self, settings: dict[str, Any] | None = None, **secrets: str) -> Account:
        """Return the account, with these settings and changes of its secrets."""
        return Account("freshdesk", secrets={**SECRETS, **secrets}, settings=settings or {})

    def call(self, *, is_retry: bool = False, first_poll_pause: float = 0.0) -> ToolCall:
        """Return a tool call."""
        runtime = replace(self._runtime, first_poll_pause=first_poll_pause)
        return ToolCall(self._tenant.claims(), runtime, Attempt("k1", is_retry))

    def connect(
        self,
        *,
        is_retry: bool = False,
        first_poll_pause: float = 0.0,
        settings: dict[str, Any] | None = None,
        **secrets: str,
    ) -> Freshdesk:
        """Return the provider for one call."""
        call = self.call(is_retry=is_retry, first_poll_pause=first_poll_pause)
        return Freshdesk(self.account(settings, **secrets), call)
