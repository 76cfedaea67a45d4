"""A tenant who is connected to a fake vendor, over the server."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.vendor_contract import VendorHarness
from tests.tickets.double import Seed, TicketVendor
from tickets.server import SERVER


@dataclass(frozen=True)
class ConnectedTenant(VendorHarness[TicketVendor]):
    """A tenant with an account at a fake vendor of tickets, and the ids of what is stored there."""

    server = SERVER.name

    seed: Seed = field(kw_only=True)

    async def list_tickets(self) -> list[dict[str, Any]]:
        """Return the vendor's tickets."""
        return self.vendor.list_tickets()

    async def list_comments(self, ticket: str) -> list[dict[str, Any]]:
        """Return the vendor's comments of a ticket."""
        return self.vendor.list_comments(ticket)

    async def list_users(self) -> list[dict[str, Any]]:
        """Return the vendor's users."""
        return self.vendor.list_users()
