"""HubSpot's CRM v3 with a memory: https://developers.hubspot.com/docs/api-reference.

There is no specification at hand: every request is looked at here, as facts/vendors.md, "HubSpot",
has it, and held against what HubSpot's own SDK sends in tests/contracts/test_hubspot.py.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx2

from crm.provider import Kind
from tests.crm.contract import CANARY, Crm
from tests.crm.providers.hubspot.filters import allowed, fulfils, has_words
from tests.crm.providers.hubspot.objects import (
    ANY,
    ASSOCIATIONS,
    DEMANDED,
    INDUSTRIES,
    LEAD_STATUSES,
    MOMENT,
    OBJECTS,
    OURS,
    PROPERTIES,
    READ_ONLY,
    REFERENCES,
    SEARCHED,
    SINGULAR,
    SYSTEM,
    TASKS,
    TOKEN_URL,
    WORDS,
    choices,
    error,
    labels,
    national,
    pipelines,
)


class HubSpot(Crm):
    """Remembers properties and associations by object."""

    base = "https://api.hubapi.com"
    reading_posts = re.compile(r"POST /crm/v3/objects/\w+/search")

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, dict[str, str]]] = {name: {} for name in OBJECTS.values()}
        self.related: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        self.token = f"pat-{CANARY}"
        self.tokens: list[httpx2.Response] = []
        self.pipelines = pipelines()
        self._last = 251_000

    def searches(self) -> list[dict[str, Any]]:
        """Return what was searched for."""
        asked = [each for each in self.requests if each.url.path.endswith("/search")]
        return [json.loads(each.content) for each in asked]

    def add(self, name: str, /, **properties: str) -> str:
        """Keep a record of an object, and return its id."""
        self._last += 1
        record_id = str(self._last)
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        system = {"createdate": created, "hs_createdate": created, "hs_object_id": record_id}
        self.objects[name][record_id] = {**system, **properties}
        return record_id

    def relate(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Associate two records."""
        self.related.setdefault(source, {})[target] = None

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if str(request.url) == TOKEN_URL:
            form = parse_qs(request.content.decode())
            assert form["grant_type"] == ["refresh_token"]
            assert {"client_id", "client_secret", "refresh_token"} <= {*form}
            return self.tokens.pop(0)
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return error(401, "INVALID_AUTHENTICATION")
        body: Any = json.loads(request.content or "{}")
        assert body == {} or request.headers["content-type"] == "application/json"
        match request.method, request.url.path.strip("/").split("/"):
            case "GET", ["crm", "v3", "pipelines", name]:
                return httpx2.Response(200, json={"results": self.pipelines[name]})
            case "GET", ["crm", "v3", "properties", "contacts", "hs_lead_status"]:
                return choices(LEAD_STATUSES)
            case "GET", ["crm", "v3", "properties", "companies", "industry"]:
                return choices(INDUSTRIES)
            case "POST", ["crm", "v3", "objects", name, "search"]:
                return self._searched(name, body)
            case "POST", ["crm", "v3", "objects", name]:
                return self._created(name, body)
            case method, ["crm", "v3", "objects", name, record_id]:
                if record_id not in self.objects[name]:
                    return error(404, "OBJECT_NOT_FOUND")
                return self._one(method, name, record_id, request, body)
            case method, ["crm", "v4", "objects", name, one, "associations", other, two]:
                assert one in self.objects[name]
                return self._associated(method, (name, one), (other, two), body)
            case unexpected:
                raise AssertionError(unexpected)

    def _created(self, name: str, body: dict[str, Any]) -> httpx2.Response:
        assert {*body} == {"properties", "associations"}, body
        missing = {*DEMANDED.get(name, "").split()} - {*body["properties"]}
        assert missing == set(), (name, missing)
        address = body["properties"].get("email")
        if address and name == "contacts" and address in self._all(name, "email"):
            return error(409, "CONFLICT")
        self._takes(name, body["properties"])
        record_id = self.add(name, **body["properties"])
        for each in body["associations"]:
            (kind,) = each["types"]
            assert kind.pop("associationCategory") == "HUBSPOT_DEFINED"
            numbers = {number: pair for pair, number in ASSOCIATIONS.items()}
            source, target = numbers[kind.pop("associationTypeId")]
            assert (source, kind) == (name, {}), each
            assert each["to"]["id"] in self.objects[target], each
            self.relate((name, record_id), (target, each["to"]["id"]))
        return httpx2.Response(201, json=self._shown(name, record_id))

    def _one(
        self, method: str, name: str, record_id: str, request: httpx2.Request, body: Any
    ) -> httpx2.Response:
        match method:
            case "GET":
                query = request.url.params
                asked = query.get_list("properties")
                self._knows(name, *asked)
                others = query.get_list("associations")
                return httpx2.Response(200, json=self._shown(name, record_id, asked, others))
            case "PATCH":
                assert {*body} == {"properties"}
                self._takes(name, body["properties"])
                self.objects[name][record_id] |= body["properties"]
                return httpx2.Response(200, json=self._shown(name, record_id))
            case unexpected:
                raise AssertionError(unexpected)

    def _associated(
        self, method: str, source: tuple[str, str], target: tuple[str, str], body: Any
    ) -> httpx2.Response:
        assert target[1] in self.objects[target[0]]
        match method:
            case "PUT":
                number = ASSOCIATIONS[source[0], target[0]]
                category = {"associationCategory": "HUBSPOT_DEFINED"}
                assert body == [{**category, "associationTypeId": number}]
                kept = self.related.get(source, {})
                primary = {target: None} if target[0] == "companies" else {}
                self.related[source] = {**primary, **kept, target: None}
                return httpx2.Response(201, json={"fromObjectId": source[1], "labels": []})
            case "DELETE":
                assert body == {}
                del self.related[source][target]
                return httpx2.Response(204)
            case unexpected:
                raise AssertionError(unexpected)

    def _takes(self, name: str, properties: dict[str, Any]) -> None:
        strange = {*properties} - {*PROPERTIES[name].split(), "region"}
        assert strange == set(), (name, strange)
        lists: dict[str, set[str]] = {
            "hs_lead_status": {*LEAD_STATUSES},
            "industry": {*INDUSTRIES},
            "hs_task_status": TASKS,
            "hs_task_priority": {"LOW", "MEDIUM", "HIGH", "NONE"},
            "hs_ticket_priority": {"LOW", "MEDIUM", "HIGH", "URGENT"},
        }
        for prop, value in properties.items():
            assert isinstance(value, str), (prop, value)
            assert not READ_ONLY.fullmatch(prop), prop
            assert value in lists.get(prop, {value}), (prop, value)
            if prop.endswith("_time") or prop in ("hs_timestamp", "closedate"):
                assert MOMENT.fullmatch(value), (prop, value)
        for stage, pipeline in (("dealstage", "pipeline"), ("hs_pipeline_stage", "hs_pipeline")):
            if stage in properties:
                (there,) = (
                    each for each in self.pipelines[name] if each["id"] == properties[pipeline]
                )
                assert properties[stage] in [each["id"] for each in there["stages"]]

    def _all(self, name: str, prop: str) -> list[Any]:
        return [each.get(prop) for each in self.objects[name].values()]

    def _shown(
        self, name: str, record_id: str, asked: list[str] | None = None, others: Any = ()
    ) -> dict[str, Any]:
        read = {prop: self.value(name, record_id, prop) for prop in asked or ["hs_object_id"]}
        found: dict[str, Any] = {"id": record_id, "properties": read, "archived": False}
        mine = self.related.get((name, record_id), {})
        for other in others:
            ids = [each for target, each in mine if target == other]
            unlabeled = f"{name}_to_{other}_unlabeled"
            results = [{"id": each, "type": unlabeled} for each in reversed(ids)]
            if other == "companies" and ids:
                results.append({"id": ids[0], "type": f"{name}_to_{other}"})
            if ids:
                found.setdefault("associations", {})[other] = {"results": results}
        return found

    def value(self, name: str, record_id: str, prop: str) -> Any:
        """Return a property, as HubSpot keeps or computes it."""
        properties = self.objects[name][record_id]
        companies = [
            each
            for target, each in self.related.get((name, record_id), {})
            if target == "companies"
        ]
        match prop:
            case "associatedcompanyid" | "hs_primary_associated_company":
                return companies[0] if companies else None
            case "hs_searchable_calculated_phone_number":
                return national(properties.get("phone"))
            case "hs_searchable_calculated_mobile_number":
                return national(properties.get("mobilephone"))
            case _:
                return properties.get(prop) or None

    def _searched(self, name: str, body: dict[str, Any]) -> httpx2.Response:
        allowed(body)
        groups = [group["filters"] for group in body["filterGroups"]]
        found = [
            record_id
            for record_id in self.objects[name]
            if any(self._fulfils(name, record_id, group) for group in groups or [[]])
            and has_words(self._text(name, record_id), body.get("query", ""))
        ]
        for order in body["sorts"]:
            down = {"DESCENDING": True, "ASCENDING": False}[order["direction"]]
            by = order["propertyName"]
            found.sort(key=lambda each: (self.value(name, each, by) or "", each), reverse=down)
        page = [self._shown(name, each, body["properties"]) for each in found[: body["limit"]]]
        answer: dict[str, Any] = {"total": len(found), "results": page}
        if len(found) > body["limit"]:
            answer["paging"] = {"next": {"after": str(body["limit"])}}
        return httpx2.Response(200, json=answer)

    def _text(self, name: str, record_id: str) -> str:
        return " ".join(
            str(self.value(name, record_id, each) or "") for each in SEARCHED[name].split()
        )

    def _fulfils(self, name: str, record_id: str, group: list[dict[str, Any]]) -> bool:
        for asked in group:
            prop = asked["propertyName"]
            if prop.startswith("associations."):
                other = SINGULAR[prop.removeprefix("associations.")]
                assert asked["operator"] == "EQ"
                if (other, asked["value"]) not in self.related.get((name, record_id), {}):
                    return False
                continue
            self._knows(name, prop)
            if not fulfils(self.value(name, record_id, prop), asked):
                return False
        return True

    def _knows(self, name: str, *properties: str) -> None:
        known = f"{PROPERTIES[name]} {SYSTEM} {ANY}".split()
        assert {*properties} - {*known} == set(), (name, properties)

    def held(self, kind: Kind) -> list[dict[str, Any]]:
        name = OBJECTS[kind]
        stage = {"lead": "lead", "contact": None}
        return [
            self._held(kind, record_id)
            for record_id, properties in self.objects[name].items()
            if kind not in stage or properties.get("lifecyclestage") == stage[kind]
        ]

    def _held(self, kind: Kind, record_id: str) -> dict[str, Any]:
        name = OBJECTS[kind]
        properties = self.objects[name][record_id]
        said = {
            "hs_lead_status": LEAD_STATUSES,
            "industry": INDUSTRIES,
            "dealstage": labels(self.pipelines["deals"]),
        }
        record: dict[str, Any] = {"id": record_id, "fields": {"region": properties.get("region")}}
        for pair in WORDS[kind].split():
            word, _, prop = pair.partition("=")
            value = properties.get(prop)
            if value and word.endswith("_date"):
                record[word] = value[:10]
            elif value:
                value = said.get(prop, {}).get(value, value)
                record[word] = OURS.get((kind, word), {}).get(value, value)
        if kind in ("lead", "contact"):
            names = (properties.get("firstname"), properties.get("lastname"))
            record["name"] = " ".join(each for each in names if each)
        related = [*self.related.get((name, record_id), {})]
        for word, others in REFERENCES.get(kind, {}).items():
            record |= dict([(word, each) for other, each in related if other in others][:1])
        return record
