"""The requests to HubSpot's CRM API v3: https://developers.hubspot.com/docs/api-reference."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from config.security.vault import Account
from crm.provider import WORDS, Filter, Kind, Word
from crm.providers.hubspot import mapping as records
from crm.providers.hubspot.mapping import OBJECTS, REFERENCES, Found
from crm.providers.hubspot.options import CHOSEN, Choices, Offered, choices
from toolkit.errors import Forbidden, NotFound, Rejected
from toolkit.http.client import VendorApi
from toolkit.http.concurrency import gather
from toolkit.tenancy import ToolCall

NONE = "HubSpot has no such record."
_ID = re.compile(r"[0-9]{1,20}")
_CHOICES_HOLD = 300.0  # seconds


class _Next(BaseModel):
    next: dict[str, Any] | None = None


class Results(BaseModel):
    """What a search has found."""

    results: list[Found]
    paging: _Next = _Next()


class _Created(BaseModel):
    id: str


class _Done(BaseModel):
    """An answer of which nothing is read."""


@dataclass(frozen=True)
class Hub:
    """One account. `source` is its property for where a lead comes from, if it has one.

    `statuses` are its stages of tickets for our words.
    """

    api: VendorApi
    account: Account
    call: ToolCall
    source: str | None
    statuses: Mapping[str, str]

    async def found(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Found:
        """Return a record with what it belongs to.

        Raises:
            NotFound: there is none, or it is a contact that is no lead.
        """
        related = {name: None for word in WORDS[kind] for name in REFERENCES.get(word, ())}
        params: dict[str, Sequence[str]] = {
            "properties": records.asked(kind, self.source, fields),
            "associations": list(related),
        }
        found = await self.api.call("GET", _path(OBJECTS[kind], record_id), Found, params=params)
        if kind == "lead" and found.properties.get(records.LIFECYCLE) != records.LEAD:
            raise NotFound(NONE)
        return found

    async def search(self, name: str, body: Mapping[str, Any]) -> Results:
        """Return the records of an object that are searched for."""
        path = (*_path(name), "search")
        return await self.api.call("POST", path, Results, json=body, reads=True)

    async def create(
        self, kind: Kind, properties: Mapping[str, str], related: Mapping[Word, tuple[str, str]]
    ) -> str:
        """Create a record that belongs to others, and return its id."""
        name = OBJECTS[kind]
        body = {
            "properties": properties,
            "associations": [
                {"to": {"id": other}, "types": records.association(name, target)}
                for target, other in related.values()
            ],
        }
        return (await self.api.call("POST", _path(name), _Created, json=body)).id

    async def change(self, kind: Kind, record_id: str, properties: Mapping[str, str]) -> None:
        """Change properties of a record."""
        path = _path(OBJECTS[kind], record_id)
        await self.api.call("PATCH", path, _Done, json={"properties": properties})

    async def relate(self, kind: Kind, before: Found, word: Word, other: tuple[str, str]) -> None:
        """Let a record belong to another one instead of the one that it belonged to."""
        name, was = OBJECTS[kind], before.related(word)
        path = ("crm", "v4", "objects", name, before.id, "associations")
        types = records.association(name, other[0])
        await self.api.call("PUT", (*path, *other), _Done, json=types)
        # Of companies the new one has become the primary one, as there can be several.
        if was and was != other and word != "account":
            await self.api.call("DELETE", (*path, *was), _Done)

    async def choices(self, kind: Kind) -> Mapping[Word, Choices]:
        """Return what a word of a kind is chosen from."""
        if kind not in CHOSEN:
            return {}
        word, path = CHOSEN[kind]

        async def offered() -> Choices:
            try:
                answer = await self.api.call("GET", ("crm", "v3", *path), Offered)
            except (Forbidden, NotFound):
                return Choices()  # the account may not know: what is said passes as it is
            return choices(kind, answer, self.statuses)

        return {word: await self.call.cached(self.account, path, _CHOICES_HOLD, offered)}

    async def object_of(self, word: Word, record_id: str) -> tuple[str, str]:
        """Return of what object a record is that is named by its id, and the id.

        Raises:
            NotFound: there is no such record.
            Rejected: HubSpot counts each object for itself, and there are several.
        """
        names = REFERENCES[word]
        if not is_id(record_id):
            raise NotFound(NONE)
        if len(names) > 1:
            there = await gather(self._is_there(name, record_id) for name in names)
            names = tuple(name for name, is_there in zip(names, there, strict=True) if is_there)
        match names:
            case [name]:
                return name, record_id
            case []:
                raise NotFound(NONE)
            case _:
                raise Rejected("HubSpot has several records with that id.")

    async def objects_in(self, kind: Kind, filters: Sequence[Filter]) -> Mapping[str, str]:
        """Return of what object each record is that filters name."""
        objects: dict[str, str] = {}
        for each in filters:
            if each.field in REFERENCES and each.field in WORDS[kind]:
                for value in each.value if isinstance(each.value, list) else [str(each.value)]:
                    objects[value], _ = await self.object_of(each.field, value)
        return objects

    async def _is_there(self, name: str, record_id: str) -> bool:
        try:
            await self.api.call("GET", _path(name, record_id), Found)
        except NotFound:
            return False
        return True


def is_id(text: str) -> bool:
    """Say whether a text has the form of HubSpot's ids."""
    return _ID.fullmatch(text) is not None


def _path(*parts: str) -> tuple[str, ...]:
    return ("crm", "v3", "objects", *parts)
