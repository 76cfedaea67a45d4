"""Sell.do, as far as its integrators' code tells: the vendor publishes no documentation."""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field, SecretStr

from config.security.vault import Account
from crm.provider import Fields, Given, Kind, Page, Query, Record, Wanted, Word
from toolkit.errors import NotFound, UnknownTool
from toolkit.http.client import VendorApi
from toolkit.tenancy import Credentials, ToolCall

_ID = re.compile(r"[0-9]{1,18}")
_FORM = "sell_do[form][lead]"
_LEAD: Mapping[Word, str] = {"name": "name", "phone": "phone", "email": "email"}
_UNKNOWN = "needs the vendor's documentation, which is not public"
_WITHOUT = (
    *("get_lead", "get_contact", "create_contact", "update_contact"),
    *("get_account", "create_account", "update_account"),
    *("get_opportunity", "create_opportunity", "update_opportunity"),
    *("create_task", "get_task", "update_task", "create_event", "get_event", "update_event"),
    *("create_case", "get_case", "update_case", "query", "search", "raw_query"),
)


class SellDoCredentials(Credentials):
    """What a tenant pastes in to connect Sell.do."""

    api_key: SecretStr


class _Settings(BaseModel):
    campaign_srd: str | None = None


class _Saved(BaseModel):
    sell_do_lead_id: int = Field(ge=1)


class SellDo:
    """A tenant's Sell.do account. Leads can be created and changed, and nothing can be read.

    What a lead has no field for, such as a company, is written into a note. The setting
    `campaign_srd` says which campaign leads come from. The key is not tried when it is stored:
    no request is known that would change nothing.
    """

    credentials: ClassVar[type[Credentials]] = SellDoCredentials
    unsupported: ClassVar[Mapping[str, str]] = dict.fromkeys(_WITHOUT, _UNKNOWN)

    def __init__(self, account: Account, call: ToolCall) -> None:
        given = SellDoCredentials.model_validate(account.secrets)
        self._key = given.api_key
        self._campaign = _Settings.model_validate(account.settings).campaign_srd
        self._call = call
        base = account.base_url("https://app.sell.do")
        self._api = VendorApi("Sell.do", base, call.vendor_connection(account))

    async def check(self) -> None:
        """Do nothing: every request that is known creates or changes a lead."""

    async def create(self, kind: Kind, values: Mapping[Word, Given], fields: Fields) -> str:
        """Create a lead."""
        return await self._save({}, values, fields)

    async def find_lost_create(self, kind: Kind, values: Mapping[Word, Given]) -> str | None:
        """Return None for a first try; whether a lost one was done, nobody can tell."""
        self._call.refuse_if_retry("Sell.do")
        return None

    async def update(
        self, kind: Kind, record_id: str, values: Mapping[Word, Given], fields: Fields
    ) -> None:
        """Change a lead; notes are added to those that it has."""
        if not _ID.fullmatch(record_id):
            raise NotFound("Sell.do has no such record.")
        await self._save({f"{_FORM}[lead_id]": record_id}, values, fields)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Fail: nothing can be read."""
        raise UnknownTool

    async def query(self, query: Query) -> Page:
        """Fail: nothing can be read."""
        raise UnknownTool

    async def search(self, wanted: Wanted, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Fail: nothing can be read."""
        raise UnknownTool

    async def _save(
        self, form: Mapping[str, str], values: Mapping[Word, Given], fields: Fields
    ) -> str:
        sent = {
            **form,
            "api_key": self._key.get_secret_value(),
            **{f"{_FORM}[{_LEAD[word]}]": str(values[word]) for word in _LEAD if word in values},
            **{f"sell_do[form][custom][{name}]": _written(value) for name, value in fields.items()},
        }
        if note := _note(values):
            sent["sell_do[form][note][content]"] = note
        if self._campaign:
            sent["sell_do[campaign][srd]"] = self._campaign
        saved = await self._api.call("POST", ("api", "leads", "create.json"), _Saved, form=sent)
        return str(saved.sell_do_lead_id)


def _note(values: Mapping[Word, Given]) -> str:
    """Return what a lead has no field for, a line for each."""
    others = [
        f"{word.capitalize()}: {value}"
        for word, value in values.items()
        if word not in _LEAD and word != "notes"
    ]
    return "\n".join([*([str(values["notes"])] if "notes" in values else []), *others])


def _written(value: object) -> str:
    return "" if value is None else str(value)
