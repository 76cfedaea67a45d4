"""HubSpot: https://developers.hubspot.com/docs/api-reference."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Self

import httpx2
from pydantic import BaseModel, Field, SecretStr, model_validator

from config.columns import now
from config.security.vault import Account
from crm.lost_writes import is_same_record
from crm.provider import (
    STANDARD_FIELDS,
    CustomFields,
    InputValues,
    Kind,
    Page,
    Query,
    Record,
    SearchQuery,
    StandardField,
)
from crm.providers.hubspot import mapping
from crm.providers.hubspot.client import HubSpotClient, is_id
from crm.providers.hubspot.mapping import OBJECTS, PIPELINES, REFERENCES, CrmObject
from crm.providers.hubspot.options import OPTION_SOURCES
from crm.providers.hubspot.responses import NO_SUCH_RECORD, read_refusal
from crm.providers.hubspot.search import (
    Body,
    FilterContext,
    FilterGroup,
    contact_detail_filters,
    filter_groups,
    next_page,
    page_size,
    properties_to_describe,
    recent_filters,
    restrict_to_leads,
    satisfies,
    search_request,
    similar_name_filters,
    sort_property,
)
from toolkit.errors import NotFound, OutcomeUnknown, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.http.concurrency import gather
from toolkit.oauth import OAuth
from toolkit.speech.clock import business_zone
from toolkit.tenancy import Credentials, ToolCall

_TOKEN_URL = "https://api.hubapi.com/oauth/v1/token"  # noqa: S105 - an address
_MAX_CANDIDATES = 25  # records that a lost create is looked for among
_MAX_SIMILAR = 100  # records with a similar name, which `crm.matching` ranks
_SEARCHES_PER_SECOND = 5  # that HubSpot allows an account
_MAX_PAGES = 3  # of a query, whose records are compared here
_RECENT = timedelta(days=1)
# HubSpot normalizes these when it stores them.
_REWRITTEN: tuple[StandardField, ...] = ("industry", "website")


class HubSpotCredentials(Credentials):
    """The access token of a private app, or the OAuth credentials of a public one."""

    access_token: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        app = (self.client_id, self.client_secret, self.refresh_token)
        if not (all(app) or (self.access_token and not any(app))):
            raise ValueError("There is to be an access_token, or an app's three values.")
        return self


class _Settings(BaseModel):
    lead_source: str | None = None
    case_statuses: dict[str, str] = Field(default_factory=dict[str, str])


class HubSpot:
    """A tenant's HubSpot account.

    A lead is a contact in the lifecycle stage "lead": HubSpot's own leads are not in every plan,
    and name and number are those of the contact that such a lead belongs to. HubSpot has no
    property for the source of a lead: the setting `lead_source` names the account's own. An open
    case is in the stage "Waiting on us", or in the second stage; the setting `case_statuses` can
    name other stages for our statuses.
    """

    credentials: ClassVar[type[Credentials]] = HubSpotCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "raw_query": "HubSpot has no query language; `query` sends the filters that it takes."
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        credentials = HubSpotCredentials.model_validate(account.secrets)
        settings = _Settings.model_validate(account.settings)
        token = f"Bearer {credentials.access_token.get_secret_value()}"
        auth: httpx2.Auth = HeaderAuth("Authorization", token)
        if credentials.refresh_token:
            auth = OAuth("HubSpot", _TOKEN_URL, account, call)
        url = account.base_url("https://api.hubapi.com")
        api = VendorApi("HubSpot", url, call.vendor_connection(account), auth, read_refusal)
        self._call, self._source = call, settings.lead_source
        self._client = HubSpotClient(api, account, call, self._source, settings.case_statuses)

    async def check(self) -> None:
        """Read one contact."""
        await self._client.search("contacts", search_request((), (), 1))

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record, or None; a contact in another stage is not a lead."""
        if not is_id(record_id):
            return None
        try:
            found = await self._client.get_object(kind, record_id, fields)
        except NotFound:
            return None
        options = await self._client.options(kind)
        zone = await business_zone(self._call)
        return mapping.to_record(kind, found, self._source, zone, fields, options)

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a record with its associations, and return its id."""
        properties = await self._properties(kind, values, fields, None)
        associated = await self._references(values)
        defaults = mapping.default_properties(kind, values)
        return await self._client.create(kind, {**defaults, **properties}, associated)

    async def find_lost_create(self, kind: Kind, values: InputValues) -> str | None:
        """Return the id of a record that was created since yesterday with these values.

        A new record appears in HubSpot's search after some seconds, and a create is not retried
        before fifteen have passed.
        """
        if not self._call.is_retry:
            return None
        title = str(values.get("name") or values.get("subject") or "")
        context = FilterContext(self._source, await business_zone(self._call))
        groups = recent_filters(kind, title, now() - _RECENT, context)
        properties = mapping.requested_properties(kind, self._source)
        request = search_request(properties, groups, _MAX_CANDIDATES)
        response = await self._client.search(OBJECTS[kind], request)
        if len(response.results) < min(response.total, _MAX_CANDIDATES):
            raise OutcomeUnknown("HubSpot has a new record that cannot be read.")
        plain = {field: value for field, value in values.items() if field not in REFERENCES}
        for each in response.results:
            found = mapping.to_record(kind, each, self._source, context.zone)
            if is_same_record(found, plain, ignored=_REWRITTEN):
                # A search returns no associations.
                record = await self.get(kind, each.id)
                if record and is_same_record(record, values, ignored=_REWRITTEN):
                    return each.id
        return None

    async def update(
        self, kind: Kind, record_id: str, values: InputValues, fields: CustomFields
    ) -> None:
        """Set the given fields of a record."""
        if not is_id(record_id):
            raise NotFound(NO_SUCH_RECORD)
        associated = await self._references(values)
        before = CrmObject(id=record_id)
        if kind == "lead" or kind in PIPELINES or associated:
            before = await self._client.get_object(kind, record_id, (*PIPELINES.values(),))
        properties = await self._properties(kind, values, fields, before)
        if properties:
            await self._client.update(kind, before.id, properties)
        for field, other in associated.items():
            await self._client.replace_association(kind, before, field, other)

    async def query(self, query: Query) -> Page:
        """Return the records that satisfy a query."""
        kind, source = query.kind, self._source
        if any(each.value == [] for each in query.filters):
            return Page(records=())
        try:
            objects = await self._client.resolve_references(kind, query.filters)
        except NotFound:
            return Page(records=())
        options = await self._client.options(kind)
        types = await self._client.property_types(kind, properties_to_describe(query, source))
        zone = await business_zone(self._call)
        context = FilterContext(source, zone, options, objects, types)
        groups = filter_groups(query, context)
        sort_by, descending = sort_property(query, source)
        names = dict.fromkeys((*query.fields, *(each.field for each in query.filters)))
        custom = [name for name in names if name not in STANDARD_FIELDS[kind]]
        request = search_request(
            mapping.requested_properties(kind, source, custom),
            groups,
            page_size(query),
            sort_by=sort_by,
            descending=descending,
        )
        return await self._read_pages(query, request, custom, context)

    async def _read_pages(
        self, query: Query, request: Body, custom: Sequence[str], context: FilterContext
    ) -> Page:
        """Return the objects that a search finds and that satisfy the whole query."""
        kind, records, more = query.kind, list[Record](), True
        for _ in range(_MAX_PAGES):
            response = await self._client.search(OBJECTS[kind], request)
            for each in response.results:
                record = mapping.to_record(
                    kind, each, context.source, context.zone, custom, context.options
                )
                if all(satisfies(record, each, one, context) for one in query.filters):
                    records.append(record)
            following = response.paging.next
            more = following is not None or len(records) > query.limit
            if following is None or len(records) >= query.limit:
                break
            request = next_page(request, following.after)
        return Page(records=tuple(records[: query.limit]), more=more)

    async def search(self, query: SearchQuery, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return candidates by number, by address, by words, or by the beginnings of names."""
        names = list(dict.fromkeys(OBJECTS[kind] for kind in kinds))
        if query.phone or query.email:
            groups = {name: contact_detail_filters(name, query) for name in names}
        else:
            found = await self._search_objects({name: [] for name in names}, query, kinds, limit)
            if found:
                return found
            # As many as are left of the searches that HubSpot allows in a second.
            remaining = names[: max(1, _SEARCHES_PER_SECOND - len(names))]
            groups = {name: similar_name_filters(name, query.text) for name in remaining}
            limit = _MAX_SIMILAR
        searches = {name: of_name for name, of_name in groups.items() if of_name}
        return await self._search_objects(searches, query, kinds, limit)

    async def _search_objects(
        self,
        groups: Mapping[str, Sequence[FilterGroup]],
        query: SearchQuery,
        kinds: Sequence[Kind],
        limit: int,
    ) -> list[Record]:
        """Search each object type by its filter groups, or by the text where it has none."""
        requests = {
            name: search_request(
                mapping.requested_properties(_kinds_of(name, kinds)[0], self._source),
                restrict_to_leads(of_name, _kinds_of(name, kinds)),
                limit,
                words=None if of_name else query.text,
            )
            for name, of_name in groups.items()
        }
        responses = await gather(
            self._client.search(name, request) for name, request in requests.items()
        )
        zone = await business_zone(self._call)
        return [
            mapping.to_search_record(_kinds_of(name, kinds), each, self._source, zone, query.email)
            for name, response in zip(requests, responses, strict=True)
            for each in response.results
        ]

    async def _references(self, values: InputValues) -> dict[StandardField, tuple[str, str]]:
        """Return the type and id of the object that each reference among the values names."""
        return {
            field: await self._client.resolve_reference(field, str(values[field]))
            for field in REFERENCES
            if field in values
        }

    async def _properties(
        self, kind: Kind, values: InputValues, fields: CustomFields, before: CrmObject | None
    ) -> dict[str, str]:
        """Return the properties to write; `before` is the object to update, None for a new one.

        A label, such as that of a stage, becomes the option's value. A new record of a kind that
        has a pipeline starts in its first stage.
        """
        if "source" in values and self._source is None:
            raise Rejected(
                "HubSpot has no property for the source of a lead.",
                next="Call again without source, and say it in notes.",
            )
        zone = await business_zone(self._call)
        field, _ = OPTION_SOURCES.get(kind, ("", ()))
        value = values.get(field)
        if value is None and (before is not None or kind not in PIPELINES):
            return mapping.to_properties(kind, values, fields, self._source, zone)
        options = (await self._client.options(kind))[field]
        pipeline = before.properties.get(PIPELINES[kind]) if before and kind in PIPELINES else None
        option = options.first_stage() if value is None else options.select(str(value), pipeline)
        if option is None:
            return mapping.to_properties(kind, values, fields, self._source, zone)
        in_pipeline = {PIPELINES[kind]: option.pipeline} if option.pipeline else {}
        resolved = {**values, field: option.value}
        return {**in_pipeline, **mapping.to_properties(kind, resolved, fields, self._source, zone)}


def _kinds_of(name: str, kinds: Sequence[Kind]) -> list[Kind]:
    """Return those of the kinds that HubSpot has as objects of a type."""
    return [kind for kind in kinds if OBJECTS[kind] == name]
