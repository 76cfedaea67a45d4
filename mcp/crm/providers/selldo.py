"""Sell.do. The vendor publishes no documentation; the requests are those of its integrators.

They are unverified: nothing here has been tried against an account.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr

from config.security.vault import Account
from crm.provider import (
    CustomFields,
    InputValues,
    Kind,
    Page,
    Query,
    Record,
    SearchQuery,
    StandardField,
)
from toolkit.errors import Forbidden, NotFound, OutcomeUnknown, Rejected, UnknownTool
from toolkit.http.client import VendorApi
from toolkit.tenancy import Credentials, ToolCall, UntriedAccountError

_ID = re.compile(r"[0-9]{1,18}")
_FORM = "sell_do[form][lead]"
_LEAD_FIELDS: Mapping[StandardField, str] = {"name": "name", "phone": "phone", "email": "email"}
_NOBODY = "nobody@antiphon.invalid"  # an address that no lead has
_NOT_READ = (
    "Of a lead with a number or an address integrators read that there is one; what it holds, and "
    "its id, are not known for sure."
)
_OF_A_PROJECT = (
    "Sell.do has follow-ups and visits to a project's site; their requests are known from its own "
    "tests alone, and take a project or a user's token."
)
_UNKNOWN = "No request for it is known, and the vendor publishes no documentation."
_UNSUPPORTED: Mapping[str, str] = {
    **dict.fromkeys(("get_lead", "search"), _NOT_READ),
    **{
        f"{verb}_{kind}": _UNKNOWN
        for kind in ("contact", "account", "opportunity", "case")
        for verb in ("get", "create", "update")
    },
    **{
        f"{verb}_{kind}": _OF_A_PROJECT
        for kind in ("task", "event")
        for verb in ("get", "create", "update")
    },
    **dict.fromkeys(("query", "raw_query"), _UNKNOWN),
}


class SellDoCredentials(Credentials):
    """The key of a Sell.do account."""

    api_key: SecretStr


class _Settings(BaseModel):
    campaign_srd: str | None = None


class _SaveResponse(BaseModel):
    """The id of a lead, or with the same status what is wrong with it."""

    lead_id: int | None = Field(None, alias="sell_do_lead_id", ge=1)
    error: list[Any] | str | None = None


class _SearchResponse(BaseModel):
    exists: bool


class SellDo:
    """A tenant's Sell.do account: leads can be created and changed, and nothing can be read.

    Values that a lead has no field for, such as the company, are written into a note. The setting
    `campaign_srd` names the campaign of new leads. A key that may create leads and read nothing
    cannot be tried when it is stored.
    """

    credentials: ClassVar[type[Credentials]] = SellDoCredentials
    unsupported: ClassVar[Mapping[str, str]] = _UNSUPPORTED

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._key = SellDoCredentials.model_validate(account.secrets).api_key
        self._campaign = _Settings.model_validate(account.settings).campaign_srd
        self._call = call
        base = account.base_url("https://app.sell.do")
        self._api = VendorApi("Sell.do", base, call.vendor_connection(account))

    async def check(self) -> None:
        """Look for a lead by an address that none has.

        Raises:
            UntriedAccountError: the key may not, and all else that is known changes something.
        """
        path = ("api", "leads", "email", "retrieve_lead")
        params = {"api_key": self._key.get_secret_value(), "value": _NOBODY}
        try:
            await self._api.call("GET", path, _SearchResponse, params=params)
        except (Forbidden, NotFound):
            raise UntriedAccountError(
                "its key may not read, and every other request that is known changes something"
            ) from None

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a lead."""
        return await self._save({}, values, fields)

    async def find_lost_create(self, kind: Kind, values: InputValues) -> str | None:
        """Return None for a first attempt.

        Raises:
            OutcomeUnknown: there was an earlier attempt: leads cannot be searched for.
        """
        self._call.refuse_if_retry("Sell.do")
        return None

    async def update(
        self, kind: Kind, record_id: str, values: InputValues, fields: CustomFields
    ) -> None:
        """Set the given fields of a lead; notes are added to those that it has."""
        if not _ID.fullmatch(record_id):
            raise NotFound("Sell.do has no such record.")
        await self._save({f"{_FORM}[lead_id]": record_id}, values, fields)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Fail: nothing can be read."""
        raise UnknownTool

    async def query(self, query: Query) -> Page:
        """Fail: nothing can be read."""
        raise UnknownTool

    async def search(self, query: SearchQuery, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Fail: nothing can be read."""
        raise UnknownTool

    async def _save(
        self,
        form: Mapping[str, str],
        values: InputValues,
        fields: CustomFields,
    ) -> str:
        sent = {
            **form,
            "api_key": self._key.get_secret_value(),
            **{
                f"{_FORM}[{name}]": str(values[field])
                for field, name in _LEAD_FIELDS.items()
                if field in values
            },
            **{f"sell_do[form][custom][{name}]": _to_text(value) for name, value in fields.items()},
        }
        if note := _note(values):
            sent["sell_do[form][note][content]"] = note
        if self._campaign:
            sent["sell_do[campaign][srd]"] = self._campaign
        saved = await self._api.call(
            "POST", ("api", "leads", "create.json"), _SaveResponse, form=sent
        )
        if saved.lead_id is None and saved.error:
            raise Rejected("Sell.do did not take what the lead was to hold.")
        if saved.lead_id is None:
            raise OutcomeUnknown("Sell.do does not say what it has created.")
        return str(saved.lead_id)


def _note(values: InputValues) -> str:
    """Return the text for those values that a lead has no field for, one a line."""
    others = [
        f"{field.capitalize()}: {value}"
        for field, value in values.items()
        if field not in _LEAD_FIELDS and field != "notes"
    ]
    return "\n".join([*([str(values["notes"])] if "notes" in values else []), *others])


def _to_text(value: object) -> str:
    return "" if value is None else str(value)
