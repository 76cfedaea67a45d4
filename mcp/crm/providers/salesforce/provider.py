"""Salesforce's REST API, through simple-salesforce.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar, cast
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, BeforeValidator, Field
from simple_salesforce.api import Salesforce as Sdk
from simple_salesforce.api import SFType

from config.security.vault import Account
from crm.provider import Fields, Given, Kind, Page, Query, Record, Wanted, Word
from crm.providers.salesforce import mapping as records
from crm.providers.salesforce import search as soql
from crm.providers.salesforce.objects import KINDS, SOBJECTS, is_id, path
from crm.providers.salesforce.raw_query import checked, rows
from crm.providers.salesforce.responses import Hits, Parts, RawRows, Row, Rows, Saved, refused, told
from toolkit.errors import (
    Forbidden,
    NotFound,
    OutcomeUnknown,
    Rejected,
    ToolFailure,
    Unavailable,
)
from toolkit.http.client import Model, VendorApi, thread_budget
from toolkit.http.sync_sdk import session
from toolkit.oauth import OAuth, OAuthCredentials
from toolkit.speech.people import is_similar
from toolkit.tenancy import Credentials, ToolCall

T = TypeVar("T")

_VENDOR = "Salesforce"
_VERSION = "64.0"
_PATH = f"/services/data/v{_VERSION}"
# What the SDK is told; the exchange and OAuth put the account's own in their places.
_NO_HOST, _NO_TOKEN = "my.salesforce.com", "none"
# A custom field of an activity cannot be an external id, so these have no key of ours.
_KEYLESS: frozenset[Kind] = frozenset({"task", "event"})

_Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+/?$")]


class SalesforceCredentials(OAuthCredentials):
    """What an authorised app holds for one org; `instance_url` comes with its first tokens."""

    instance_url: _Url


def _listed(names: object) -> object:
    """Return names that were given in one text, as in an environment, one by one."""
    return names.replace(",", " ").split() if isinstance(names, str) else names


class _Settings(BaseModel):
    login_url: _Url | None = None
    key_field: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]*__c$")
    raw_query_objects: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()


class _Api(VendorApi):
    # By its status alone a used-up quota is a missing right, and a duplicate a mistake.
    def _refuse(self, response: httpx2.Response, *, safe: bool) -> None:
        if 400 <= response.status_code < 500:
            try:
                body = json.loads(response.content)
            except (ValueError, RecursionError):
                body = None
            if (failure := told(body)) is not None:
                raise failure
        super()._refuse(response, safe=safe)


class Salesforce:
    """A tenant's Salesforce org.

    Settings: `login_url` where tokens are renewed (https://test.salesforce.com for a sandbox),
    `raw_query_objects` that raw queries may read besides the seven, and `key_field`, a custom
    text field that is a unique external id of all seven but tasks and events: with it a create
    that is repeated is one at Salesforce, whatever became of the first.
    """

    credentials: ClassVar[type[Credentials]] = SalesforceCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        given = SalesforceCredentials.model_validate(account.secrets)
        self._settings = _Settings.model_validate(account.settings)
        self._call = call
        login = self._settings.login_url or account.base_url("https://login.salesforce.com")
        token_url = f"{login.rstrip('/')}/services/oauth2/token"
        self._api = _Api(
            _VENDOR,
            account.base_url(given.instance_url),
            call.vendor_connection(account),
            OAuth(_VENDOR, token_url, account, call),
        )

    async def check(self) -> None:
        """Look for a contact, with every field that is read of one."""
        await self._select(soql.select(SOBJECTS["contact"], (), (), limit=1), Rows)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record by its id; None where there is none."""
        if not is_id(record_id, kind):
            return None
        sobject = SOBJECTS[kind]
        names = sobject.selected([path(each) for each in fields])
        if any("." in name for name in names):  # another record's: only a query reads these
            statement = soql.select(sobject, fields, [f"Id = {soql.quote(record_id)}"], limit=1)
            found = await self._select(statement, Rows)
            return next((records.record(row, kind, fields) for row in found.records), None)
        params = {"fields": ",".join(names)}

        def work(sdk: Sdk) -> Any:
            return _of(sdk, kind).get(record_id, params=params)

        try:
            row = self._api.read(await self._ask(work), Row)
        except NotFound:
            return None
        return records.record(row, kind, fields)

    async def create(self, kind: Kind, values: Mapping[Word, Given], fields: Fields) -> str:
        """Create a record, or set what an earlier try has created to the same."""
        body, key = records.new(kind, values, fields), self._key(kind)
        if key is None:
            made = await self._ask(lambda sdk: _of(sdk, kind).create(body), writes=True)
            return self._api.read(made, Saved, reads=False).id
        field = str(self._settings.key_field)
        made = await self._ask(lambda sdk: _upserted(sdk, kind, field, key, body), writes=True)
        if made:
            return self._api.read(made, Saved, reads=False).id
        found = await self._keyed(kind, key)
        if found is None:
            raise OutcomeUnknown("Salesforce took the record, and does not find it.")
        return found

    async def find_lost_create(self, kind: Kind, values: Mapping[Word, Given]) -> str | None:
        """Return what has this call's key, or else the same values since yesterday."""
        if not self._call.is_retry:
            return None
        if (key := self._key(kind)) is not None:
            return await self._keyed(kind, key)
        found = await self._select(soql.lately(kind, values), Rows)
        made = (records.record(row, kind, ()) for row in found.records)
        return next((each.id for each in made if records.same(each, values)), None)

    async def update(
        self, kind: Kind, record_id: str, values: Mapping[Word, Given], fields: Fields
    ) -> None:
        """Change what is given."""
        if not is_id(record_id, kind):
            raise NotFound("Salesforce has no such record.")
        body = records.changed(kind, values, fields)
        await self._ask(lambda sdk: _of(sdk, kind).update(record_id, body), writes=True)

    async def query(self, query: Query) -> Page:
        """Return the records that fulfil a query."""
        found = (await self._select(soql.query(query), Rows)).records
        shown = [row for row in found[: query.limit] if records.rings(row, query)]
        return Page(
            records=tuple(records.record(row, query.kind, query.fields) for row in shown),
            more=len(found) > query.limit,
        )

    async def search(self, wanted: Wanted, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return those with such a number or address, else those with such words or names."""
        if wanted.phone or wanted.email:
            asked: dict[Kind, str | None] = {
                kind: soql.found_by(kind, phone=wanted.phone, email=wanted.email, limit=limit)
                for kind in kinds
            }
            return await self._together(asked)
        words = soql.searched(wanted.text)
        found = await self._find(soql.search(words, kinds, limit))
        if any(_alike(wanted.text, each) for each in found):
            return found
        try:
            return found + await self._find(soql.search_loosely(words, kinds, limit))
        except Rejected:  # it is too loose for Salesforce, which leaves what was found
            return found

    async def raw_query(self, statement: str, limit: int) -> list[dict[str, Any]]:
        """Run SOQL that reads some of the objects that may be read."""
        safe = checked(statement, limit, self._settings.raw_query_objects)
        return rows(await self._select(safe, RawRows), limit)

    def _key(self, kind: Kind) -> str | None:
        """Return what names this call's record at Salesforce, where anything can."""
        if self._settings.key_field is None or kind in _KEYLESS:
            return None
        return self._call.idempotency_key

    async def _keyed(self, kind: Kind, key: str) -> str | None:
        statement = soql.select(
            SOBJECTS[kind], (), [f"{self._settings.key_field} = {soql.quote(key)}"], limit=1
        )
        found = await self._select(statement, Rows)
        return next((row.Id for row in found.records), None)

    async def _select(self, statement: str, returns: type[Model]) -> Model:
        return self._api.read(await self._ask(lambda sdk: sdk.query(statement)), returns)

    async def _find(self, statement: str | None) -> list[Record]:
        if statement is None:
            return []
        answer = await self._ask(lambda sdk: sdk.search(statement))
        hits = self._api.read(answer, Hits).searchRecords
        known: list[tuple[Row, Kind]] = [
            (row, KINDS[row.attributes.type]) for row in hits if row.attributes.type in KINDS
        ]
        return [records.record(row, kind, SOBJECTS[kind].numbers) for row, kind in known]

    async def _together(self, queries: Mapping[Kind, str | None]) -> list[Record]:
        """Return what several queries find, which are one request to Salesforce."""
        statements: dict[Kind, str] = {
            kind: each for kind, each in queries.items() if each is not None
        }
        if not statements:
            return []
        asked = [
            {
                "method": "GET",
                "url": f"{_PATH}/query?q={quote(statement, safe='')}",
                "referenceId": kind,
            }
            for kind, statement in statements.items()
        ]
        body = {"compositeRequest": asked}
        answer = await self._ask(lambda sdk: sdk.restful("composite", method="POST", json=body))
        parts = self._api.read(answer, Parts).compositeResponse
        if len(parts) != len(statements):
            raise Unavailable("Salesforce answered some of our questions only.")
        found: list[Record] = []
        refusals: list[ToolFailure] = []
        for part, kind in zip(parts, statements, strict=True):
            if part.httpStatusCode < 300:
                held = self._api.read(part.body, Rows).records
                found += [records.record(row, kind, SOBJECTS[kind].numbers) for row in held]
            else:
                refusals.append(refused(part))
        # A user who may not see one kind of record sees the others.
        grave = [each for each in refusals if not isinstance(each, Rejected | Forbidden)]
        if grave or len(refusals) == len(parts):
            raise (grave or refusals)[0]
        return found

    async def _ask(self, work: Callable[[Sdk], T], *, writes: bool = False) -> T:
        budget = thread_budget(writes=writes)
        sdk = Sdk(
            session_id=_NO_TOKEN,
            instance=_NO_HOST,
            version=_VERSION,
            session=session(partial(self._exchange, reads=not writes), budget=budget),
        )
        return await self._call.runtime.threads.run(lambda: work(sdk), budget=budget, writes=writes)

    async def _exchange(self, request: httpx2.Request, *, reads: bool) -> httpx2.Response:
        """Send what the SDK asks to the account's own address: the SDK knows https alone."""
        path, mark, query = request.url.raw_path.decode("ascii").partition("?")
        headers = [pair for pair in request.headers.multi_items() if pair[0].lower() != "host"]
        sent = httpx2.Request(
            request.method,
            f"{self._api.base_url}{path.rstrip('/')}{mark}{query}",
            headers=headers,
            content=request.content,
        )
        response = await self._api.exchange_json(sent, reads=reads)
        # The SDK would stumble over what is neither object nor list; who reads this says so.
        content = response.content if response.content[:1] in (b"{", b"[") else b"{}"
        return httpx2.Response(200, content=content)


def _of(sdk: Sdk, kind: Kind) -> SFType:
    return cast(SFType, getattr(sdk, SOBJECTS[kind].name))


def _upserted(sdk: Sdk, kind: Kind, field: str, key: str, body: dict[str, Any]) -> Any:
    answer: Any = _of(sdk, kind).upsert(f"{field}/{quote(key, safe='')}", body, raw_response=True)
    return answer.json()


def _alike(text: str, found: Record) -> bool:
    return any(
        is_similar(text, name) for name in (found.title, str(found.values.get("company", "")))
    )
