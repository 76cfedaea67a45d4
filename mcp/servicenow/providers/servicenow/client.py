"""The client of a ServiceNow instance: credentials, requests, and its Table API.

https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import httpx2
from pydantic import BaseModel, BeforeValidator, Field, SecretStr, model_validator

from config.security.vault import Account
from servicenow.providers.servicenow.refusals import read_refusal
from toolkit.errors import NotFound
from toolkit.http.client import Model, Params, VendorApi
from toolkit.http.records import RecordList
from toolkit.oauth import OAuth
from toolkit.tenancy import Credentials, ToolCall

R = TypeVar("R")

_JSON = {"Accept": "application/json"}
_WITH_LABELS = {"sysparm_display_value": "all"}
_WITHOUT_LINKS = {**_WITH_LABELS, "sysparm_exclude_reference_link": "true"}
_TABLES = ("now", "table")
_SYS_ID = re.compile(r"[0-9a-f]{32}")


class _ObjectResponse(BaseModel):
    result: dict[str, Any]


class _ListResponse(BaseModel):
    result: list[Any]


def _instance_name(address: object) -> object:
    """Return the name of an instance, which may be given as an address."""
    if not isinstance(address, str):
        return address
    host = address.strip().lower().removeprefix("https://").rstrip("/")
    return host.removesuffix(".service-now.com")


class ServiceNowCredentials(Credentials):
    """What a tenant gives to connect ServiceNow: an instance, and a user or an application."""

    instance: Annotated[
        str, BeforeValidator(_instance_name), Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    ]
    username: str = ""
    password: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")
    access_token: SecretStr = SecretStr("")

    @property
    def is_application(self) -> bool:
        """Say whether it signs in as an OAuth application."""
        return bool(self.client_id and self.client_secret and self.refresh_token)

    @model_validator(mode="after")
    def _check_complete(self) -> "ServiceNowCredentials":
        if not self.is_application and not (self.username and self.password):
            raise ValueError("take username and password, or an application and its refresh_token")
        return self


@dataclass(frozen=True)
class ServiceNowClient:
    """Sends JSON requests to one tenant's instance."""

    _api: VendorApi = field(repr=False)

    @classmethod
    def from_account(cls, account: Account, call: ToolCall) -> "ServiceNowClient":
        """Return the client of an account's instance, without sending a request."""
        credentials = ServiceNowCredentials.model_validate(account.secrets)
        base = account.base_url(f"https://{credentials.instance}.service-now.com")
        auth: httpx2.Auth = (
            OAuth("ServiceNow", f"{base}/oauth_token.do", account, call)
            if credentials.is_application
            else httpx2.BasicAuth(credentials.username, credentials.password.get_secret_value())
        )
        connection = call.vendor_connection(account)
        return cls(VendorApi("ServiceNow", base, connection, auth, refusal=read_refusal))

    async def request(
        self,
        method: str,
        path: tuple[str, ...],
        returns: type[Model],
        *,
        params: Params | None = None,
        json: Any = None,
    ) -> Model:
        """Send one request below `/api`, and return its result as the model `returns`."""
        answer = await self._api.call(
            method, ("api", *path), _ObjectResponse, params=params, json=json, headers=_JSON
        )
        return self._api.parse(answer.result, returns, reads=method == "GET")

    async def get_row(
        self, table: str, row: type[Model], fields: Sequence[str], sys_id: str
    ) -> Model | None:
        """Return a record of a table; None where there is none."""
        if not _SYS_ID.fullmatch(sys_id):
            return None
        params = {**_WITHOUT_LINKS, "sysparm_fields": ",".join(fields)}
        try:
            return await self.request("GET", (*_TABLES, table, sys_id), row, params=params)
        except NotFound:
            return None

    async def query_rows(
        self, table: str, rows: type[RecordList[R]], fields: Sequence[str], query: str, limit: int
    ) -> RecordList[R]:
        """Return records of a table that an encoded query finds."""
        params = {
            **_WITHOUT_LINKS,
            "sysparm_query": query,
            "sysparm_fields": ",".join(fields),
            "sysparm_limit": str(limit),
        }
        path = ("api", *_TABLES, table)
        answer = await self._api.call("GET", path, _ListResponse, params=params, headers=_JSON)
        return self._api.parse(answer.result, rows)

    async def insert(
        self, table: str, row: type[Model], fields: Sequence[str], body: dict[str, str]
    ) -> Model:
        """Create a record of a table."""
        params = {**_WITHOUT_LINKS, "sysparm_fields": ",".join(fields)}
        return await self.request("POST", (*_TABLES, table), row, params=params, json=body)

    async def patch(
        self,
        table: str,
        row: type[Model],
        fields: Sequence[str],
        sys_id: str,
        body: dict[str, str],
    ) -> Model:
        """Change fields of a record of a table."""
        params = {**_WITH_LABELS, "sysparm_fields": ",".join(fields)}
        return await self.request("PATCH", (*_TABLES, table, sys_id), row, params=params, json=body)
