"""HubSpot: https://developers.hubspot.com/docs/api-reference."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Self

import httpx2
from pydantic import BaseModel, Field, SecretStr, model_validator

from config.columns import now
from config.security.vault import Account
from crm.lost_writes import is_the_same
from crm.provider import WORDS, Fields, Given, Kind, Page, Query, Record, Wanted, Word
from crm.providers.hubspot import mapping as records
from crm.providers.hubspot import search as searching
from crm.providers.hubspot.client import NONE, Hub, is_id
from crm.providers.hubspot.mapping import OBJECTS, PIPELINES, REFERENCES, Found
from crm.providers.hubspot.options import CHOSEN
from toolkit.errors import NotFound, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.http.concurrency import gather
from toolkit.oauth import OAuth
from toolkit.tenancy import Credentials, ToolCall

_TOKEN_URL = "https://api.hubapi.com/oauth/v1/token"  # noqa: S105 - an address
_CANDIDATES = 25
_HEARD_AMONG = 100  # records of which the names are compared by ear
_A_SECOND = 5  # searches that HubSpot lets an account make
_LATELY = timedelta(days=1)
_REWRITTEN: tuple[Word, ...] = ("industry", "website")


class HubSpotCredentials(Credentials):
    """A private app's access token alone, or all that an authorised app holds."""

    access_token: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _are_enough(self) -> Self:
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
    and belong to a contact, which alone has a name and a number. HubSpot has no property for where
    a lead comes from: the setting `lead_source` names the account's own. An open case is in the
    stage "Waiting on us", or in the second one; the setting `case_statuses` can name others.
    """

    credentials: ClassVar[type[Credentials]] = HubSpotCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "raw_query": "HubSpot has no query language; `query` sends the filters that it takes."
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        held = HubSpotCredentials.model_validate(account.secrets)
        settings = _Settings.model_validate(account.settings)
        token = f"Bearer {held.access_token.get_secret_value()}"
        auth: httpx2.Auth = HeaderAuth("Authorization", token)
        if held.refresh_token:
            auth = OAuth("HubSpot", _TOKEN_URL, account, call)
        url = account.base_url("https://api.hubapi.com")
        api = VendorApi("HubSpot", url, call.vendor_connection(account), auth)
        self._call, self._source = call, settings.lead_source
        self._hub = Hub(api, account, call, self._source, settings.case_statuses)

    async def check(self) -> None:
        """Read one contact."""
        await self._hub.search("contacts", searching.body((), (), 1))

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record; a contact that is no lead is no lead."""
        if not is_id(record_id):
            return None
        try:
            found = await self._hub.found(kind, record_id, fields)
        except NotFound:
            return None
        listed = await self._hub.choices(kind)
        return records.record(kind, found, self._source, fields, listed)

    async def create(self, kind: Kind, values: Mapping[Word, Given], fields: Fields) -> str:
        """Create a record with what it belongs to, and return its id."""
        properties = await self._properties(kind, values, fields, None)
        related = await self._related(values)
        return await self._hub.create(
            kind, {**records.completed(kind, values), **properties}, related
        )

    async def find_lost_create(self, kind: Kind, values: Mapping[Word, Given]) -> str | None:
        """Return what was created lately with these values.

        HubSpot's search knows a new record after some seconds; a try is repeated after fifteen.
        """
        if not self._call.is_retry:
            return None
        title = str(values.get("name") or values.get("subject") or "")
        groups = searching.lately(kind, title, now() - _LATELY, self._source)
        body = searching.body(records.asked(kind, self._source), groups, _CANDIDATES)
        found = await self._hub.search(OBJECTS[kind], body)
        own = {word: value for word, value in values.items() if word not in REFERENCES}
        for each in found.results:
            if is_the_same(records.record(kind, each, self._source), own, rewritten=_REWRITTEN):
                # What it belongs to is told by the record itself, and not by a search.
                whole = await self.get(kind, each.id)
                if whole and is_the_same(whole, values, rewritten=_REWRITTEN):
                    return each.id
        return None

    async def update(
        self, kind: Kind, record_id: str, values: Mapping[Word, Given], fields: Fields
    ) -> None:
        """Change what is given of a record."""
        if not is_id(record_id):
            raise NotFound(NONE)
        related = await self._related(values)
        before = Found(id=record_id)
        if kind == "lead" or kind in PIPELINES or related:
            before = await self._hub.found(kind, record_id, (*PIPELINES.values(),))
        properties = await self._properties(kind, values, fields, before)
        if properties:
            await self._hub.change(kind, record_id, properties)
        for word, other in related.items():
            await self._hub.relate(kind, before, word, other)

    async def query(self, query: Query) -> Page:
        """Return the records that fulfil a query."""
        kind, source = query.kind, self._source
        if any(each.value == [] for each in query.filters):
            return Page(records=())
        try:
            objects = await self._hub.objects_in(kind, query.filters)
        except NotFound:
            return Page(records=())
        listed = await self._hub.choices(kind)
        groups = searching.groups(query, source, listed, objects)
        by, down = searching.ordered(query, source)
        names = dict.fromkeys((*query.fields, *(each.field for each in query.filters)))
        own = [name for name in names if name not in WORDS[kind]]
        asked = records.asked(kind, source, own)
        body = searching.body(asked, groups, query.limit, by=by, down=down)
        found = await self._hub.search(OBJECTS[kind], body)
        rows = [records.record(kind, each, source, own, listed) for each in found.results]
        held = [row for row in rows if all(searching.holds(row, each) for each in query.filters)]
        return Page(records=tuple(held), more=found.paging.next is not None)

    async def search(self, wanted: Wanted, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return records by number, by address, by words, or by names that begin alike."""
        objects = list(dict.fromkeys(OBJECTS[kind] for kind in kinds))
        if wanted.phone or wanted.email:
            groups = {name: searching.told_by(name, wanted) for name in objects}
        else:
            found = await self._each({name: [] for name in objects}, wanted, kinds, limit)
            if found:
                return found
            # What is left of the searches that HubSpot allows in a second.
            few = objects[: max(1, _A_SECOND - len(objects))]
            groups = {name: searching.sounding(name, wanted.text) for name in few}
            limit = _HEARD_AMONG
        asked = {name: alternatives for name, alternatives in groups.items() if alternatives}
        return await self._each(asked, wanted, kinds, limit)

    async def _each(
        self,
        asked: Mapping[str, Sequence[searching.Group]],
        wanted: Wanted,
        kinds: Sequence[Kind],
        limit: int,
    ) -> list[Record]:
        """Search objects by filters, or by words where there are none."""
        bodies = {
            name: searching.body(
                records.asked(_of(name, kinds)[0], self._source),
                searching.narrowed(groups, _of(name, kinds)),
                limit,
                words=None if groups else wanted.text,
            )
            for name, groups in asked.items()
        }
        answers = await gather(self._hub.search(name, body) for name, body in bodies.items())
        return [
            records.hit(_of(name, kinds), each, self._source, wanted.email)
            for name, answer in zip(bodies, answers, strict=True)
            for each in answer.results
        ]

    async def _related(self, values: Mapping[Word, Given]) -> dict[Word, tuple[str, str]]:
        """Return what a record is to belong to, each with its object."""
        return {
            word: await self._hub.object_of(word, str(values[word]))
            for word in REFERENCES
            if word in values
        }

    async def _properties(
        self, kind: Kind, values: Mapping[Word, Given], fields: Fields, before: Found | None
    ) -> dict[str, str]:
        """Return what is written of a record, which is new where there is nothing before."""
        if "source" in values and self._source is None:
            raise Rejected(
                "HubSpot has no property for the source of a lead.",
                next="Call again without source, and say it in notes.",
            )
        word, _ = CHOSEN.get(kind, ("", ()))
        said = values.get(word)
        if said is None and (before is not None or kind not in PIPELINES):
            return records.given(kind, values, fields, self._source)
        listed = (await self._hub.choices(kind))[word]
        pipeline = before.properties.get(PIPELINES[kind]) if before and kind in PIPELINES else None
        choice = listed.first() if said is None else listed.chosen(str(said), pipeline)
        if choice is None:
            return records.given(kind, values, fields, self._source)
        stage = {PIPELINES[kind]: choice.pipeline} if choice.pipeline else {}
        given = records.given(kind, {**values, word: choice.value}, fields, self._source)
        return {**stage, **given}


def _of(name: str, kinds: Sequence[Kind]) -> list[Kind]:
    """Return the kinds that are kept in an object."""
    return [kind for kind in kinds if OBJECTS[kind] == name]
