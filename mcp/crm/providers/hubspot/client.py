"""The requests to HubSpot's CRM API v3: https://developers.hubspot.com/docs/api-reference."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel

from config.security.vault import Account
from crm.provider import STANDARD_FIELDS, Filter, Kind, StandardField
from crm.providers.hubspot import mapping
from crm.providers.hubspot.mapping import OBJECTS, REFERENCES, CrmObject
from crm.providers.hubspot.options import OPTION_SOURCES, Options, OptionsResponse, parse_options
from crm.providers.hubspot.responses import NO_SUCH_RECORD
from toolkit.errors import Forbidden, NotFound, Rejected
from toolkit.http.client import VendorApi
from toolkit.http.concurrency import gather
from toolkit.http.records import Records
from toolkit.tenancy import ToolCall

_ID = re.compile(r"[0-9]{1,20}")
_OPTIONS_TTL = 300.0  # seconds


class _NextPage(BaseModel):
    after: str = ""


class _Paging(BaseModel):
    next: _NextPage | None = None


class SearchResponse(BaseModel):
    """The response of a search: one page of objects, of `total` in all."""

    total: int = 0
    results: Records[CrmObject]
    paging: _Paging = _Paging()


class _PropertyResponse(BaseModel):
    type: str = ""


class _CreateResponse(BaseModel):
    id: str


class _IgnoredResponse(BaseModel):
    """A response of which nothing is read."""


@dataclass(frozen=True)
class HubSpotClient:
    """One tenant's HubSpot account.

    `source` is the name of the account's own property for the source of a lead, if it has one.
    `statuses` are the ticket stages, by id or label, that stand for our case statuses.
    """

    api: VendorApi
    account: Account
    call: ToolCall
    source: str | None
    statuses: Mapping[str, str]

    async def get_object(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> CrmObject:
        """Return an object with the `fields` among its properties, and with its associations.

        Raises:
            NotFound: there is no such object, or a lead is wanted and the contact is none.

        The object of a merged one has another id.
        """
        associated = dict.fromkeys(
            name for field in STANDARD_FIELDS[kind] for name in REFERENCES.get(field, ())
        )
        params: dict[str, Sequence[str]] = {
            "properties": mapping.requested_properties(kind, self.source, fields),
            "associations": list(associated),
        }
        path = _path(OBJECTS[kind], record_id)
        crm_object = await self.api.call("GET", path, CrmObject, params=params)
        stage = crm_object.properties.get(mapping.LIFECYCLE_STAGE)
        if crm_object.archived or (kind == "lead" and stage != mapping.LEAD_STAGE):
            raise NotFound(NO_SUCH_RECORD)
        return crm_object

    async def search(self, name: str, body: Mapping[str, Any]) -> SearchResponse:
        """Return the objects of a type that a search request finds."""
        path = (*_path(name), "search")
        return await self.api.call("POST", path, SearchResponse, json=body, reads=True)

    async def create(
        self,
        kind: Kind,
        properties: Mapping[str, str],
        associated: Mapping[StandardField, tuple[str, str]],
    ) -> str:
        """Create an object and return its id.

        `associated` holds the type and id of each object that it is to be associated with.
        """
        name = OBJECTS[kind]
        body = {
            "properties": properties,
            "associations": [
                {"to": {"id": other}, "types": mapping.association_types(name, target)}
                for target, other in associated.values()
            ],
        }
        return (await self.api.call("POST", _path(name), _CreateResponse, json=body)).id

    async def update(self, kind: Kind, record_id: str, properties: Mapping[str, str]) -> None:
        """Set properties of an object."""
        path = _path(OBJECTS[kind], record_id)
        await self.api.call("PATCH", path, _IgnoredResponse, json={"properties": properties})

    async def replace_association(
        self, kind: Kind, before: CrmObject, field: StandardField, other: tuple[str, str]
    ) -> None:
        """Associate an object with `other` instead of the object that `field` referred to.

        `before` is the object as it was; `other` is a type and an id.
        """
        name, previous = OBJECTS[kind], before.associated(field)
        path = ("crm", "v4", "objects", name, before.id, "associations")
        types = mapping.association_types(name, other[0])
        await self.api.call("PUT", (*path, *other), _IgnoredResponse, json=types)
        # An object can have several companies: the new one has become its primary company.
        if previous and previous != other and field != "account":
            await self.api.call("DELETE", (*path, *previous), _IgnoredResponse)

    async def options(self, kind: Kind) -> Mapping[StandardField, Options]:
        """Return the options of that field of a kind which has a fixed set of values.

        They are cached for five minutes. An account that may not read them has none.
        """
        if kind not in OPTION_SOURCES:
            return {}
        field, path = OPTION_SOURCES[kind]

        async def fetch() -> Options:
            try:
                response = await self.api.call("GET", ("crm", "v3", *path), OptionsResponse)
            except (Forbidden, NotFound):
                return Options()  # the account may not read them: values are passed on unchanged
            return parse_options(kind, response, self.statuses)

        return {field: await self.call.cached(self.account, path, _OPTIONS_TTL, fetch)}

    async def property_types(self, kind: Kind, names: Sequence[str]) -> Mapping[str, str]:
        """Return the types of properties that the account lets us read, by name.

        They are cached for five minutes.
        """

        async def fetch(name: str) -> str:
            path = ("crm", "v3", "properties", OBJECTS[kind], name)
            try:
                return (await self.api.call("GET", path, _PropertyResponse)).type
            except (Forbidden, NotFound):
                return ""

        types = await gather(
            self.call.cached(
                self.account, ("type", OBJECTS[kind], name), _OPTIONS_TTL, partial(fetch, name)
            )
            for name in names
        )
        return {name: kind for name, kind in zip(names, types, strict=True) if kind}

    async def resolve_reference(self, field: StandardField, record_id: str) -> tuple[str, str]:
        """Return the type and the id of the object that a reference field names by its id.

        An object that has been merged into another one is the other one.

        Raises:
            NotFound: there is no such object.
            Rejected: objects of several types have that id.
        """
        if not is_id(record_id):
            raise NotFound(NO_SUCH_RECORD)
        names = REFERENCES[field]
        ids = await gather(self._current_id(name, record_id) for name in names)
        match [(name, found) for name, found in zip(names, ids, strict=True) if found]:
            case [(name, found)]:
                return name, found
            case []:
                raise NotFound(NO_SUCH_RECORD)
            case _:
                raise Rejected("HubSpot has several records with that id.")

    async def resolve_references(
        self, kind: Kind, filters: Sequence[Filter]
    ) -> Mapping[str, tuple[str, str]]:
        """Return the type and id of each object that filters name, by the id in the filter."""
        objects: dict[str, tuple[str, str]] = {}
        for each in filters:
            if each.field in REFERENCES and each.field in STANDARD_FIELDS[kind]:
                for value in each.value if isinstance(each.value, list) else [str(each.value)]:
                    objects[value] = await self.resolve_reference(each.field, value)
        return objects

    async def _current_id(self, name: str, record_id: str) -> str | None:
        try:
            crm_object = await self.api.call("GET", _path(name, record_id), CrmObject)
        except NotFound:
            return None
        return None if crm_object.archived else crm_object.id


def is_id(text: str) -> bool:
    """Say whether a text has the form of a HubSpot id."""
    return _ID.fullmatch(text) is not None


def _path(*parts: str) -> tuple[str, ...]:
    return ("crm", "v3", "objects", *parts)
