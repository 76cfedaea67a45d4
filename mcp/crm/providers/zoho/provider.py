"""Zoho CRM API v8: https://www.zoho.com/crm/developer/docs/api/v8/."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import httpx2
from pydantic import BaseModel, Field

from config.columns import now
from config.security.vault import Account
from crm.lost_writes import is_the_same
from crm.provider import Fields, Given, Kind, Page, Query, Record, Wanted, Word
from crm.providers.zoho import mapping as zoho
from crm.providers.zoho import search as coql
from crm.providers.zoho.mapping import Row, Spelling
from toolkit.errors import Conflict, Forbidden, NotFound, OutcomeUnknown, Rejected, ToolFailure
from toolkit.http.client import VendorApi
from toolkit.http.concurrency import gather
from toolkit.oauth import OAuth, OAuthCredentials
from toolkit.tenancy import Credentials, ToolCall

_ID = re.compile(r"[0-9]{1,20}")
_CANDIDATES = 25  # records of a kind that are looked through
_HEARD_AMONG = 200  # records of which the names are compared by ear: one page
_LATELY = timedelta(days=1)
_RELATED: tuple[Kind, ...] = ("contact", "lead", "account", "opportunity", "case")
_REFUSALS: Mapping[str, tuple[type[ToolFailure], str]] = {
    "DUPLICATE_DATA": (Conflict, "Zoho CRM has such a record already."),
    "NO_PERMISSION": (Forbidden, "Zoho CRM does not let this account do that."),
}
# https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token-expiry.html
_REVOKED = frozenset({"invalid_code", "invalid_client", "invalid_client_secret"})


class _Settings(BaseModel):
    data_center: Literal["com", "eu", "in", "com.au", "com.cn", "jp"] = "com"
    case_statuses: dict[str, str] = Field(default_factory=dict[str, str])


class _Details(BaseModel):
    id: str | None = None
    api_name: str | None = None


class _Saved(BaseModel):
    status: str = ""
    code: str = ""
    details: _Details = _Details()


class _Answer(_Saved):
    """What became of each record; where there is no list, of the request as a whole."""

    data: list[_Saved] = Field(default_factory=list[_Saved])


class _Info(BaseModel):
    more_records: bool = False


class _Rows(BaseModel):
    """Some records; nothing at all where there is none, which is a 204."""

    data: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    info: _Info = _Info()


class _Refused(BaseModel):
    error: str = ""


class _ZohoOAuth(OAuth):
    """Zoho's refusal to renew a token is a 200."""

    async def _ask(self, mine: OAuthCredentials) -> httpx2.Response:
        response = await super()._ask(mine)
        try:
            refused = _Refused.model_validate_json(response.content).error
        except ValueError:
            return response
        if response.status_code != 200 or refused not in _REVOKED:
            return response
        return httpx2.Response(400, json={"error": "invalid_grant"})


