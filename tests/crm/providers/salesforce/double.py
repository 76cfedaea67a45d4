"""A fake of Salesforce's REST API; soql.py parses its SOQL and SOSL."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import httpx2

from crm.provider import Kind
from tests.crm.contract import CANARY, FakeCrm
from tests.crm.providers.salesforce.soql import LONG_TEXT, Row, find_predicate, select
from tests.support.vendors import BODY_CANARY

HOST = "https://antiphon.my.salesforce.com"
DATA = "/services/data/v64.0"
KEY = "Antiphon_Key__c"
PREFIXES = {
    "Lead": "00Q",
    "Contact": "003",
    "Account": "001",
    "Opportunity": "006",
    "Task": "00T",
    "Event": "00U",
    "Case": "500",
}
REQUIRED = {
    "Lead": {"LastName", "Company"},
    "Contact": {"LastName"},
    "Account": {"Name"},
    "Opportunity": {"Name", "StageName", "CloseDate"},
    "Event": {"StartDateTime"},
}
PICKLISTS = {
    ("Task", "Status"): {"Not Started", "In Progress", "Completed", "Deferred"},
    ("Task", "Priority"): {"High", "Normal", "Low"},
    ("Case", "Status"): {"New", "Working", "Escalated", "Closed"},
    ("Case", "Priority"): {"High", "Medium", "Low"},
    ("Case", "Origin"): {"Phone", "Email", "Web"},
}
FIELDS: dict[Kind, tuple[str, dict[str, str]]] = {
    "lead": (
        "Lead",
        {"company": "Company", "title": "Title", "status": "Status", "source": "LeadSource"},
    ),
    "contact": ("Contact", {"title": "Title", "account": "AccountId"}),
    "account": ("Account", {"website": "Website", "industry": "Industry"}),
    "opportunity": (
        "Opportunity",
        {
            "stage": "StageName",
            "amount": "Amount",
            "close_date": "CloseDate",
            "account": "AccountId",
        },
    ),
    "task": ("Task", {"due_date": "ActivityDate"}),
    "event": (
        "Event",
        {"starts_at": "StartDateTime", "ends_at": "EndDateTime", "location": "Location"},
    ),
    "case": ("Case", {"contact": "ContactId", "account": "AccountId"}),
}
STANDARD_VALUES = {
    "Not Started": "open",
    "Completed": "done",
    "New": "new",
    "Working": "open",
    "Closed": "closed",
    "Low": "low",
    "Normal": "normal",
    "Medium": "normal",
    "High": "high",
}


@dataclass
class FakeSalesforce(FakeCrm):
    """Keeps rows by sObject and id."""

    base = HOST
    specification = "salesforce/openapi-sobjects-FROM-DESCRIBE.json"
    # The specification lacks these; their requests are checked below.
    uncovered: ClassVar[re.Pattern[str] | None] = re.compile(
        r"POST /services/oauth2/token"
        rf"|POST {DATA}/composite"
        rf"|(POST|GET|PATCH) {DATA}/sobjects/Task(/\w+)?"
        rf"|PATCH {DATA}/sobjects/\w+/{KEY}/\w+"
        rf"|GET {DATA}/queryAll"
    )
    reading_posts: ClassVar[re.Pattern[str] | None] = re.compile(f"POST {DATA}/composite")

    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {name: {} for name in PREFIXES})
    token: str = f"access-{CANARY}"
    token_requests: int = 0
    hidden: frozenset[str] = frozenset()  # sObjects that the user has no access to
    edits_converted: bool = False  # the permission "View and Edit Converted Leads"

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path, query = request.url.path, request.url.params
        assert request.headers["Host"] == request.url.netloc.decode()
        if path == "/services/oauth2/token":
            return self._renew(request)
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return error(401, "INVALID_SESSION_ID")
        assert path.startswith(f"{DATA}/"), path
        body: Row = json.loads(request.content) if request.content else {}
        match request.method, path.removeprefix(f"{DATA}/").split("/"):
            case "GET", ["query"]:
                return self._run_soql(query["q"])
            case "GET", ["queryAll"]:
                return self._run_soql(query["q"], deleted=True)
            case "GET", ["search"]:
                return self._search(query["q"])
            case "POST", ["composite"]:
                return self._run_composite(body)
            case "POST", ["sobjects", name]:
                return self._create(name, body)
            case "PATCH", ["sobjects", name, field, key] if field == KEY:
                return self._upsert(name, key, body)
            case method, ["sobjects", name, record_id]:
                return self._record(method, name, record_id, body, query)
            case unexpected:
                raise AssertionError(unexpected)

    def _renew(self, request: httpx2.Request) -> httpx2.Response:
        form = parse_qs(request.content.decode())
        assert form == {
            "grant_type": ["refresh_token"],
            "refresh_token": [f"refresh-{CANARY}"],
            "client_id": [f"id-{CANARY}"],
            "client_secret": [f"secret-{CANARY}"],
        }
        self.token_requests += 1
        return httpx2.Response(200, json={"access_token": self.token, "instance_url": HOST})

    def _create(self, name: str, body: Row) -> httpx2.Response:
        if REQUIRED.get(name, set()) - {key for key, value in body.items() if value}:
            return error(400, "REQUIRED_FIELD_MISSING")
        if name == "Event":
            assert ("EndDateTime" in body) != ("DurationInMinutes" in body)
        if not self._is_valid(name, body):
            return error(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
        number = len(self.rows[name]) + 1
        record_id = f"{PREFIXES[name]}5g00000{number:05}AAZ"
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
        defaults: Row = {"Status": "Not Started", "Priority": "Normal"} if name == "Task" else {}
        if name == "Case":
            defaults = {"Status": "New", "Priority": "Medium", "CaseNumber": f"{number:08}"}
        row = {"Id": record_id, "CreatedDate": created, **defaults, **body}
        self.rows[name][record_id] = _compute_fields(name, row)
        return httpx2.Response(201, json={"id": record_id, "success": True, "errors": []})

    def _upsert(self, name: str, key: str, body: Row) -> httpx2.Response:
        assert KEY not in body
        assert name not in ("Task", "Event"), "an activity has no external ids"
        stored = [row for row in self.rows[name].values() if row.get(KEY) == key]
        if not stored:
            return self._create(name, {**body, KEY: key})
        (row,) = stored
        row |= body
        return httpx2.Response(204)

    def _record(
        self, method: str, name: str, record_id: str, body: Row, query: httpx2.QueryParams
    ) -> httpx2.Response:
        assert re.fullmatch(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", record_id)
        row = self.rows[name].get(record_id)
        if row is None:
            return error(404, "NOT_FOUND")
        if row.get("IsDeleted"):
            return error(404, "ENTITY_IS_DELETED")
        if method == "PATCH" and row.get("IsConverted") and not self.edits_converted:
            return error(400, "CANNOT_UPDATE_CONVERTED_LEAD")
        match method:
            case "GET":
                return httpx2.Response(200, json=_to_json(name, row, query["fields"].split(",")))
            case "PATCH":
                if not self._is_valid(name, body):
                    return error(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
                row |= body
                _compute_fields(name, row)
                return httpx2.Response(204)
            case unexpected:
                raise AssertionError(unexpected)

    def _is_valid(self, name: str, body: Row) -> bool:
        assert all(re.fullmatch(r"[A-Za-z]\w*", key) for key in body), body
        for key in ("WhoId", "WhatId", "AccountId", "ContactId"):
            assert re.fullmatch(r"\w{18}", str(body.get(key) or "x" * 18)), body
        if body.get("WhoId"):
            assert body["WhoId"][:3] in ("003", "00Q")
        if body.get("WhatId"):
            assert body["WhatId"][:3] in ("001", "006", "500")
        return all(
            body[key] in values
            for (sobject, key), values in PICKLISTS.items()
            if sobject == name and key in body
        )

    def merge(self, name: str, master: str, other: str) -> None:
        """Merge a record into another one: it is deleted, and refers to its master.

        The recordings GET_sobjects_{Lead,Contact,Account}_describe.yaml have these fields.
        """
        self.rows[name][other] |= {"IsDeleted": True, "MasterRecordId": master}

    def _run_soql(self, statement: str, *, deleted: bool = False) -> httpx2.Response:
        parsed = select(statement)
        if parsed.sobject in self.hidden:
            return error(400, "INVALID_TYPE")
        lowered = [name.casefold() for name in parsed.fields]
        assert len(set(lowered)) == len(lowered), "a field is selected twice"
        rows = self.rows[parsed.sobject].values()
        found = [row for row in rows if parsed.test(row) and (deleted or not row.get("IsDeleted"))]
        if (by := parsed.order) is not None:
            ordered = [row for row in found if row.get(by) is not None]
            ordered.sort(key=lambda row: row[by], reverse=parsed.descending)
            found = ordered + [row for row in found if row.get(by) is None]
        shown = [_to_json(parsed.sobject, row, parsed.fields) for row in found[: parsed.limit]]
        body = {"totalSize": len(shown), "done": True, "records": shown}
        return httpx2.Response(200, json=body)

    def _search(self, statement: str) -> httpx2.Response:
        return httpx2.Response(200, json={"searchRecords": [*self._hits(statement)]})

    def _hits(self, statement: str) -> Iterator[Row]:
        find, returning = statement.split("} IN ALL FIELDS RETURNING ")
        matches = find_predicate(find.removeprefix("FIND {"))
        for name, inside in re.findall(r"(\w+)\(([^)]*)\)", returning):
            selected, _, limit = inside.rpartition(" LIMIT ")
            selected, _, where = selected.partition(" WHERE ")
            assert where == ("IsConverted = false" if name == "Lead" else "")
            gone = ("IsConverted", "IsDeleted")
            rows = [row for row in self.rows[name].values() if not any(map(row.get, gone))]
            found = [row for row in rows if matches(row)]
            yield from (_to_json(name, row, selected.split(", ")) for row in found[: int(limit)])

    def _run_composite(self, body: Row) -> httpx2.Response:
        assert set(body) == {"compositeRequest"}
        assert 0 < len(body["compositeRequest"]) <= 5  # the limit for queries
        responses: list[Row] = []
        for each in body["compositeRequest"]:
            assert set(each) == {"method", "url", "referenceId"}
            url = urlsplit(str(each["url"]))
            assert (each["method"], url.path) == ("GET", f"{DATA}/query")
            name, _, statement = url.query.partition("=")
            assert (name, "&" in statement) == ("q", False)
            response = self._run_soql(unquote(statement))
            result = {"httpStatusCode": response.status_code, "referenceId": each["referenceId"]}
            responses.append({"body": json.loads(response.content), "httpHeaders": {}, **result})
        return httpx2.Response(200, json={"compositeResponse": responses})

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the stored rows of a kind by standard field."""
        name, columns = FIELDS[kind]
        return [_to_record(row, columns) for row in self.rows[name].values()]


