"""A tenant whose desk is a played Freshdesk, asked without the server."""

from typing import Any

import httpx2

from config.database import Database
from config.security.vault import Account, DatabaseVault
from tests.conftest import Tenant
from tests.tickets.providers.freshdesk.double import SECRETS, PlayedFreshdesk
from tickets.providers.freshdesk.provider import Freshdesk
from toolkit.tenancy import Attempt, Runtime, ToolCall


class Office:
    """Opens Freshdesk for a tenant, as a tool does for each of its calls."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.vendor = PlayedFreshdesk()
        self.seed = self.vendor.seed()
        client = httpx2.AsyncClient(transport=self.vendor.transport())
        self._runtime = Runtime(client, DatabaseVault(database, None), database)
        self._tenant = tenant

    def open(
        self, *, again: bool = False, settings: dict[str, Any] | None = None, **secrets: str
    ) -> Freshdesk:
        """Return the provider for one call."""
        account = Account("freshdesk", secrets={**SECRETS, **secrets}, settings=settings or {})
        call = ToolCall(self._tenant.claims(), self._runtime, Attempt("k1", again))
        return Freshdesk(account, call)
