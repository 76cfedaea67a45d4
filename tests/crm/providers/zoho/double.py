"""A fake of Zoho CRM's API v8: https://www.zoho.com/crm/developer/docs/api/v8/."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx2

from crm.provider import Kind
from tests.crm.contract import CANARY, FakeCrm
from tests.crm.providers.zoho.coql import CoqlError, Statement
from tests.support.vendors import BODY_CANARY, Fault

SECRETS = {
    "client_id": "1000.APP",
    "client_secret": f"secret-{CANARY}",
    "refresh_token": f"1000.refresh-{CANARY}",
    "access_token": f"1000.{CANARY}",
}
MODULES: dict[Kind, str] = {
    "lead": "Leads",
    "contact": "Contacts",
    "account": "Accounts",
    "opportunity": "Deals",
    "task": "Tasks",
    "event": "Events",
    "case": "Cases",
}
_SYSTEM = "id Created_Time Description"
_FIELDS = {
    "Leads": "First_Name Last_Name Full_Name Company Designation Phone Mobile Email Secondary_Email"
    " Lead_Status Lead_Source Region",
    "Contacts": "First_Name Last_Name Full_Name Title Phone Mobile Home_Phone Other_Phone Email"
    " Secondary_Email Account_Name",
    "Accounts": "Account_Name Phone Website Industry",
    "Deals": "Deal_Name Stage Amount Closing_Date Account_Name",
    "Tasks": "Subject Status Priority Due_Date What_Id Who_Id $se_module",
    "Events": "Event_Title Start_DateTime End_DateTime Venue What_Id Who_Id $se_module",
    "Cases": "Subject Status Priority Case_Origin Related_To Account_Name Phone Email",
}
_MANDATORY = {
    "Leads": "Last_Name Company",
    "Contacts": "Last_Name",
    "Accounts": "Account_Name",
    "Deals": "Deal_Name Stage Closing_Date",
    "Tasks": "Subject",
    "Events": "Event_Title Start_DateTime End_DateTime",
    "Cases": "Subject Status Case_Origin",
}
_PICKLISTS = {
    ("Tasks", "Status"): {"Not Started", "In Progress", "Completed", "Deferred"},
    ("Tasks", "Priority"): {"Highest", "High", "Normal", "Low", "Lowest"},
    ("Cases", "Status"): {"New", "On Hold", "Escalated", "Closed", "In Arbeit"},
    ("Cases", "Priority"): {"High", "Medium", "Low"},
}
_LOOKUPS = {"Account_Name": "Accounts", "Related_To": "Contacts", "Who_Id": "Contacts"}
# The columns of our fields, by kind.
_COLUMNS: dict[Kind, str] = {
    "lead": "name=Full_Name company=Company title=Designation phone=Phone email=Email"
    " status=Lead_Status source=Lead_Source notes=Description",
    "contact": "name=Full_Name title=Title phone=Phone email=Email account=Account_Name"
    " notes=Description",
    "account": "name=Account_Name phone=Phone website=Website industry=Industry notes=Description",
    "opportunity": "name=Deal_Name stage=Stage amount=Amount close_date=Closing_Date"
    " account=Account_Name notes=Description",
    "task": "subject=Subject status=Status priority=Priority due_date=Due_Date about=What_Id"
    " about=Who_Id notes=Description",
    "event": "subject=Event_Title starts_at=Start_DateTime ends_at=End_DateTime location=Venue"
    " about=What_Id about=Who_Id notes=Description",
    "case": "subject=Subject status=Status priority=Priority contact=Related_To"
    " account=Account_Name notes=Description",
}
_STANDARD_VALUES = {"Not Started": "open", "Completed": "done", "Medium": "normal"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")


class FakeZoho(FakeCrm):
    """Keeps rows by module, and renews tokens."""

    base = "https://www.zohoapis.com"
    specification = "zoho/openapi-v8-bundle.json"
    reading_posts = re.compile(r"POST /crm/v8/coql")
    accounts = "https://accounts.zoho.com/oauth/v2/token"

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[dict[str, Any]]] = {module: [] for module in MODULES.values()}
        self.token = f"1000.{CANARY}"
        self.tokens: list[httpx2.Response] = []  # the next responses to token requests
        self.unknown = 204  # the status for an unknown id: 204 or 400
        self.converted: set[str] = set()  # ids of leads
        self.extra_row: object = None  # that ends every list
        self._last = 5725767000000400000

    def statements(self) -> list[str]:
        """Return the COQL statements that were sent."""
        requests = [each for each in self.requests if each.url.path.endswith("/coql")]
        return [json.loads(each.content)["select_query"] for each in requests]

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        module = MODULES[kind]
        return [
            self._to_record(kind, self._with_full_name(module, row)) for row in self.rows[module]
        ]

    def add(self, kind: Kind, **row: Any) -> str:
        """Add a row, and return its id."""
        self._last += 1
        created = datetime.now(UTC).isoformat(timespec="seconds")
        stored = {"id": str(self._last), "Created_Time": created, **row}
        self.rows[MODULES[kind]].insert(0, stored)
        return str(self._last)

    def _serve(self, request: httpx2.Request) -> httpx2.Response:
        if str(request.url) != self.accounts:
            return super()._serve(request)
        form = parse_qs(request.content.decode())
        assert form["grant_type"] == ["refresh_token"]
        assert {"client_id", "client_secret", "refresh_token"} <= {*form}
        return self.tokens.pop(0) if self.tokens else token_response(self.token)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers["Authorization"] != f"Zoho-oauthtoken {self.token}":
            return _error(401, "INVALID_TOKEN")
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        match request.method, request.url.path.removeprefix("/crm/v8/").split("/"):
            case "POST", ["coql"]:
                return self._run_coql(body["select_query"])
            case "POST", [module]:
                (row,) = body["data"]
                return self._create(module, row)
            case "GET", [module, "search"]:
                return self._search(module, request.url.params)
            case "GET", [module, record_id]:
                row = self._row(module, record_id)
                # A client was answered a 204, unless it asked for converted leads.
                if record_id in self.converted and request.url.params.get("converted") != "true":
                    row = None
                return _rows([self._with_full_name(module, row)]) if row else self._nothing()
            case "PUT", [module, record_id]:
                (row,) = body["data"]
                return self._update(module, record_id, row)
            case unexpected:
                raise AssertionError(unexpected)

    def _nothing(self) -> httpx2.Response:
        return httpx2.Response(204) if self.unknown == 204 else _error(400, "INVALID_DATA")

    def _row(self, module: str, record_id: str) -> dict[str, Any] | None:
        return next((row for row in self.rows[module] if row["id"] == record_id), None)

    def _create(self, module: str, row: dict[str, Any]) -> httpx2.Response:
        missing = [name for name in _MANDATORY[module].split() if row.get(name) is None]
        if missing:
            return record_error(202, "MANDATORY_NOT_FOUND", api_name=missing[0])
        self._check_writable(module, row)
        kinds: list[Kind] = [kind for kind, each in MODULES.items() if each == module]
        details = {"id": self.add(kinds[0], **row), "Created_Time": "2026-11-24T10:00:00+01:00"}
        done = {"code": "SUCCESS", "status": "success", "message": "record added"}
        return httpx2.Response(201, json={"data": [{**done, "details": details}]})

    def _update(self, module: str, record_id: str, row: dict[str, Any]) -> httpx2.Response:
        stored = self._row(module, record_id)
        if stored is None:
            # Zoho has been seen to do both.
            status = 202 if self.unknown == 204 else 400
            return record_error(status, "INVALID_DATA", api_name="id")
        if record_id in self.converted:
            return record_error(400, "CONVERTED_RECORD", id=record_id)
        self._check_writable(module, row)
        stored |= row
        done = {"code": "SUCCESS", "status": "success", "message": "record updated"}
        return httpx2.Response(200, json={"data": [{**done, "details": {"id": record_id}}]})

    def _check_writable(self, module: str, row: dict[str, Any]) -> None:
        unknown = {*row} - {*_FIELDS[module].split(), *_SYSTEM.split()}
        assert unknown == set(), (module, unknown)
        assert "Full_Name" not in row, "it is read only"
        for name, value in row.items():
            if value is None:
                continue
            if name in _LOOKUPS and (module, name) != ("Accounts", "Account_Name"):
                assert self._row(_LOOKUPS[name], value["id"]), (name, value)
            if name == "What_Id":
                assert self._row(row["$se_module"], value["id"]), row
            if name.endswith("_DateTime"):
                assert _MOMENT.fullmatch(value), (name, value)
            if name.endswith("_Date"):
                assert re.fullmatch(r"\d{4}-\d\d-\d\d", value), (name, value)
            if (module, name) in _PICKLISTS:
                assert value in _PICKLISTS[module, name], (name, value)

    def _run_coql(self, text: str) -> httpx2.Response:
        try:
            statement = Statement(text, lambda row, name: self._read(statement.module, row, name))
            rows = [row for row in self.rows[statement.module] if statement.matches(row)]
        except CoqlError:
            return _error(400, "SYNTAX_ERROR")
        for name in (*statement.columns, statement.order):
            self._check_known(statement.module, name)
        order = sorted(
            rows,
            key=lambda row: (self._read(statement.module, row, statement.order) or "", row["id"]),
            reverse=statement.descending,
        )
        page = [self._with_full_name(statement.module, row) for row in order[: statement.limit]]
        selected = [{name: row.get(name) for name in ("id", *statement.columns)} for row in page]
        more = len(rows) > statement.limit
        return self._list(selected, more=more) if rows else httpx2.Response(204)

    def _list(self, rows: list[dict[str, Any]], *, more: bool = False) -> httpx2.Response:
        return _rows(rows if self.extra_row is None else [*rows, self.extra_row], more=more)

    def _check_known(self, module: str, name: str) -> None:
        assert name.partition(".")[0] in {*_FIELDS[module].split(), *_SYSTEM.split()}, name

    def _read(self, module: str, row: Any, name: str) -> Any:
        self._check_known(module, name)
        return self._with_full_name(module, row).get(name)

    def _search(self, module: str, query: httpx2.QueryParams) -> httpx2.Response:
        texts = {row["id"]: [str(value) for value in row.values()] for row in self.rows[module]}
        match [(name, value) for name, value in query.items() if name != "per_page"]:
            case [("word", words)]:
                found = {each for each, values in texts.items() if _has_words(values, words)}
            case [("email" | "phone", value)]:
                found = {each for each, values in texts.items() if value in values}
            case unexpected:
                raise AssertionError(unexpected)
        # Without the parameter `converted`, a search finds no converted lead; COQL does.
        rows = [
            self._with_full_name(module, row)
            for row in self.rows[module]
            if row["id"] in found - self.converted
        ]
        return self._list(rows[: int(query["per_page"])]) if rows else httpx2.Response(204)

    def _with_full_name(self, module: str, row: dict[str, Any]) -> dict[str, Any]:
        if module not in ("Leads", "Contacts"):
            return row
        names = (row.get("First_Name"), row.get("Last_Name"))
        return {**row, "Full_Name": " ".join(name for name in names if name)}

    def _to_record(self, kind: Kind, row: dict[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = {"id": row["id"], "fields": {"Region": row.get("Region")}}
        for pair in _COLUMNS[kind].split():
            field, _, name = pair.partition("=")
            value = row.get(name)
            if isinstance(value, dict):
                record[field] = value["id"]
            elif value is not None:
                is_standard = kind in ("task", "case") and field in ("status", "priority")
                record[field] = _STANDARD_VALUES.get(value, value.lower()) if is_standard else value
        return record


def _has_words(values: list[str], words: str) -> bool:
    stored = re.findall(r"\w+", " ".join(values).lower())
    searched = re.findall(r"\w+", words.lower())
    return all(any(each.startswith(word) for each in stored) for word in searched)


def _rows(rows: list[Any], *, more: bool = False) -> httpx2.Response:
    info = {"count": len(rows), "more_records": more}
    return httpx2.Response(200, json={"data": rows, "info": info})


def _error(status: int, code: str) -> httpx2.Response:
    """Return the response to a whole request, as the specification's `Error` schemas have it."""
    body = {"code": code, "details": None, "message": BODY_CANARY, "status": "error"}
    return httpx2.Response(status, json=body)


def respond_with(response: httpx2.Response) -> Fault:
    """Return a fault: this response."""
    return lambda _: response


def token_response(token: str) -> httpx2.Response:
    """Return the response to a token request, without a new refresh token."""
    return httpx2.Response(200, json={"access_token": token, "expires_in": 3600})


def record_error(status: int, code: str, **details: str) -> httpx2.Response:
    """Return the response to a record that Zoho does not accept."""
    body = {"code": code, "details": details, "message": BODY_CANARY, "status": "error"}
    return httpx2.Response(status, json={"data": [body]})