class Zoho:
    """A tenant's Zoho CRM.

    Its app needs the scopes ZohoCRM.modules.ALL, ZohoCRM.coql.READ, ZohoCRM.settings.fields.READ
    and ZohoSearch.securesearch.READ. Zoho's cases have no status for "open" but "On Hold": the
    setting `case_statuses` can name others for new, open and closed.
    """

    credentials: ClassVar[type[Credentials]] = OAuthCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "raw_query": "Only statements that are made of a query's conditions are sent to Zoho CRM."
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        OAuthCredentials.model_validate(account.secrets)
        settings = _Settings.model_validate(account.settings)
        home = settings.data_center
        token_url = f"https://accounts.zoho.{home}/oauth/v2/token"
        self._call = call
        self._spelling = Spelling(
            {"new": "New", "open": "On Hold", "closed": "Closed", **settings.case_statuses}
        )
        self._api = VendorApi(
            "Zoho CRM",
            account.base_url(f"https://www.zohoapis.{home}"),
            call.vendor_connection(account),
            _ZohoOAuth("Zoho CRM", token_url, account, call, scheme="Zoho-oauthtoken"),
        )

    async def check(self) -> None:
        """Read one lead and search for one: each has a scope of its own."""
        await self._select(coql.statement("lead", (), limit=1))
        await self._by_search("lead", Wanted(text="check"), 1)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record, or None."""
        row = await self._row(kind, record_id)
        return zoho.record(kind, row, fields, self._spelling) if row else None

    async def create(self, kind: Kind, values: Mapping[Word, Given], fields: Fields) -> str:
        """Create a record and return its id."""
        row = zoho.given(kind, values, self._spelling) | await self._about(values, new=True)
        row = zoho.completed(kind, {**row, **fields}, values.get("starts_at"), self._spelling)
        saved = await self._save("POST", (zoho.MODULES[kind],), row)
        if not saved.details.id:
            raise OutcomeUnknown("Zoho CRM does not say what it has created.")
        return saved.details.id

    async def find_lost_create(self, kind: Kind, values: Mapping[Word, Given]) -> str | None:
        """Return what was created lately with these values.

        COQL reads what is stored, where Zoho's search lags behind.
        """
        if not self._call.is_retry:
            return None
        title = str(values.get("name") or values.get("subject") or "")
        conditions = coql.lately(kind, title, now() - _LATELY)
        rows = await self._select(coql.statement(kind, conditions, limit=_CANDIDATES))
        found = (zoho.record(kind, row, (), self._spelling) for row in rows.data)
        mine = (each.id for each in found if is_the_same(each, values))
        return next(mine, None)

    async def update(
        self, kind: Kind, record_id: str, values: Mapping[Word, Given], fields: Fields
    ) -> None:
        """Change what is given of a record."""
        if not _ID.fullmatch(record_id):
            raise NotFound("Zoho CRM has no such record.")
        row = zoho.given(kind, values, self._spelling) | await self._about(values, new=False)
        try:
            await self._save("PUT", (zoho.MODULES[kind], record_id), {**row, **fields})
        except Rejected:
            # Zoho says 400 to an id that it does not know, and to all else that it does not like.
            if await self._row(kind, record_id):
                raise
            raise NotFound("Zoho CRM has no such record.") from None

    async def query(self, query: Query) -> Page:
        """Return the records that fulfil a query."""
        rows = await self._select(coql.selected(query, self._spelling))
        found = (zoho.record(query.kind, row, query.fields, self._spelling) for row in rows.data)
        return Page(records=tuple(found), more=rows.info.more_records)

    async def search(self, wanted: Wanted, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return records by number, by address or by words.

        Zoho's search knows every field, but a number only as it is written, a name only as it is
        spelled, and nothing that is new: COQL is asked first for numbers, and last for the rest.
        """
        ways = (self._by_search, self._by_query)
        for way in reversed(ways) if wanted.phone else ways:
            found = await gather(way(kind, wanted, limit) for kind in kinds)
            if any(found):
                return [record for records in found for record in records]
        return []

    async def _by_search(self, kind: Kind, wanted: Wanted, limit: int) -> list[Record]:
        if wanted.phone:
            known, params = kind in zoho.NUMBERS, {"phone": wanted.phone}
        elif wanted.email:
            known, params = kind in zoho.ADDRESSES, {"email": wanted.email}
        else:
            known, params = True, {"word": wanted.text}
        if not known:
            return []
        path = ("crm", "v8", zoho.MODULES[kind], "search")
        rows = await self._api.call("GET", path, _Rows, params={**params, "per_page": limit})
        return [self._found(kind, row, wanted) for row in rows.data]

    async def _by_query(self, kind: Kind, wanted: Wanted, limit: int) -> list[Record]:
        if wanted.phone:
            columns = zoho.NUMBERS.get(kind, ())
            condition = coql.has_number(columns, wanted.phone) if columns else None
        elif wanted.email:
            columns = zoho.ADDRESSES.get(kind, ())
            condition = coql.has_address(columns, wanted.email) if columns else None
        else:
            columns, condition = (), coql.sounds_like(kind, wanted.text)
            limit = _HEARD_AMONG
        if condition is None:
            return []
        rows = await self._select(coql.statement(kind, [condition], fields=columns, limit=limit))
        return [self._found(kind, row, wanted) for row in rows.data]

    def _found(self, kind: Kind, row: Row, wanted: Wanted) -> Record:
        """Return a record with the fields in which the number or the address is."""
        return zoho.record(kind, row, zoho.telling(row, wanted), self._spelling)

    async def _select(self, statement: str) -> _Rows:
        body = {"select_query": statement}
        return await self._api.call("POST", ("crm", "v8", "coql"), _Rows, json=body, reads=True)

    async def _row(self, kind: Kind, record_id: str) -> Row | None:
        if not _ID.fullmatch(record_id):
            return None
        try:
            path = ("crm", "v8", zoho.MODULES[kind], record_id)
            rows = await self._api.call("GET", path, _Rows)
        except NotFound:
            return None
        except Rejected:
            # That is said to an id of nothing, too.
            same = coql.is_exactly("id", record_id)
            if (await self._select(coql.statement(kind, [same], limit=1))).data:
                raise
            return None
        return next(iter(rows.data), None)

    async def _about(self, values: Mapping[Word, Given], *, new: bool) -> dict[str, Any]:
        """Return what a record is about: Zoho wants to be told of which kind that is."""
        about = str(values.get("about", ""))
        if not about:
            return {}
        rows = await gather(self._row(kind, about) for kind in _RELATED)
        kinds: list[Kind] = [kind for kind, row in zip(_RELATED, rows, strict=True) if row]
        if not kinds:
            raise NotFound("Zoho CRM has no such record for it to be about.")
        return zoho.related(kinds[0], about, new=new)

    async def _save(self, method: str, path: tuple[str, ...], row: Row) -> _Saved:
        """Send one record, and return what became of it.

        Raises:
            ToolFailure: Zoho says in the list what it did not like, whatever the status is.
        """
        answer = await self._api.call(method, ("crm", "v8", *path), _Answer, json={"data": [row]})
        saved = answer.data[0] if answer.data else answer
        if saved.status == "success":
            return saved
        if saved.status != "error":
            raise OutcomeUnknown("Zoho CRM does not say whether it was done.")
        if saved.code == "INVALID_DATA" and saved.details.api_name == "id":
            raise NotFound("Zoho CRM has no such record.")
        refusal, message = _REFUSALS.get(
            saved.code, (Rejected, "Zoho CRM did not take what the record was to hold.")
        )
        raise refusal(message)
