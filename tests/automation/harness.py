"""A tenant with automations at a fake vendor, and the server in between."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx2

from automation.server import SERVER
from config import automations
from config.automations import AutomationInput
from config.database import Database
from config.declarations.section import Change
from config.value_schema import close_objects
from tests.conftest import Tenant
from tests.support.servers import KEYRING
from tests.support.vendor_contract import VendorHarness
from tests.support.vendors import Fault, Vendor

V = TypeVar("V", bound=Vendor)

MESSAGE: dict[str, Any] = close_objects(
    {
        "type": "object",
        "properties": {
            "message": {"type": "string", "maxLength": 500},
            "urgency": {"type": "string", "enum": ["low", "high"]},
            "amount": {"type": "number", "minimum": 0, "title": "amount in euros"},
            "day": {"type": "string", "format": "date"},
            "items": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "customer": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
            },
        },
        "required": ["message"],
    }
)


def answering(content: bytes) -> Fault:
    """Return a fault: a 200 with this body."""
    return lambda _: httpx2.Response(200, content=content)


@dataclass(frozen=True)
class AutomationHarness(VendorHarness[V], Generic[V]):
    """A tenant who is connected to a fake vendor."""

    server = SERVER.name

    async def declare(self, name: str, integration: str, **fields: Any) -> Change | None:
        """Declare an automation of the tenant's."""
        return await declare(self.database, self.tenant, name, integration, **fields)


async def declare(
    database: Database, tenant: Tenant, name: str, integration: str, **fields: Any
) -> Change | None:
    """Declare an automation of a tenant."""
    description = fields.pop("description", f"What {name} does.")
    async with database.tenant(tenant.business_id) as session:
        return await automations.store(
            session,
            tenant.business_id,
            AutomationInput(name, integration, description, **fields),
            KEYRING,
        )
