"""Zoho CRM API v8: https://www.zoho.com/crm/developer/docs/api/v8/."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar

import httpx2
from pydantic import AfterValidator, BaseModel, Field

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
from crm.providers.zoho.responses import (
    RowResponse,
    RowsResponse,
    SaveResponse,
    SaveResult,
    read_refusal,
)
from toolkit.errors import NotFound, OutcomeUnknown, Rejected
from toolkit.http.client import VendorApi
from toolkit.http.concurrency import gather
from toolkit.oauth import OAuth, OAuthCredentials
from toolkit.speech.clock import business_zone
from toolkit.tenancy import Credentials, ToolCall

_ID = re.compile(r"[0-9]{1,20}")
_MAX_CANDIDATES = 25  # records that a lost create is looked for among
_MAX_SIMILAR = 200  # records with a similar name, which `crm.matching` ranks: one page
_RECENT = timedelta(days=1)
_ABOUT_KINDS: tuple[Kind, ...] = ("contact", "lead", "account", "opportunity", "case")
# The hosts of the accounts and of the API, by the setting `data_center`, of which several names
# are in use: https://www.zoho.com/crm/developer/docs/api/v8/multi-dc.html and
# https://www.zoho.com/accounts/protocol/oauth/multi-dc.html. That of the Emirates is in neither.
_US = ("accounts.zoho.com", "www.zohoapis.com")
_AUSTRALIA = ("accounts.zoho.com.au", "www.zohoapis.com.au")
_CHINA = ("accounts.zoho.com.cn", "www.zohoapis.com.cn")
_DATA_CENTERS: Mapping[str, tuple[str, str]] = {
    **{"com": _US, "us": _US},
    "eu": ("accounts.zoho.eu", "www.zohoapis.eu"),
    "in": ("accounts.zoho.in", "www.zohoapis.in"),
    **{"com.au": _AUSTRALIA, "au": _AUSTRALIA},
    **{"com.cn": _CHINA, "cn": _CHINA},
    "jp": ("accounts.zoho.jp", "www.zohoapis.jp"),
    "ca": ("accounts.zohocloud.ca", "www.zohoapis.ca"),
    "sa": ("accounts.zoho.sa", "www.zohoapis.sa"),
    "uk": ("accounts.zoho.uk", "www.zohoapis.uk"),
    "ae": ("accounts.zoho.ae", "www.zohoapis.ae"),
}
# https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token-expiry.html
_REVOKED_ERRORS = frozenset({"invalid_code", "invalid_client", "invalid_client_secret"})


def _known_data_center(name: str) -> str:
    if name not in _DATA_CENTERS:
        raise ValueError(f"There is no such data center; there are {', '.join(_DATA_CENTERS)}.")
    return name


class _Settings(BaseModel):
    data_center: Annotated[str, AfterValidator(_known_data_center)] = "com"
    case_statuses: dict[str, str] = Field(default_factory=dict[str, str])


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
        accounts, api = _DATA_CENTERS[settings.data_center]
        token_url = f"https://{accounts}/oauth/v2/token"
        self._call = call
        self._picklists = PicklistValues(
            {"new": "New", "open": "On Hold", "closed": "Closed", **settings.case_statuses}
        )
        self._api = VendorApi(
            "Zoho CRM",
            account.base_url(f"https://{api}"),
            call.vendor_connection(account),
            _ZohoOAuth("Zoho CRM", token_url, account, call, scheme="Zoho-oauthtoken"),
            read_refusal,
        )

    async def check(self) -> None:
        """Query and search for a lead: the two need different scopes."""
        await self._select(coql.build_statement("lead", (), limit=1))
        await self._by_search("lead", SearchQuery(text="check"), 1)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record, or None.

        Raises:
            NotFound: it is a lead that has been converted.
        """
        row = await self._row(kind, record_id)
        if row is None and kind == "lead" and await self._row(kind, record_id, converted="true"):
            raise NotFound(
                "This lead has been converted.", next="Find the contact with search instead."
            )
        return mapping.to_record(kind, row, fields, self._picklists) if row else None

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a record and return its id."""
        row = mapping.to_row(kind, values, self._picklists) | await self._about(values, new=True)
        row = mapping.with_required_fields(
            kind, {**row, **fields}, values.get("starts_at"), self._picklists
        )
        if kind == "opportunity":
            today = now().astimezone(await business_zone(self._call)).date()
            row = {**mapping.default_close_date(today), **row}
        saved = await self._save("POST", (mapping.MODULES[kind],), row)
        if saved.details is None or not saved.details.id:
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
        zone = await business_zone(self._call)
        rows = await self._select(coql.build_query(query, self._picklists, zone))
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
        rows = await self._api.call("GET", path, RowsResponse, params={**params, "per_page": limit})
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

    async def _select(self, statement: str) -> RowsResponse:
        body = {"select_query": statement}
        return await self._api.call(
            "POST", ("crm", "v8", "coql"), RowsResponse, json=body, reads=True
        )

    async def _row(self, kind: Kind, record_id: str, **params: str) -> Row | None:
        if not _ID.fullmatch(record_id):
            return None
        try:
            path = ("crm", "v8", mapping.MODULES[kind], record_id)
            rows = await self._api.call("GET", path, RowResponse, params=params)
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

    async def _save(self, method: str, path: tuple[str, ...], row: Row) -> SaveResult:
        """Send one record and return the result.

        Raises:
            ToolFailure: Zoho refused the record, which the status of the response may not say.
        """
        response = await self._api.call(
            method, ("crm", "v8", *path), SaveResponse, json={"data": [row]}
        )
        saved = response.result
        if saved.status == "success":
            return saved
        if saved.status != "error":
            raise OutcomeUnknown("Zoho CRM does not say whether it was done.")
        raise saved.failure or Rejected("Zoho CRM did not take what the record was to hold.")
