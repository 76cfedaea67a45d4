"""A tenant connected to a fake ServiceNow instance, and the server in between."""

from collections.abc import Mapping
from dataclasses import dataclass

from servicenow.server import SERVER
from tests.servicenow.double import ServiceNow
from tests.support.vendor_contract import CANARY, VendorHarness

APPLICATION: Mapping[str, str] = {
    "instance": "dev00000",
    "client_id": f"id-{CANARY}",
    "client_secret": f"secret-{CANARY}",
    "refresh_token": f"rt-{CANARY}",
    "access_token": f"at-{CANARY}",
}


@dataclass(frozen=True)
class ServiceNowHarness(VendorHarness[ServiceNow]):
    """A tenant with a fake instance."""

    server = SERVER.name
