"""An MCP server with one tool, which makes one vendor request; the rest of a call is overhead."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from fastmcp.dependencies import Depends
from fastmcp.tools import tool
from pydantic import BaseModel, Field, SecretStr

from config.security.vault import Account
from toolkit.effects import READS
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec
from toolkit.tenancy import Credentials, ToolCall, tenant_provider

NAME, TOOL, PROVIDER = "parcels", "get_parcel", "courier"


class CourierCredentials(Credentials):
    """Credentials of the fictional vendor."""

    api_key: SecretStr


class CourierParcel(BaseModel):
    """A parcel as the vendor returns it."""

    number: str
    status: str
    place: str
    expected: str


class Parcel(Result):
    """A parcel as the tool returns it."""

    number: str
    status: str
    place: str
    expected: str
    note: str | None = None


class Courier:
    """The provider: one account at the vendor."""

    credentials: ClassVar[type[Credentials]] = CourierCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        key = CourierCredentials.model_validate(account.secrets).api_key.get_secret_value()
        self._api = VendorApi(
            "Courier",
            account.base_url("https://api.courier.example"),
            call.vendor_connection(account),
            HeaderAuth("Authorization", f"Bearer {key}"),
        )

    async def check(self) -> None:
        """Request a parcel."""
        await self.parcel("P-1")

    async def parcel(self, number: str) -> CourierParcel:
        """Return a parcel; makes one request."""
        return await self._api.call("GET", ("v1", "parcels", number), CourierParcel)


COURIER: Courier = Depends(tenant_provider({PROVIDER: Courier}))


@tool(title="Find a parcel", annotations=READS, tags={"voice"}, timeout=8.0)
async def get_parcel(
    number: Annotated[str, Field(max_length=40)], courier: Courier = COURIER
) -> Parcel:
    """Say where a parcel is. number: as the caller reads it out."""
    found = await courier.parcel(number)
    say = f"It is {found.status} in {found.place}, and is expected {found.expected}."
    return Parcel(say=say, **found.model_dump())


SERVER = ServerSpec(NAME, "Parcels and where they are.", [get_parcel], {PROVIDER: Courier})
