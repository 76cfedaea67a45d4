"""Salesforce, over its REST API and simple-salesforce.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar, cast
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, BeforeValidator, Field
from simple_salesforce.api import Salesforce as Sdk
from simple_salesforce.api import SFType

from config.security.vault import Account
from crm.provider import (
    CustomFields,
    InputValues,
    Kind,
    Page,
    Query,
    Record,
    SearchQuery,
)
from crm.providers.salesforce import mapping
from crm.providers.salesforce import search as soql
from crm.providers.salesforce.objects import (
    IS_CONVERTED,
    KIND_OF_SOBJECT,
    MASTER,
    MERGED_KINDS,
    SOBJECTS,
    check_field_path,
    is_id,
)
from crm.providers.salesforce.raw_query import restrict_statement, to_rows
from crm.providers.salesforce.responses import (
    CompositeResponse,
    QueryResponse,
    RawQueryResponse,
    SaveResponse,
    SearchResponse,
    SobjectRecord,
    converted_lead,
    read_refusal,
    subresponse_failure,
)
from toolkit.errors import (
    Forbidden,
    NotFound,
    OutcomeUnknown,
    Rejected,
    ToolFailure,
    Unavailable,
)
from toolkit.http.client import Model, VendorApi
from toolkit.http.sync_sdk import sync_session
from toolkit.oauth import OAuth, OAuthCredentials
from toolkit.speech.clock import business_zone
from toolkit.speech.people import is_similar
from toolkit.tenancy import Credentials, ToolCall

T = TypeVar("T")

_VENDOR = "Salesforce"
_VERSION = "64.0"
_PATH = f"/services/data/v{_VERSION}"
# Placeholders for the SDK: `_exchange` and the OAuth flow replace them.
_PLACEHOLDER_HOST, _PLACEHOLDER_TOKEN = "my.salesforce.com", "none"
# A custom field of an activity cannot be an external id, so these have no idempotency key.
_KINDS_WITHOUT_KEY: frozenset[Kind] = frozenset({"task", "event"})

_Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+/?$")]


class SalesforceCredentials(OAuthCredentials):
    """OAuth credentials for one org; `instance_url` is part of the first token response."""

    instance_url: _Url


def _split_names(names: object) -> object:
    """Return a list of names that a text, such as an environment variable, separates by commas."""
    return names.replace(",", " ").split() if isinstance(names, str) else names


class _Settings(BaseModel):
    login_url: _Url | None = None
    key_field: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]*__c$")
    raw_query_objects: Annotated[tuple[str, ...], BeforeValidator(_split_names)] = ()


class Salesforce:
    """A tenant's Salesforce org.

    Settings: `login_url` is where tokens are renewed (https://test.salesforce.com for a sandbox).
    `raw_query_objects` are further objects that raw queries may read. `key_field` is a custom text
    field that is a unique external id of all objects but tasks and events: with it, a repeated
    create is an upsert of the same record.
    """

    credentials: ClassVar[type[Credentials]] = SalesforceCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        credentials = SalesforceCredentials.model_validate(account.secrets)
        self._settings = _Settings.model_validate(account.settings)
        self._call = call
        login = self._settings.login_url or account.base_url("https://login.salesforce.com")
        token_url = f"{login.rstrip('/')}/services/oauth2/token"
        self._api = VendorApi(
            _VENDOR,
            account.base_url(credentials.instance_url),
            call.vendor_connection(account),
            OAuth(_VENDOR, token_url, account, call),
            read_refusal,
        )

    async def check(self) -> None:
        """Select one contact, with every field that is read of contacts."""
        await self._select(soql.build_select(SOBJECTS["contact"], (), (), limit=1), QueryResponse)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record by its id, or None; one that was merged is the one it was merged into.

        Raises:
            NotFound: the lead has become a contact.
        """
        if not is_id(record_id, kind):
            return None
        row = await self._row(kind, record_id, fields)
        if row is None and kind in MERGED_KINDS:
            master = await self._master(kind, record_id)
            row = await self._row(kind, master, fields) if master else None
        if row is None:
            return None
        _require_open(row)
        return mapping.to_record(row, kind, fields)

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a record, or update the one that an earlier attempt created, and return its id."""
        body, key = mapping.to_new_record(kind, values, fields), self._key(kind)
        if key is None:
            saved = await self._run(lambda sdk: _sobject_type(sdk, kind).create(body), writes=True)
            return self._api.parse(saved, SaveResponse, reads=False).id
        field = str(self._settings.key_field)
        saved = await self._run(lambda sdk: _upsert(sdk, kind, field, key, body), writes=True)
        if saved:
            return self._api.parse(saved, SaveResponse, reads=False).id
        record_id = await self._find_by_key(kind, key)
        if record_id is None:
            raise OutcomeUnknown("Salesforce took the record, and does not find it.")
        return record_id

    async def find_lost_create(self, kind: Kind, values: InputValues) -> str | None:
        """Return the id of the record with this call's key, or with its values since yesterday."""
        if not self._call.is_retry:
            return None
        if (key := self._key(kind)) is not None:
            return await self._find_by_key(kind, key)
        statement = soql.build_recent_query(kind, values, await business_zone(self._call))
        response = await self._select(statement, QueryResponse)
        if len(response.records) < response.totalSize:
            raise OutcomeUnknown("Salesforce has a new record that cannot be read.")
        recent = (mapping.to_record(row, kind, ()) for row in response.records)
        return next((each.id for each in recent if mapping.is_same_record(each, values)), None)

    async def update(
        self, kind: Kind, record_id: str, values: InputValues, fields: CustomFields
    ) -> None:
        """Set the given fields of a record."""
        if not is_id(record_id, kind):
            raise NotFound("Salesforce has no such record.")
        if kind == "lead":  # some users may change converted ones
            row = await self._row(kind, record_id, (), (IS_CONVERTED,))
            if row is None:
                raise NotFound("Salesforce has no such record.")
            _require_open(row)
        body = mapping.to_payload(kind, values, fields)
        await self._run(lambda sdk: _sobject_type(sdk, kind).update(record_id, body), writes=True)

    async def query(self, query: Query) -> Page:
        """Return the records that satisfy a query."""
        statement = soql.build_query(query, await business_zone(self._call))
        response = await self._select(statement, QueryResponse)
        rows = response.records
        matching = [row for row in rows if mapping.matches_phone_filters(row, query)]
        is_full = max(response.totalSize, len(rows)) >= soql.row_limit(query)
        return Page(
            records=tuple(
                mapping.to_record(row, query.kind, query.fields) for row in matching[: query.limit]
            ),
            more=is_full or len(matching) > query.limit,
        )

    async def search(self, query: SearchQuery, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return candidates by number or by address, else by words and similar names."""
        if query.phone or query.email:
            statements: dict[Kind, str | None] = {
                kind: soql.build_contact_query(
                    kind, phone=query.phone, email=query.email, limit=limit
                )
                for kind in kinds
            }
            return await self._select_all(statements)
        terms = soql.search_terms(query.text)
        found = await self._find(soql.build_search(terms, kinds, limit))
        if any(_is_similar(query.text, each) for each in found):
            return found
        try:
            return found + await self._find(soql.build_fuzzy_search(terms, kinds, limit))
        except Rejected:  # the patterns match too much
            return found

    async def raw_query(self, statement: str, limit: int) -> list[dict[str, Any]]:
        """Run a SOQL SELECT on objects that the tenant may read."""
        select = restrict_statement(statement, limit, self._settings.raw_query_objects)
        return to_rows(await self._select(select, RawQueryResponse), limit)

    async def _row(
        self, kind: Kind, record_id: str, fields: Sequence[str], names: Sequence[str] | None = None
    ) -> SobjectRecord | None:
        """Return a record with the custom `fields`, or with nothing but `names`."""
        sobject = SOBJECTS[kind]
        names = names or sobject.field_names([check_field_path(each) for each in fields])
        if any("." in name for name in names):  # a related record's field, which only a query reads
            statement = soql.build_select(
                sobject, fields, [f"Id = {soql.quote(record_id)}"], limit=1
            )
            response = await self._select(statement, QueryResponse)
            return next(iter(response.records), None)
        params = {"fields": ",".join(dict.fromkeys(("Id", *names)))}

        def fetch(sdk: Sdk) -> Any:
            return _sobject_type(sdk, kind).get(record_id, params=params)

        try:
            return self._api.parse(await self._run(fetch), SobjectRecord)
        except NotFound:
            return None

    async def _master(self, kind: Kind, record_id: str) -> str | None:
        """Return the id of the record that a deleted one was merged into."""
        statement = soql.build_master_query(kind, record_id)
        response = await self._run(lambda sdk: sdk.query(statement, include_deleted=True))
        rows = self._api.parse(response, QueryResponse).records
        masters = ((row.model_extra or {}).get(MASTER) for row in rows)
        return next((each for each in masters if isinstance(each, str) and is_id(each, kind)), None)

    def _key(self, kind: Kind) -> str | None:
        """Return this call's idempotency key, if the kind has a field for it."""
        if self._settings.key_field is None or kind in _KINDS_WITHOUT_KEY:
            return None
        return self._call.idempotency_key

    async def _find_by_key(self, kind: Kind, key: str) -> str | None:
        statement = soql.build_select(
            SOBJECTS[kind], (), [f"{self._settings.key_field} = {soql.quote(key)}"], limit=1
        )
        response = await self._select(statement, QueryResponse)
        return next((row.Id for row in response.records), None)

    async def _select(self, statement: str, returns: type[Model]) -> Model:
        return self._api.parse(await self._run(lambda sdk: sdk.query(statement)), returns)

    async def _find(self, statement: str | None) -> list[Record]:
        if statement is None:
            return []
        response = await self._run(lambda sdk: sdk.search(statement))
        rows = self._api.parse(response, SearchResponse).searchRecords
        of_kinds: list[tuple[SobjectRecord, Kind]] = [
            (row, KIND_OF_SOBJECT[row.attributes.type])
            for row in rows
            if row.attributes.type in KIND_OF_SOBJECT
        ]
        return [mapping.to_record(row, kind, SOBJECTS[kind].phone_fields) for row, kind in of_kinds]

    async def _select_all(self, queries: Mapping[Kind, str | None]) -> list[Record]:
        """Return what several queries find, sent as one composite request.

        Raises:
            ToolFailure: every query was refused, or one for a reason that concerns all of them.
        """
        statements: dict[Kind, str] = {
            kind: each for kind, each in queries.items() if each is not None
        }
        if not statements:
            return []
        requests = [
            {
                "method": "GET",
                "url": f"{_PATH}/query?q={quote(statement, safe='')}",
                "referenceId": kind,
            }
            for kind, statement in statements.items()
        ]
        body = {"compositeRequest": requests}
        response = await self._run(lambda sdk: sdk.restful("composite", method="POST", json=body))
        responses = self._api.parse(response, CompositeResponse).compositeResponse
        if len(responses) != len(statements):
            raise Unavailable("Salesforce answered some of our questions only.")
        records: list[Record] = []
        failures: list[ToolFailure] = []
        for each, kind in zip(responses, statements, strict=True):
            if each.httpStatusCode < 300:
                rows = self._api.parse(each.body, QueryResponse).records
                names = SOBJECTS[kind].phone_fields
                records += [mapping.to_record(row, kind, names) for row in rows]
            else:
                failures.append(subresponse_failure(each))
        # A user who has no access to one object may have it to the others.
        fatal = [each for each in failures if not isinstance(each, Rejected | Forbidden)]
        if fatal or len(failures) == len(responses):
            raise (fatal or failures)[0]
        return records

    async def _run(self, work: Callable[[Sdk], T], *, writes: bool = False) -> T:
        """Run `work` with the SDK in a thread, within the time that a tool call has."""
        budget = self._api.thread_budget(writes=writes)
        sdk = Sdk(
            session_id=_PLACEHOLDER_TOKEN,
            instance=_PLACEHOLDER_HOST,
            version=_VERSION,
            session=sync_session(partial(self._exchange, reads=not writes), budget=budget),
        )
        return await self._call.runtime.threads.run(lambda: work(sdk), budget=budget, writes=writes)

    async def _exchange(self, request: httpx2.Request, *, reads: bool) -> httpx2.Response:
        """Send the SDK's request to the account's address; the SDK itself can only use https."""
        path, question_mark, query = request.url.raw_path.decode("ascii").partition("?")
        headers = [pair for pair in request.headers.multi_items() if pair[0].lower() != "host"]
        redirected = httpx2.Request(
            request.method,
            f"{self._api.base_url}{path.rstrip('/')}{question_mark}{query}",
            headers=headers,
            content=request.content,
        )
        response = await self._api.send_json(redirected, reads=reads)
        # The SDK fails on JSON that is neither object nor list; `parse` refuses an empty object.
        content = response.content if response.content[:1] in (b"{", b"[") else b"{}"
        return httpx2.Response(200, content=content)


def _require_open(row: SobjectRecord) -> None:
    if (row.model_extra or {}).get(IS_CONVERTED):
        raise converted_lead()


def _sobject_type(sdk: Sdk, kind: Kind) -> SFType:
    return cast(SFType, getattr(sdk, SOBJECTS[kind].name))


def _upsert(sdk: Sdk, kind: Kind, field: str, key: str, body: dict[str, Any]) -> Any:
    path = f"{field}/{quote(key, safe='')}"
    response: Any = _sobject_type(sdk, kind).upsert(path, body, raw_response=True)
    return response.json()


def _is_similar(text: str, record: Record) -> bool:
    names = (record.title, str(record.values.get("company", "")))
    return any(is_similar(text, name) for name in names)
