"""CRM vendors against their specifications: every tool sends requests, and all are valid.

The fakes in tests/crm check what a specification lacks, and vendors that publish none.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from crm.server import SERVER
from tests.conftest import new_tenant
from tests.crm.contract import CrmContract
from tests.crm.harness import CrmHarness
from tests.support.accounts import connect
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import Answer, Caller, serve
from tests.support.vendor_contract import vendor_contracts
from tests.support.vendors import specification

SPECIFIED = {"salesforce", "zoho", "leadsquared"}


@dataclass(frozen=True)
class CountingHarness(CrmHarness):
    """A harness that counts the requests of each tool."""

    request_counts: Counter[str] = field(default_factory=Counter[str])

    async def call_ok(self, caller: Caller, tool: str, **arguments: Any) -> Answer:
        before = len(self.vendor.requests)
        answer = await CrmHarness.call_ok(self, caller, tool, **arguments)
        self.request_counts[tool] += len(self.vendor.requests) - before
        return answer


@pytest.mark.parametrize("contract", vendor_contracts(CrmContract), ids=lambda each: each.provider)
async def test_every_tool_asks_what_the_vendor_allows(
    contract: type[CrmContract],
    contracts: Path,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> None:
    assert contracts.name
    suite = contract()
    vendor, tenant, breakers = suite.new_vendor(), await new_tenant(database), SwitchableBreakers()
    if contract.provider in SPECIFIED:
        assert vendor.specification is not None
        assert specification(vendor.specification) is not None
    await connect(database, tenant, "crm", contract.provider, contract.secrets, contract.settings)
    options: dict[str, Any] = {"breakers": breakers, "calls_per_minute": 100_000}
    async with in_one_task(
        serve([SERVER], signer, database, cache, vendors=vendor.transport(), **options)
    ) as servers:
        harness = CountingHarness(servers, tenant, vendor, database, breakers)
        await suite.test_every_tool_does_what_it_says(harness)
    assert set(harness.request_counts) == {*SERVER.catalogue()["tools"]} - contract.unsupported
    assert all(harness.request_counts.values()), harness.request_counts
