"""A tenant's org at the played Salesforce, as the provider itself sees it."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from config.security.vault import Account
from crm.provider import Kind
from crm.providers.salesforce.provider import Salesforce
from tests.conftest import Tenant
from tests.crm.contract import CANARY
from tests.crm.providers.salesforce.double import HOST, PlayedSalesforce
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Attempt, Runtime, ToolCall

SECRETS = {
    "client_id": f"id-{CANARY}",
    "client_secret": f"secret-{CANARY}",
    "refresh_token": f"refresh-{CANARY}",
    "access_token": f"access-{CANARY}",
    "instance_url": HOST,
}
SETTINGS: dict[str, Any] = {"login_url": HOST}
NOWHERE = "00Q5g00000ZZZZZAAZ"


@dataclass
class Org:
    """One tenant's org, seen by the provider itself."""

    vendor: PlayedSalesforce
    account: Account
    runtime: Runtime
    tenant: Tenant = field(default_factory=Tenant)

    def crm(self, key: str | None = None, *, again: bool = False) -> Salesforce:
        attempt = Attempt(key, again) if key else None
        return Salesforce(self.account, ToolCall(self.tenant.claims(), self.runtime, attempt))

    async def create(
        self, kind: Kind, fields: Mapping[str, Any] | None = None, **values: Any
    ) -> str:
        return await self.crm().create(kind, values, fields or {})

    def row(self, record_id: str) -> dict[str, Any]:
        return next(rows[record_id] for rows in self.vendor.rows.values() if record_id in rows)

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(each.content) for each in self.vendor.written()]


@asynccontextmanager
async def opened(
    transport: httpx2.MockTransport, settings: Mapping[str, Any]
) -> AsyncGenerator[tuple[Account, Runtime]]:
    account = Account("salesforce", None, SECRETS, settings)
    async with httpx2.AsyncClient(transport=transport) as client:
        runtime = Runtime(client, SingleAccountVault(account))
        yield account, runtime
        runtime.threads.close()


@asynccontextmanager
async def connected(**settings: Any) -> AsyncGenerator[Org]:
    vendor = PlayedSalesforce()
    async with opened(vendor.transport(), SETTINGS | settings) as (account, runtime):
        yield Org(vendor, account, runtime)


@asynccontextmanager
async def answering(response: httpx2.Response, **settings: Any) -> AsyncGenerator[Salesforce]:
    """Connect to a vendor that has one answer to everything."""
    transport = httpx2.MockTransport(lambda _: response)
    async with opened(transport, settings) as (account, runtime):
        yield Salesforce(
            account, ToolCall(Tenant().claims(), runtime, Attempt("k1", is_retry=True))
        )
