"""A fake ServiceNow instance: tables, cases and knowledge articles in memory."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx2

from tests.servicenow.providers.servicenow.encoded_query import parse
from tests.support.vendor_contract import CANARY
from tests.support.vendors import BODY_CANARY, Vendor

CASES = "sn_customerservice_case"
TASKS = ("incident", CASES, "task")
NETWORK, SERVICE_DESK = f"{0xA1:032x}", f"{0xA2:032x}"
TOM, ANN, GEORGE = f"{0xB1:032x}", f"{0xB2:032x}", f"{0xB3:032x}"
_STATES = {
    "incident": {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed"},
    CASES: {"1": "New", "10": "Open", "18": "Awaiting Info", "6": "Resolved", "3": "Closed"},
    "task": {"1": "Open", "2": "Work in Progress", "-5": "Pending", "3": "Closed Complete"},
}
_NUMBERS = {"incident": "INC", CASES: "CS", "task": "TASK"}
_REFERENCES = ("caller_id", "contact", "assigned_to", "assignment_group", "parent")
# What may be written: https://www.servicenow.com/docs/r/api-reference/rest-apis/case-api.html lists
# it for cases, and incidents and tasks have the same fields of `task`, and those of their own.
_WRITABLE = {
    *("short_description", "description", "state", "assigned_to", "assignment_group", "parent"),
    *("urgency", "impact", "priority", "correlation_id", "comments", "close_notes", "due_date"),
}
_OWN = {
    "incident": {"caller_id", "close_code", "hold_reason"},
    CASES: {"contact", "resolution_code"},
    "task": set[str](),
}
Row = dict[str, str]


class ServiceNow(Vendor):
    """A fake instance with a memory. It refuses what the vendor's pages do not document."""

    base = "https://dev00000.service-now.com"
    specification = "servicenow/openapi-table-csm-THIRDPARTY.json"
    # facts/vendors.md, ServiceNow: the knowledge API is in the vendor's own pages only, and so are
    # the tokens; here they are looked at field by field.
    uncovered = re.compile(r"GET /api/sn_km_api/knowledge/articles(/[^/]+)?|POST /oauth_token\.do")
    reading_posts = re.compile(r"POST /oauth_token\.do")  # changes no record

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[Row]] = {name: [] for name in TASKS}
        self.tables["sys_user"] = [
            _user(TOM, "Tom Hill", "tom@acme.example", "tom.hill", phone="+1 (415) 555-7781"),
            _user(ANN, "Ann One", "ann@acme.example", "ann.one", mobile_phone="030 55 50 14"),
        ]
        self.tables["customer_contact"] = [
            _user(GEORGE, "George Warren", "george@boxes.example", "geo", phone="+1 858 287 7834")
        ]
        self.tables["sys_user_group"] = [
            {"sys_id": NETWORK, "name": "Network", "description": "Cables", "active": "true"},
            {"sys_id": SERVICE_DESK, "name": "Service Desk", "description": "", "active": "true"},
        ]
        self.articles: list[dict[str, Any]] = []
        self.journal: dict[str, list[str]] = {}
        self.authorization = f"Bearer at-{CANARY}"
        self.unreadable: frozenset[str] = frozenset()  # fields that our user may not read
        self.ignored: frozenset[str] = frozenset()  # fields whose conditions are ignored
        self.garbled: frozenset[int] = frozenset()  # places of a list whose row is none
        self._count = 0

    def add(self, table: str, **values: str) -> Row:
        """Store a record."""
        self._count += 1
        row = {
            "sys_id": f"{0xC000 + self._count:032x}",
            "number": f"{_NUMBERS[table]}{10000 + self._count:07}",
            "state": "1",
            "active": "true",
            "priority": "4",
            "sys_class_name": table,
            "opened_at": "2026-11-23 09:00:00",
            "sys_updated_on": f"2026-11-23 09:00:{self._count % 60:02}",
            **values,
        }
        self.tables[table].append(row)
        return row

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/oauth_token.do":
            return self._token(request)
        if request.headers["Authorization"] != self.authorization:
            return httpx2.Response(401, json={"error": {"message": BODY_CANARY}})
        assert request.headers["Accept"] == "application/json"
        body: Row = json.loads(request.content) if request.content else {}
        params = dict(request.url.params)
        parts = [
            part for part in request.url.raw_path.decode().partition("?")[0].split("/") if part
        ]
        match request.method, parts:
            case "GET", ["api", "now", "table", table]:
                return _result(self._find(table, params))
            case "POST", ["api", "now", "table", table]:
                assert params.pop("sysparm_exclude_reference_link") == "true"
                row = self._write(table, self.add(table), body)
                return _result(self._to_json(row, _fields(params)), 201)
            case method, ["api", "now", "table", table, sys_id]:
                return self._one(method, table, sys_id, params, body)
            case "POST", ["api", "sn_customerservice", "case"]:
                row = self._write(CASES, self.add(CASES), body)
                return _result({"sys_id": row["sys_id"], "number": row["number"]}, 201)
            case method, ["api", "sn_customerservice", "case", name]:
                return self._case(method, name, params, body)
            case "GET", ["api", "sn_km_api", "knowledge", "articles", *name]:
                return self._knowledge(name, params)
            case unexpected:
                raise AssertionError(unexpected)

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert dict(parse_qsl(request.content.decode())) == {
            "grant_type": "refresh_token",
            "refresh_token": f"rt-{CANARY}",
            "client_id": f"id-{CANARY}",
            "client_secret": f"secret-{CANARY}",
        }
        self.authorization = f"Bearer new-{CANARY}"
        return httpx2.Response(
            200, json={"access_token": f"new-{CANARY}", "token_type": "Bearer", "expires_in": 1799}
        )

    def _rows(self, table: str) -> list[Row]:
        if table == "task":
            return [row for each in TASKS for row in self.tables[each]]
        return self.tables[table]

    def _find(self, table: str, params: dict[str, str]) -> list[Any]:
        ignored = self.unreadable | self.ignored
        query = parse(params.pop("sysparm_query")).without(ignored)
        limit = int(params.pop("sysparm_limit"))
        assert params.pop("sysparm_exclude_reference_link") == "true"
        fields = _fields(params)
        assert 0 < limit <= 100
        rows = query.find(self._rows(table))[:limit]
        return [
            {"number": BODY_CANARY} if n in self.garbled else self._to_json(row, fields)
            for n, row in enumerate(rows)
        ]

    def _one(
        self, method: str, table: str, sys_id: str, params: dict[str, str], body: Row
    ) -> httpx2.Response:
        row = next((row for row in self._rows(table) if row["sys_id"] == sys_id), None)
        if row is None:
            return _missing()
        match method:
            case "GET":
                assert params.pop("sysparm_exclude_reference_link") == "true"
            case "PATCH":
                assert body
                self._write(row["sys_class_name"], row, body)
            case unexpected:
                raise AssertionError(unexpected)
        return _result(self._to_json(row, _fields(params)))

    def _case(self, method: str, name: str, params: dict[str, str], body: Row) -> httpx2.Response:
        keys = ("sys_id", "number") if method == "GET" else ("sys_id",)
        row = next((row for row in self.tables[CASES] if name in [row[key] for key in keys]), None)
        if row is None:
            return _missing()
        match method:
            case "GET":
                assert params == {"sysparm_display_value": "all"}
                return _result(self._to_json(row, [*row, "comments"]))
            case "PUT":
                assert body
                assert not params
                self._write(CASES, row, body)
                return _result({"sys_id": row["sys_id"], "number": row["number"]}, 201)
            case unexpected:
                raise AssertionError(unexpected)

    def _knowledge(self, name: list[str], params: dict[str, str]) -> httpx2.Response:
        if name:
            assert not params
            found = [each for each in self.articles if name[0] in (each["sys_id"], each["number"])]
            return _result(found[0]) if found else _missing()
        assert set(params) == {"query", "limit"}
        assert "^" not in params["query"]
        words = params["query"].casefold().split()
        hits: list[dict[str, Any]] = [
            {
                "id": f"kb_knowledge:{each['sys_id']}",
                "number": each["number"],
                "title": each["short_description"],
                "snippet": each["content"][:300],
                "rank": 1.0,
                "score": 14.869,
            }
            for each in self.articles
            if any(word in each["content"].casefold() for word in words)
        ]
        meta = {"count": len(hits), "status": {"code": 200}}
        return _result({"meta": meta, "articles": hits[: int(params["limit"])]})

    def _write(self, table: str, row: Row, body: Row) -> Row:
        assert set(body) <= _WRITABLE | _OWN.get(table, set()), body
        assert all(isinstance(value, str) and value for value in body.values()), body
        note = body.pop("comments", None)
        if note:
            self.journal.setdefault(row["sys_id"], []).append(note)
        if table == "incident" and body.get("state") in ("6", "7"):
            # The base system's data policy: facts of its own pages, Resolve and close an incident.
            assert {"close_code", "close_notes"} <= set(body)
        row.update(body)
        return row

    def _to_json(self, row: Mapping[str, str], fields: list[str]) -> dict[str, Any]:
        return {
            field: {"display_value": self._label(row, field), "value": row.get(field, "")}
            for field in fields
            if field not in self.unreadable
        }

    def _label(self, row: Mapping[str, str], field: str) -> str:
        value = row.get(field, "")
        if field == "comments":
            notes = self.journal.get(row["sys_id"], [])
            return "\n\n".join(f"2026-11-23 - Bot (Additional comments)\n{note}" for note in notes)
        if field == "state":
            return _STATES.get(row["sys_class_name"], _STATES["task"]).get(value, "Assess")
        if field in _REFERENCES and value:
            rows = [each for table in self.tables.values() for each in table]
            found = next(each for each in rows if each["sys_id"] == value)
            return found.get("name") or found["number"]
        return value


def _user(sys_id: str, name: str, email: str, login: str, **phones: str) -> Row:
    row = {"sys_id": sys_id, "name": name, "email": email, "user_name": login, "active": "true"}
    return {**row, "department": "Sales", **phones}


def _fields(params: dict[str, str]) -> list[str]:
    assert set(params) == {"sysparm_display_value", "sysparm_fields"}, params
    assert params["sysparm_display_value"] == "all"
    return params["sysparm_fields"].split(",")


def _result(result: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json={"result": result})


def _missing() -> httpx2.Response:
    error = {"message": "No Record found", "detail": BODY_CANARY}
    return httpx2.Response(404, json={"error": error, "status": "failure"})
