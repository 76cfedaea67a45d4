"""A server of things at one vendor, for tests of what every provider does."""

from collections.abc import Mapping
from typing import ClassVar

from fastmcp.dependencies import Depends
from fastmcp.tools import tool
from pydantic import BaseModel

from config.database import Database
from config.security.vault import Account
from tests.conftest import Tenant
from tests.support import accounts
from toolkit.effects import READS, WRITES
from toolkit.http.client import VendorApi
from toolkit.middleware.results import Result
from toolkit.oauth import OAuth, OAuthCredentials
from toolkit.server.build import ServerSpec
from toolkit.tenancy import Credentials, ToolCall, tenant_provider

TOKEN_URL = "https://login.vendor.test/token"
API_URL = "https://api.vendor.test"


class _Thing(BaseModel):
    name: str


class ThingsProvider:
    """A tenant's things at a vendor with OAuth."""

    credentials: ClassVar[type[Credentials]] = OAuthCredentials
    unsupported: ClassVar[Mapping[str, str]] = {"erase_thing": "The vendor forgets nothing."}

    def __init__(self, account: Account, call: ToolCall) -> None:
        OAuthCredentials.model_validate(account.secrets)
        self._call = call
        auth = OAuth("Vendor", TOKEN_URL, account, call)
        self._api = VendorApi(
            "Vendor", account.base_url(API_URL), call.vendor_connection(account), auth
        )

    async def check(self) -> None:
        """Read the account."""
        await self._api.call("GET", ("me",), _Thing)

    async def read(self, name: str) -> str:
        """Read a thing."""
        return (await self._api.call("GET", ("things", name), _Thing)).name

    async def write(self, name: str) -> str:
        """Write a thing, which cannot be found again afterwards."""
        self._call.refuse_if_retry("Vendor")
        return (await self._api.call("POST", ("things",), _Thing, json={"name": name})).name


PROVIDER: ThingsProvider = Depends(tenant_provider({"vendor": ThingsProvider}))


class Thing(Result):
    name: str


@tool(title="Read a thing", annotations=READS, timeout=8.0)
async def read_thing(name: str, provider: ThingsProvider = PROVIDER) -> Thing:
    """Read a thing."""
    return Thing(name=await provider.read(name))


@tool(title="Write a thing", annotations=WRITES, timeout=15.0)
async def write_thing(name: str, provider: ThingsProvider = PROVIDER) -> Thing:
    """Write a thing."""
    return Thing(name=await provider.write(name))


@tool(title="Erase a thing", annotations=WRITES)
async def erase_thing(name: str, provider: ThingsProvider = PROVIDER) -> Thing:
    """Erase a thing."""
    return Thing(name=name)


THINGS = ServerSpec(
    "things", "Things.", (read_thing, write_thing, erase_thing), {"vendor": ThingsProvider}
)
SECRETS = {
    "client_id": "app",
    "client_secret": "canary-secret",
    "access_token": "canary-stale",
    "refresh_token": "canary-refresh-0",
}


async def connect(database: Database, tenant: Tenant, **changes: str) -> None:
    """Store the tenant's account at the vendor."""
    await accounts.connect(database, tenant, "things", "vendor", {**SECRETS, **changes})
