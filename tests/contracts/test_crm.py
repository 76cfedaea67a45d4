"""CRM vendors against their specifications: every tool asks something, and all of it is allowed.

What a specification lacks, and the vendors that publish none, are asserted field by field where
they are played, in tests/crm.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from config.database import Database
from config.tokens import Signer
from crm.registry import PROVIDERS
from crm.server import SERVER
from tests.accounts import connect
from tests.conftest import new_tenant
from tests.crm.contract import CrmContract
from tests.crm.line import Line
from tests.crm.test_hubspot import TestHubSpot as HubSpotContract
from tests.crm.test_leadsquared import TestLeadSquared as LeadSquaredContract
from tests.crm.test_salesforce import TestSalesforce as SalesforceContract
from tests.crm.test_selldo import TestSellDo as SellDoContract
from tests.crm.test_zoho import TestZoho as ZohoContract
from tests.faults import Patient
from tests.processes import held
from tests.servers import Answer, Caller, serve
from tests.vendors import specification

VENDORS: list[type[CrmContract]] = [
    SalesforceContract,
    ZohoContract,
    HubSpotContract,
    LeadSquaredContract,
    SellDoContract,
]
SPECIFIED = {"salesforce", "zoho", "leadsquared"}


@dataclass(frozen=True)
class Watched(Line):
    """A line on which each tool's requests are counted."""

    asked: Counter[str] = field(default_factory=Counter[str])

    async def done(self, caller: Caller, tool: str, **arguments: Any) -> Answer:
        before = len(self.vendor.requests)
        answer = await Line.done(self, caller, tool, **arguments)
        self.asked[tool] += len(self.vendor.requests) - before
        return answer


def test_every_vendor_is_here() -> None:
    assert {each.provider for each in VENDORS} == PROVIDERS.keys() - {"builtin"}


@pytest.mark.parametrize("contract", VENDORS, ids=lambda each: each.provider)
async def test_every_tool_asks_what_the_vendor_allows(
    contract: type[CrmContract],
    contracts: Path,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> None:
    assert contracts.name
    promised = contract()
    vendor, tenant, breakers = promised.new_vendor(), await new_tenant(database), Patient()
    if contract.provider in SPECIFIED:
        assert vendor.specification is not None
        assert specification(vendor.specification) is not None
    await connect(database, tenant, "crm", contract.provider, contract.secrets, contract.settings)
    options: dict[str, Any] = {"breakers": breakers, "calls_per_minute": 100_000}
    async with held(
        serve([SERVER], signer, database, cache, vendors=vendor.transport(), **options)
    ) as servers:
        line = Watched(servers, tenant, vendor, database, breakers)
        await promised.test_every_tool_does_what_it_says(line)
    assert set(line.asked) == {*SERVER.catalogue()["tools"]} - contract.unsupported
    assert all(line.asked.values()), line.asked
