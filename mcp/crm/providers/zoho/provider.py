"""Zoho CRM API v8: https://www.zoho.com/crm/developer/docs/api/v8/."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import httpx2
from pydantic import BaseModel, Field

from config.columns import now
from config.security.vault import Account
from crm.lost_writes import is_same_record
from crm.provider import (
    CustomFields,
    InputValues,
    Kind,
    Page,
    Query,
    Record,
    SearchQuery,
)
from crm.providers.zoho import mapping
from crm.providers.zoho import search as coql
from crm.providers.zoho.mapping import PicklistValues, Row
from toolkit.errors import Conflict, Forbidden, NotFound, OutcomeUnknown, Rejected, ToolFailure
from toolkit.http.client import VendorApi
from toolkit.http.concurrency import gather
from toolkit.oauth import OAuth, OAuthCredentials
from toolkit.tenancy import Credentials, ToolCall

_ID = re.compile(r"[0-9]{1,20}")
_MAX_CANDIDATES = 25  # records that a lost create is looked for among
_MAX_SIMILAR = 200  # records with a similar name, which `crm.matching` ranks: one page
_RECENT = timedelta(days=1)
_ABOUT_KINDS: tuple[Kind, ...] = ("contact", "lead", "account", "opportunity", "case")
_FAILURES_BY_CODE: Mapping[str, tuple[type[ToolFailure], str]] = {
    "DUPLICATE_DATA": (Conflict, "Zoho CRM has such a record already."),
    "NO_PERMISSION": (Forbidden, "Zoho CRM does not let this account do that."),
}
# https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token-expiry.html
_REVOKED_ERRORS = frozenset({"invalid_code", "invalid_client", "invalid_client_secret"})


class _Settings(BaseModel):
    data_center: Literal["com", "eu", "in", "com.au", "com.cn", "jp"] = "com"
    case_statuses: dict[str, str] = Field(default_factory=dict[str, str])


class _Details(BaseModel):
    id: str | None = None
    api_name: str | None = None


class _SaveResult(BaseModel):
    status: str = ""
    code: str = ""
    details: _Details = _Details()


class _SaveResponse(_SaveResult):
    """The result for each record; without a list, that of the whole request."""

    data: list[_SaveResult] = Field(default_factory=list[_SaveResult])


class _Info(BaseModel):
    more_records: bool = False


class _RowsResponse(BaseModel):
    """A page of records. The body is empty, with a 204, where there are none."""

    data: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    info: _Info = _Info()


class _TokenError(BaseModel):
    error: str = ""


class _ZohoOAuth(OAuth):
    """OAuth at Zoho, which refuses to renew a token with a 200."""

    async def _request_token(self, credentials: OAuthCredentials) -> httpx2.Response:
        response = await super()._request_token(credentials)
        try:
            error = _TokenError.model_validate_json(response.content).error
        except ValueError:
            return response
        if response.status_code != 200 or error not in _REVOKED_ERRORS:
            return response
        return httpx2.Response(400, json={"error": "invalid_grant"})


class Zoho:
    """A tenant's Zoho CRM.

    The app needs the scopes ZohoCRM.modules.ALL, ZohoCRM.coql.READ, ZohoCRM.settings.fields.READ
    and ZohoSearch.securesearch.READ. "On Hold" is the only status of Zoho's cases that can stand
    for "open": the setting `case_statuses` can name others for new, open and closed.
    """

    credentials: ClassVar[type[Credentials]] = OAuthCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "raw_query": "Only statements that are made of a query's conditions are sent to Zoho CRM."
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        OAuthCredentials.model_validate(account.secrets)
        settings = _Settings.model_validate(account.settings)
        domain = settings.data_center
        token_url = f"https://accounts.zoho.{domain}/oauth/v2/token"
        self._call = call
        self._picklists = PicklistValues(
            {"new": "New", "open": "On Hold", "closed": "Closed", **settings.case_statuses}
        )
        self._api = VendorApi(
            "Zoho CRM",
            account.base_url(f"https://www.zohoapis.{domain}"),
            call.vendor_connection(account),
            _ZohoOAuth("Zoho CRM", token_url, account, call, scheme="Zoho-oauthtoken"),
        )

    async def check(self) -> None:
        """Query and search for a lead: the two need different scopes."""
        await self._select(coql.build_statement("lead", (), limit=1))
        await self._by_search("lead", SearchQuery(text="check"), 1)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record, or None."""
        row = await self._row(kind, record_id)
        return mapping.to_record(kind, row, fields, self._picklists) if row else None

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a record and return its id."""
        row = mapping.to_row(kind, values, self._picklists) | await self._about(values, new=True)
        row = mapping.with_required_fields(
            kind, {**row, **fields}, values.get("starts_at"), self._picklists
        )
        saved = await self._save("POST", (mapping.MODULES[kind],), row)
        if not saved.details.id:
            raise OutcomeUnknown("Zoho CRM does not say what it has created.")
        return saved.details.id

    async def find_lost_create(self, kind: Kind, values: InputValues) -> str | None:
        """Return the id of a record that was created since yesterday with these values.

        COQL finds a new record at once, Zoho's search only later.
        """
        if not self._call.is_retry:
            return None
        title = str(values.get("name") or values.get("subject") or "")
        conditions = coql.recent_conditions(kind, title, now() - _RECENT)
        rows = await self._select(coql.build_statement(kind, conditions, limit=_MAX_CANDIDATES))
        records = (mapping.to_record(kind, row, (), self._picklists) for row in rows.data)
        return next((each.id for each in records if is_same_record(each, values)), None)

    async def update(
        self, kind: Kind, record_id: str, values: InputValues, fields: CustomFields
    ) -> None:
        """Set the given fields of a record."""
        if not _ID.fullmatch(record_id):
            raise NotFound("Zoho CRM has no such record.")
        row = mapping.to_row(kind, values, self._picklists) | await self._about(values, new=False)
        try:
            await self._save("PUT", (mapping.MODULES[kind], record_id), {**row, **fields})
        except Rejected:
            # Zoho answers 400 to an unknown id as to any other mistake.
            if await self._row(kind, record_id):
                raise
            raise NotFound("Zoho CRM has no such record.") from None

    async def query(self, query: Query) -> Page:
        """Return the records that satisfy a query."""
        rows = await self._select(coql.build_query(query, self._picklists))
        records = tuple(
            mapping.to_record(query.kind, row, query.fields, self._picklists) for row in rows.data
        )
        return Page(records=records, more=rows.info.more_records)

    async def search(self, query: SearchQuery, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return candidates by number, by address or by words.

        Zoho's search covers every field, but finds a number only in the format in which it is
        stored, a name only as it is spelled, and no new records. So COQL is used first for
        numbers, and for the rest where the search finds nothing.
        """
        methods = (self._by_search, self._by_coql)
        for method in reversed(methods) if query.phone else methods:
            found = await gather(method(kind, query, limit) for kind in kinds)
            if any(found):
                return [record for records in found for record in records]
        return []

    async def _by_search(self, kind: Kind, query: SearchQuery, limit: int) -> list[Record]:
        if query.phone:
            is_searchable, params = kind in mapping.PHONE_FIELDS, {"phone": query.phone}
        elif query.email:
            is_searchable, params = kind in mapping.EMAIL_FIELDS, {"email": query.email}
        else:
            is_searchable, params = True, {"word": query.text}
        if not is_searchable:
            return []
        path = ("crm", "v8", mapping.MODULES[kind], "search")
        rows = await self._api.call(
            "GET", path, _RowsResponse, params={**params, "per_page": limit}
        )
        return [self._to_candidate(kind, row, query) for row in rows.data]

    async def _by_coql(self, kind: Kind, query: SearchQuery, limit: int) -> list[Record]:
        if query.phone:
            columns = mapping.PHONE_FIELDS.get(kind, ())
            condition = coql.has_number(columns, query.phone) if columns else None
        elif query.email:
            columns = mapping.EMAIL_FIELDS.get(kind, ())
            condition = coql.has_address(columns, query.email) if columns else None
        else:
            columns, condition = (), coql.has_similar_name(kind, query.text)
            limit = _MAX_SIMILAR
        if condition is None:
            return []
        rows = await self._select(
            coql.build_statement(kind, [condition], fields=columns, limit=limit)
        )
        return [self._to_candidate(kind, row, query) for row in rows.data]

    def _to_candidate(self, kind: Kind, row: Row, query: SearchQuery) -> Record:
        """Return a record whose custom fields hold the number or the address of the query."""
        return mapping.to_record(kind, row, mapping.matching_fields(row, query), self._picklists)

    async def _select(self, statement: str) -> _RowsResponse:
        body = {"select_query": statement}
        return await self._api.call(
            "POST", ("crm", "v8", "coql"), _RowsResponse, json=body, reads=True
        )

    async def _row(self, kind: Kind, record_id: str) -> Row | None:
        if not _ID.fullmatch(record_id):
            return None
        try:
            path = ("crm", "v8", mapping.MODULES[kind], record_id)
            rows = await self._api.call("GET", path, _RowsResponse)
        except NotFound:
            return None
        except Rejected:
            # Zoho may refuse an id that no record has, too.
            has_id = coql.equals("id", record_id)
            if (await self._select(coql.build_statement(kind, [has_id], limit=1))).data:
                raise
            return None
        return next(iter(rows.data), None)

    async def _about(self, values: InputValues, *, new: bool) -> dict[str, Any]:
        """Return the fields that say what a record is about; Zoho needs to know its module.

        Raises:
            NotFound: there is no such record.
        """
        about = str(values.get("about", ""))
        if not about:
            return {}
        rows = await gather(self._row(kind, about) for kind in _ABOUT_KINDS)
        kinds: list[Kind] = [kind for kind, row in zip(_ABOUT_KINDS, rows, strict=True) if row]
        if not kinds:
            raise NotFound("Zoho CRM has no such record for it to be about.")
        return mapping.about_fields(kinds[0], about, new=new)

    async def _save(self, method: str, path: tuple[str, ...], row: Row) -> _SaveResult:
        """Send one record and return the result.

        Raises:
            ToolFailure: Zoho refused the record, which the status of the response may not say.
        """
        response = await self._api.call(
            method, ("crm", "v8", *path), _SaveResponse, json={"data": [row]}
        )
        saved = response.data[0] if response.data else response
        if saved.status == "success":
            return saved
        if saved.status != "error":
            raise OutcomeUnknown("Zoho CRM does not say whether it was done.")
        if saved.code == "INVALID_DATA" and saved.details.api_name == "id":
            raise NotFound("Zoho CRM has no such record.")
        failure, message = _FAILURES_BY_CODE.get(
            saved.code, (Rejected, "Zoho CRM did not take what the record was to hold.")
        )
        raise failure(message)