def error(status: int, code: str) -> httpx2.Response:
    """Return an error response."""
    return httpx2.Response(status, json=[{"message": BODY_CANARY, "errorCode": code}])


def _compute_fields(name: str, row: Row) -> Row:
    """Set the fields that Salesforce computes."""
    if name in ("Lead", "Contact"):
        row["Name"] = " ".join(row[part] for part in ("FirstName", "LastName") if row.get(part))
    if name == "Lead":
        row.setdefault("IsConverted", False)
    if name in ("Task", "Case"):
        row["IsClosed"] = row["Status"] in ("Completed", "Closed")
    if name == "Event":
        row.setdefault("IsAllDayEvent", False)
    for key in ("StartDateTime", "EndDateTime"):
        if row.get(key):
            moment = datetime.fromisoformat(row[key]).astimezone(UTC)
            # "A timestamp that is always set to midnight in the Coordinated Universal Time", says
            # the object reference of an Event, and "not relevant". That a start and an end are cut
            # to it as well is our own reading.
            if row["IsAllDayEvent"]:
                moment = moment.replace(hour=0, minute=0, second=0)
            row[key] = moment.isoformat(timespec="milliseconds").replace("+00:00", "+0000")
    if row.get("StartDateTime"):
        row["ActivityDate"] = row["StartDateTime"][:10]
    return row


def _to_json(name: str, row: Row, fields: list[str]) -> Row:
    url = f"{DATA}/sobjects/{name}/{row['Id']}"
    return {"attributes": {"type": name, "url": url}, **{each: row.get(each) for each in fields}}


def _to_record(row: Row, columns: dict[str, str]) -> dict[str, Any]:
    common = {"name": "Name", "subject": "Subject", "phone": "Phone", "email": "Email"}
    values = {field: row.get(name) for field, name in {**common, **columns}.items()}
    values["notes"] = row.get(LONG_TEXT)
    values["about"] = row.get("WhoId") or row.get("WhatId")
    if "Subject" in row:
        for field, name in (("status", "Status"), ("priority", "Priority")):
            values[field] = STANDARD_VALUES.get(str(row.get(name)), row.get(name))
    custom = {name: row[name] for name in ("Rating",) if row.get(name) is not None}
    known = {field: value for field, value in values.items() if value is not None}
    return {**known, "id": row["Id"], **({"fields": custom} if custom else {})}
