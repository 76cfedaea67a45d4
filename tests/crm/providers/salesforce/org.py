"""A tenant's org at the fake Salesforce, used by the provider without a server in between."""

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
from tests.crm.providers.salesforce.double import HOST, FakeSalesforce
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
UNKNOWN_ID = "00Q5g00000ZZZZZAAZ"


@dataclass
class Org:
    """One tenant's org. `provider()` is for a new tool call, with an idempotency key or not."""

    vendor: FakeSalesforce
    account: Account
    runtime: Runtime
    tenant: Tenant = field(default_factory=Tenant)

    def provider(self, key: str | None = None, *, is_retry: bool = False) -> Salesforce:
        attempt = Attempt(key, is_retry) if key else None
        return Salesforce(self.account, ToolCall(self.tenant.claims(), self.runtime, attempt))

    async def create(
        self, kind: Kind, fields: Mapping[str, Any] | None = None, **values: Any
    ) -> str:
        return await self.provider().create(kind, values, fields or {})

    def row(self, record_id: str) -> dict[str, Any]:
        return next(rows[record_id] for rows in self.vendor.rows.values() if record_id in rows)

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(each.content) for each in self.vendor.written()]


@asynccontextmanager
async def open_account(
    transport: httpx2.MockTransport, settings: Mapping[str, Any]
) -> AsyncGenerator[tuple[Account, Runtime]]:
    account = Account("salesforce", None, SECRETS, settings)
    async with httpx2.AsyncClient(transport=transport) as client:
        runtime = Runtime(client, SingleAccountVault(account))
        yield account, runtime
        runtime.threads.close()


@asynccontextmanager
async def open_org(**settings: Any) -> AsyncGenerator[Org]:
    vendor = FakeSalesforce()
    async with open_account(vendor.transport(), SETTINGS | settings) as (account, runtime):
        yield Org(vendor, account, runtime)


@asynccontextmanager
async def salesforce_responding(
    response: httpx2.Response, **settings: Any
) -> AsyncGenerator[Salesforce]:
    """Connect to a vendor that has the same response to every request."""
    transport = httpx2.MockTransport(lambda _: response)
    async with open_account(transport, settings) as (account, runtime):
        yield Salesforce(
            account, ToolCall(Tenant().claims(), runtime, Attempt("k1", is_retry=True))
        )
