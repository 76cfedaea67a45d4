"""A fake of HubSpot's CRM API v3: https://developers.hubspot.com/docs/api-reference.

HubSpot publishes no specification, so every request is checked here, and compared with those of
HubSpot's own SDK in tests/contracts/test_hubspot.py.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx2

from crm.provider import Kind
from tests.crm.contract import CANARY, FakeCrm
from tests.crm.providers.hubspot.filters import check_request, has_words, satisfies
from tests.crm.providers.hubspot.objects import (
    ASSOCIATIONS,
    FIELDS,
    IGNORED,
    INDUSTRIES,
    LEAD_STATUSES,
    MOMENT,
    OBJECTS,
    OWN,
    PROPERTIES,
    READ_ONLY,
    REFERENCES,
    REQUIRED,
    SEARCHED,
    SINGULAR,
    SINGULAR_OF,
    STANDARD_VALUES,
    SYSTEM_PROPERTIES,
    TASK_STATUSES,
    TOKEN_URL,
    error,
    labels,
    pipelines,
    property_definition,
    property_type,
    without_country,
)
from tests.crm.samples import ZONE


class FakeHubSpot(FakeCrm):
    """Keeps properties and associations by object type and id."""

    base = "https://api.hubapi.com"
    reading_posts = re.compile(r"POST /crm/v3/objects/\w+/search")

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, dict[str, str]]] = {name: {} for name in OBJECTS.values()}
        # An object's first company is its primary one, unless `labels` says otherwise.
        self.related: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        self.labels: dict[tuple[str, str], str] = {}  # of the tenant's own, by companies
        self.without_primary: set[tuple[str, str]] = set()
        self.hidden: set[str] = set()  # properties whose definitions may not be read
        self.merged: dict[tuple[str, str], str] = {}  # what an object has become
        self.token = f"pat-{CANARY}"
        self.tokens: list[httpx2.Response] = []
        self.pipelines = pipelines()
        self._last = 251_000

    def searches(self) -> list[dict[str, Any]]:
        """Return the bodies of the search requests."""
        requests = [each for each in self.requests if each.url.path.endswith("/search")]
        return [json.loads(each.content) for each in requests]

    def add(self, name: str, /, **properties: str) -> str:
        """Add an object of a type, and return its id."""
        self._last += 1
        record_id = str(self._last)
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        system = {"createdate": created, "hs_createdate": created, "hs_object_id": record_id}
        self.objects[name][record_id] = {**system, **properties}
        return record_id

    def relate(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Associate two objects, each given by type and id."""
        self.related.setdefault(source, {})[target] = None

    def merge(self, name: str, primary: str, other: str) -> str:
        """Merge two objects into a new one, and return its id.

        Both old ids point to it, and only it is found by a search: https://developers.hubspot.com/
        changelog/updated-merge-functionality-for-contacts-and-companies.
        """
        old = [self.objects[name].pop(each) for each in (primary, other)]
        record_id = self.add(name, **{**old[1], **old[0], "hs_object_id": ""})
        self.merged |= {(name, primary): record_id, (name, other): record_id}
        current = {(name, each): (name, record_id) for each in (primary, other)}
        moved: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        for source, targets in self.related.items():
            renamed = {current.get(target, target): None for target in targets}
            moved.setdefault(current.get(source, source), {}).update(renamed)
        self.related = moved
        return record_id

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
            case "GET", ["crm", "v3", "properties", name, prop]:
                labels = {"hs_lead_status": LEAD_STATUSES, "industry": INDUSTRIES}
                if prop in self.hidden:
                    return error(403, "MISSING_SCOPES")
                if prop not in f"{PROPERTIES[name]} {SYSTEM_PROPERTIES}".split():
                    return error(404, "OBJECT_NOT_FOUND")
                return property_definition(prop, labels.get(prop, {}))
            case "POST", ["crm", "v3", "objects", name, "search"]:
                check_request(request.content.decode(), body)
                return self._search(name, body)
            case "POST", ["crm", "v3", "objects", name]:
                return self._create(name, body)
            case method, ["crm", "v3", "objects", name, record_id]:
                record_id = self.merged.get((name, record_id), record_id)
                if record_id not in self.objects[name]:
                    return error(404, "OBJECT_NOT_FOUND")
                return self._object(method, name, record_id, request, body)
            case method, ["crm", "v4", "objects", name, one, "associations", other, two]:
                assert one in self.objects[name]
                return self._associate(method, (name, one), (other, two), body)
            case unexpected:
                raise AssertionError(unexpected)

    def _create(self, name: str, body: dict[str, Any]) -> httpx2.Response:
        assert {*body} == {"properties", "associations"}, body
        missing = {*REQUIRED.get(name, "").split()} - {*body["properties"]}
        assert missing == set(), (name, missing)
        address = body["properties"].get("email")
        if address and name == "contacts" and address in self._values(name, "email"):
            return error(409, "CONFLICT")
        if self._unknown(name, body["properties"]):
            return error(400, "VALIDATION_ERROR", "PROPERTY_DOESNT_EXIST")
        self._check_writable(name, body["properties"])
        record_id = self.add(name, **body["properties"])
        for each in body["associations"]:
            (kind,) = each["types"]
            assert kind.pop("associationCategory") == "HUBSPOT_DEFINED"
            numbers = {number: pair for pair, number in ASSOCIATIONS.items()}
            source, target = numbers[kind.pop("associationTypeId")]
            assert (source, kind) == (name, {}), each
            assert each["to"]["id"] in self.objects[target], each
            self.relate((name, record_id), (target, each["to"]["id"]))
        return httpx2.Response(201, json=self._to_json(name, record_id))

    def _object(
        self, method: str, name: str, record_id: str, request: httpx2.Request, body: Any
    ) -> httpx2.Response:
        match method:
            case "GET":
                query = request.url.params
                properties = query.get_list("properties")
                self._check_known(name, *properties)
                others = query.get_list("associations")
                return httpx2.Response(200, json=self._to_json(name, record_id, properties, others))
            case "PATCH":
                assert {*body} == {"properties"}
                if self._unknown(name, body["properties"]):
                    return error(400, "VALIDATION_ERROR", "PROPERTY_DOESNT_EXIST")
                address = body["properties"].get("email")
                rest = [each for key, each in self.objects[name].items() if key != record_id]
                if address and address in [each.get("email") for each in rest]:
                    return error(400, "VALIDATION_ERROR", "CONFLICTING_UNIQUE_VALUE")
                self._check_writable(name, body["properties"])
                self.objects[name][record_id] |= body["properties"]
                return httpx2.Response(200, json=self._to_json(name, record_id))
            case unexpected:
                raise AssertionError(unexpected)

    def _associate(
        self, method: str, source: tuple[str, str], target: tuple[str, str], body: Any
    ) -> httpx2.Response:
        assert target[1] in self.objects[target[0]]
        match method:
            case "PUT":
                number = ASSOCIATIONS[source[0], target[0]]
                category = {"associationCategory": "HUBSPOT_DEFINED"}
                assert body == [{**category, "associationTypeId": number}]
                others = self.related.get(source, {})
                primary = {target: None} if target[0] == "companies" else {}
                self.without_primary.discard(source)
                self.related[source] = {**primary, **others, target: None}
                return httpx2.Response(201, json={"fromObjectId": source[1], "labels": []})
            case "DELETE":
                assert body == {}
                del self.related[source][target]
                return httpx2.Response(204)
            case unexpected:
                raise AssertionError(unexpected)

    def _unknown(self, name: str, properties: dict[str, Any]) -> set[str]:
        return {*properties} - {*PROPERTIES[name].split(), *OWN}

    def _check_writable(self, name: str, properties: dict[str, Any]) -> None:
        lists: dict[str, set[str]] = {
            "hs_lead_status": {*LEAD_STATUSES},
            "industry": {*INDUSTRIES},
            "hs_task_status": TASK_STATUSES,
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
                (chosen,) = (
                    each for each in self.pipelines[name] if each.get("id") == properties[pipeline]
                )
                assert properties[stage] in [each.get("id") for each in chosen["stages"]]

    def _values(self, name: str, prop: str) -> list[Any]:
        return [each.get(prop) for each in self.objects[name].values()]

    def _to_json(
        self, name: str, record_id: str, properties: list[str] | None = None, others: Any = ()
    ) -> dict[str, Any]:
        names = properties or ["hs_object_id"]
        values = {prop: self.value(name, record_id, prop) for prop in names}
        result: dict[str, Any] = {"id": record_id, "properties": values, "archived": False}
        related = self.related.get((name, record_id), {})
        for other in others:
            ids = [each for target, each in related if target == other]
            kind = f"{SINGULAR_OF[name]}_to_{SINGULAR_OF[other]}"
            # A label of the tenant's own stands beside the others; its form is our own reading.
            results = [
                {"id": each, "type": label}
                for each in ids
                for target, label in self.labels.items()
                if target == (other, each)
            ]
            results += [{"id": each, "type": f"{kind}_unlabeled"} for each in reversed(ids)]
            if other == "companies" and ids and (name, record_id) not in self.without_primary:
                results.append({"id": ids[0], "type": kind})
            if ids:
                result.setdefault("associations", {})[other] = {"results": results}
        return result

    def value(self, name: str, record_id: str, prop: str) -> Any:
        """Return a property, which HubSpot stores or computes."""
        properties = self.objects[name][record_id]
        companies = [
            each
            for target, each in self.related.get((name, record_id), {})
            if target == "companies"
        ]
        match prop:
            case "associatedcompanyid" | "hs_primary_associated_company" | "hs_primary_company_id":
                if (name, record_id) in self.without_primary:
                    return None
                return companies[0] if companies else None
            case "hs_searchable_calculated_phone_number":
                return without_country(properties.get("phone"))
            case "hs_searchable_calculated_mobile_number":
                return without_country(properties.get("mobilephone"))
            case _:
                return properties.get(prop) or None

    def _search(self, name: str, body: dict[str, Any]) -> httpx2.Response:
        groups = [group["filters"] for group in body["filterGroups"]]
        found = [
            record_id
            for record_id in self.objects[name]
            if any(self._satisfies(name, record_id, group) for group in groups or [[]])
            and has_words(self._text(name, record_id), body.get("query", ""))
        ]
        for order in body["sorts"]:
            down = {"DESCENDING": True, "ASCENDING": False}[order["direction"]]
            by = order["propertyName"]
            found.sort(key=lambda each: (self.value(name, each, by) or "", each), reverse=down)
        start = int(body["after"])
        end = start + body["limit"]
        page = [self._to_json(name, each, body["properties"]) for each in found[start:end]]
        response: dict[str, Any] = {"total": len(found), "results": page}
        if len(found) > end:
            response["paging"] = {"next": {"after": str(end)}}
        return httpx2.Response(200, json=response)

    def _text(self, name: str, record_id: str) -> str:
        return " ".join(
            str(self.value(name, record_id, each) or "") for each in SEARCHED[name].split()
        )

    def _satisfies(self, name: str, record_id: str, group: list[dict[str, Any]]) -> bool:
        for condition in group:
            prop = condition["propertyName"]
            if prop.startswith("associations."):
                other = SINGULAR[prop.removeprefix("associations.")]
                assert condition["operator"] == "EQ"
                if (other, condition["value"]) not in self.related.get((name, record_id), {}):
                    return False
                continue
            self._check_known(name, prop)
            if not satisfies(self.value(name, record_id, prop), condition, property_type(prop)):
                return False
        return True

    def _check_known(self, name: str, *properties: str) -> None:
        known = f"{PROPERTIES[name]} {SYSTEM_PROPERTIES} {IGNORED}".split()
        assert {*properties} - {*known} == set(), (name, properties)

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        name = OBJECTS[kind]
        stage = {"lead": "lead", "contact": None}
        return [
            self._to_record(kind, record_id)
            for record_id, properties in self.objects[name].items()
            if kind not in stage or properties.get("lifecyclestage") == stage[kind]
        ]

    def _to_record(self, kind: Kind, record_id: str) -> dict[str, Any]:
        name = OBJECTS[kind]
        properties = self.objects[name][record_id]
        labels_of = {
            "hs_lead_status": LEAD_STATUSES,
            "industry": INDUSTRIES,
            "dealstage": labels(self.pipelines["deals"]),
        }
        record: dict[str, Any] = {"id": record_id, "fields": {"region": properties.get("region")}}
        for pair in FIELDS[kind].split():
            field, _, prop = pair.partition("=")
            value = properties.get(prop)
            if value and field.endswith("_date"):
                # HubSpot shows a moment in the account's time zone, the same faq says.
                record[field] = datetime.fromisoformat(value).astimezone(ZONE).date().isoformat()
            elif value:
                value = labels_of.get(prop, {}).get(value, value)
                record[field] = STANDARD_VALUES.get((kind, field), {}).get(value, value)
        if kind in ("lead", "contact"):
            names = (properties.get("firstname"), properties.get("lastname"))
            record["name"] = " ".join(each for each in names if each)
        related = [*self.related.get((name, record_id), {})]
        for field, others in REFERENCES.get(kind, {}).items():
            record |= dict([(field, each) for other, each in related if other in others][:1])
        return record
