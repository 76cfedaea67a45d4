"""What ServiceNow must do as every vendor does, and what its tools are called with.

Not contract.py: `antiphon new provider` would take it for one that further vendors can subclass.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from config.database import Database
from servicenow.server import SERVER
from tests.conftest import Tenant
from tests.servicenow.double import CASES, ServiceNow
from tests.servicenow.harness import APPLICATION, ServiceNowHarness
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Servers
from tests.support.vendor_contract import VendorContract

READS: Mapping[str, dict[str, Any]] = {
    "get_incident": {"incident": "INC0010001"},
    "query_incidents": {"text": "vpn"},
    "get_user": {"user": "tom.hill"},
    "search_user_by_email": {"email": "tom@acme.example"},
    "search_user_by_phone": {"phone": "5557781"},
    "get_case": {"case": "CS0010002"},
    "query_cases": {"text": "pump"},
    "search_knowledge": {"question": "spam"},
    "get_knowledge_article": {"article": "KB0000011"},
    "get_tasks": {"state": "open"},
    "get_assignment_groups": {"name": "network"},
}
WRITES: Mapping[str, dict[str, Any]] = {
    "create_incident": {"summary": "Silent Sam cannot log in", "caller": "tom.hill"},
    "update_incident": {"incident": "INC0010001", "note": "Silent Sam called."},
    "create_case": {"summary": "Silent Sam's pump leaks", "contact": "george@boxes.example"},
    "update_case": {"case": "CS0010002", "note": "Silent Sam called."},
    "create_task": {"summary": "Call Silent Sam", "assignee": "ann.one"},
    "update_task": {"task": "TASK0010003", "note": "Silent Sam called."},
}


def add_records(harness: ServiceNowHarness) -> None:
    """Add a record of each kind to the instance."""
    harness.vendor.add("incident", short_description="No VPN")
    harness.vendor.add(CASES, short_description="Pump leaks")
    harness.vendor.add("task", short_description="Call back")


class ServiceNowContract(VendorContract[ServiceNowHarness]):
    """The contract, of the one vendor that there is."""

    spec = SERVER
    personal = "Silent Sam"
    provider = "servicenow"
    secrets: ClassVar[dict[str, str]] = dict(APPLICATION)

    def new_vendor(self) -> ServiceNow:
        """Return a fake instance."""
        return ServiceNow()

    def new_harness(
        self, servers: Servers, tenant: Tenant, database: Database, breakers: SwitchableBreakers
    ) -> ServiceNowHarness:
        return ServiceNowHarness(servers, tenant, self.new_vendor(), database, breakers)

    async def arguments(self, harness: ServiceNowHarness) -> Mapping[str, Mapping[str, Any]]:
        add_records(harness)
        return {**READS, **WRITES}

    def snapshot(self, harness: ServiceNowHarness) -> object:
        return json.dumps([harness.vendor.tables, harness.vendor.journal])

    def expected_writes(self, fault: str) -> int | None:
        """Return that a write is sent once; but who has been refused signs in anew."""
        return 2 if fault == "401" else 1
