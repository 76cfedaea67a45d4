"""A fake of LeadSquared's API v2: https://apidocs.leadsquared.com/.

What the vendor's pages leave open comes from clients that were tried against real accounts; each
rule names its source. Refusals have the status 500 and say what they are in `ExceptionType`
(apidocs.leadsquared.com/error-handling/; the gem dpaluy/leadsquared, lead_management_spec.rb).
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2

from crm.provider import Kind
from tests.crm.contract import CANARY, FakeCrm
from tests.support.vendors import BODY_CANARY, Fault
from toolkit.speech.people import digits

ACCESS, SECRET = f"access-{CANARY}", f"secret-{CANARY}"
PARENT = (
    "0b7e7f5c-51aa-11e2-9e64-12314004ac6b"  # a lead that other records belong to; no list has it
)
TASK_TYPE, EVENT, OPPORTUNITY = "Follow-up", 201, 12000
AMOUNT, CLOSES = "mx_Custom_6", "mx_Custom_8"
COLUMNS = {
    **{"company": "Company", "title": "JobTitle", "phone": "Phone", "email": "EmailAddress"},
    **{"status": "ProspectStage", "source": "Source", "notes": "Notes"},
}
ACCOUNT_TYPE = "Partners"
STAMP = "%Y-%m-%d %H:%M:%S"
_LEAD_FIELDS = frozenset({*COLUMNS.values(), "FirstName", "LastName", "Mobile", "ProspectID"})
# apidocs.leadsquared.com/search-by-lead-criteria/
_OPERATORS = frozenset({"=", "LIKE", ">", "<", "<=", ">=", "<>"})
# Two clients that were tried against accounts: a larger page is a 500.
_MAX_PAGE = 1000

Row = dict[str, Any]
Rows = dict[str, Row]


class Refused(Exception):
    """LeadSquared does not do what is asked."""

    def __init__(self, exception: str, message: str = BODY_CANARY, status: int = 500) -> None:
        super().__init__(exception)
        body = {"Status": "Error", "ExceptionType": exception, "ExceptionMessage": message}
        self.response = httpx2.Response(status, json=body)


class FakeLeadSquared(FakeCrm):
    """A fake of LeadSquared's API v2."""

    base = "https://api.leadsquared.com/v2"
    specification = "leadsquared/openapi-v2-THIRDPARTY.json"
    reading_posts = re.compile(r"POST /\w+\.svc/(Leads\.Get|Company\.Get|Retrieve)")
    # The specification has four operations; these are checked below.
    uncovered = re.compile(
        r"(GET|POST) /(LeadManagement\.svc/(Lead\.Update|Leads\.Get|Leads\.GetByEmailaddress"
        r"|RetrieveLeadByPhoneNumber|RetrieveTaskByLeadId)|OpportunityManagement\.svc/\w+"
        r"|Task\.svc/[\w.]+|ProspectActivity\.svc/Retrieve|CompanyManagement\.svc/[\w.]+)"
    )

    def __init__(self) -> None:
        super().__init__()
        kinds: tuple[Kind, ...] = ("account", "lead", "opportunity", "task", "event")
        self.rows: dict[Kind, Rows] = {kind: {} for kind in kinds}
        self.access = ACCESS
        self.deleted: set[str] = set()
        self.extra_row: object = None  # that ends every list of leads
        self.ignores_filters = False  # of accounts

    def _check(self, request: httpx2.Request) -> None:
        # The specification has the keys as parameters; ours are in headers, which `answer` checks.
        url = request.url.copy_merge_params({"accessKey": "in", "secretKey": "headers"})
        super()._check(
            httpx2.Request(request.method, url, headers=request.headers, content=request.content)
        )

    def add(self, kind: Kind, **row: Any) -> str:
        record_id = str(uuid4())
        created = f"{datetime.now(UTC):{STAMP}}.{len(self.rows[kind]):03}"
        self.rows[kind][record_id] = {"CreatedOn": created, **row}
        return record_id

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        return [self._to_record(kind, row) | {"id": key} for key, row in self.rows[kind].items()]

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        keys = {name: request.headers.get(f"x-lsq-{name}key") for name in ("access", "secret")}
        if keys["access"] != self.access:
            return Refused("MXAuthenticationFailedException", status=401).response
        assert keys["secret"] == SECRET
        assert CANARY not in str(request.url)
        params = dict(request.url.params)
        try:
            if request.method == "GET":
                return httpx2.Response(200, json=self._get(request.url.path, params))
            assert request.headers["content-type"] == "application/json"
            body = json.loads(request.content)
            return httpx2.Response(200, json=self._post(request.url.path, params, body))
        except Refused as refused:
            return refused.response

    def _get(self, path: str, params: dict[str, str]) -> Any:
        if self.deleted & {*params.values()}:
            # An id that a look-up does not know is a 500, as a client saw of activities; that
            # leads are refused alike is our own reading.
            raise Refused("MXInvalidInputException")
        match path.removeprefix("/v2/").split(".svc/"), params:
            case ["LeadManagement", "Leads.GetById"], {"id": str(key), **rest} if not rest:
                return [{"ProspectID": PARENT}] if key == PARENT else self._row("lead", key)
            case ["LeadManagement", "Leads.GetByQuickSearch"], {"key": str(key), **rest} if (
                not rest
            ):
                names = ("FirstName", "LastName", "EmailAddress", "Phone", "Company")
                matches = [
                    any(key.lower() in str(row.get(name)).lower() for name in names)
                    for row in self.rows["lead"].values()
                ]
                return self._rows(
                    [row for row, found in zip(self._leads(), matches, strict=True) if found]
                )
            case ["LeadManagement", "Leads.GetByEmailaddress"], {"emailaddress": str(address)}:
                return self._leads_where(lambda row: row["EmailAddress"].lower() == address.lower())
            case ["LeadManagement", "RetrieveLeadByPhoneNumber"], {"phone": str(phone)}:
                assert re.fullmatch(r"\+?[1-9][0-9]*", phone)
                bare = phone.removeprefix("+")
                # It finds a number with its country code, and without.
                return self._leads_where(lambda row: digits(row["Phone"]) in (bare, f"49{bare}"))
            case ["LeadManagement", "RetrieveTaskByLeadId"], {"leadId": str(lead)}:
                tasks = [
                    {**row, "TaskID": key, "Status": "Pending"}
                    for key, row in self.rows["task"].items()
                    if row["RelatedEntityId"] == lead
                ]
                return {"RecordCount": len(tasks), "TaskList": tasks}
            case ["Task", "Retrieve.GetById"], {"id": str(key)}:
                return self._row("task", key)
            case ["OpportunityManagement", "GetOpportunityDetails"], {"OpportunityId": str(key)}:
                return self._details(key)
            case unexpected:
                raise AssertionError(unexpected)

    def _post(self, path: str, params: dict[str, str], body: Any) -> Any:
        """Respond to a POST; one case for each kind of request.

        Long because it is one table.
        """
        match path.removeprefix("/v2/").split(".svc/"):
            case ["LeadManagement", "Lead.Create"]:
                new = _pairs(body, "Attribute")
                self._check_lead(new)
                return self._create("lead", new)
            case ["LeadManagement", "Lead.Update"]:
                changes = _pairs(body, "Attribute")
                key = params.pop("leadId")
                if key in self.deleted or key not in self.rows["lead"]:
                    raise Refused("MXInvalidInputException", f"Lead {key} does not exist.")
                self._check_lead(changes, key)
                self.rows["lead"][key] |= changes
            case ["LeadManagement", "Leads.Get"]:
                return self._find_leads(**body)
            case ["OpportunityManagement", "Capture"]:
                lead, opportunity = (
                    _pairs(body.pop("LeadDetails"), "Attribute"),
                    body.pop("Opportunity"),
                )
                # A client was told so of "ProspectID"; the vendor's sample has the flag with it.
                if lead.pop("SearchBy") != "ProspectId":
                    raise Refused("MXInvalidInputException", "Invalid SearchBy value provided")
                assert lead == {"ProspectID": PARENT, "__UseUserDefinedGuid__": "true"}
                assert opportunity.pop("OpportunityEventCode") == OPPORTUNITY
                row = {**opportunity, "Fields": _pairs(opportunity["Fields"], "SchemaName")}
                assert (row["Fields"]["Status"], body) == ("Open", {})
                if not row["Fields"].get("mx_Custom_1"):
                    raise Refused("MXInvalidActivityFieldsException")
                created = self._create("opportunity", row | {"RelatedProspectId": PARENT})
                return {"Status": 0, "CreatedOpportunityId": created["Message"]["Id"]}
            case ["OpportunityManagement", "Update"]:
                key = body.pop("ProspectOpportunityId")
                if key in self.deleted:
                    raise Refused("MXInvalidInputException", "Opportunity does not exist.")
                row = self.rows["opportunity"][key]
                row["Fields"] |= _pairs(body.pop("Fields"), "SchemaName")
                row |= body
            case ["CompanyManagement", request]:
                return self._answer_company(request, params, body)
            case ["Task", "Create"]:
                assert body["RelatedEntity"] == (1 if body["RelatedEntityId"] else 0)
                assert body.pop("TaskType") == {"Name": TASK_TYPE}
                assert {*body} <= {
                    "Name",
                    "Description",
                    "DueDate",
                    "RelatedEntity",
                    "RelatedEntityId",
                }
                return self._create("task", body | {"StatusCode": 0})
            case ["Task", "Update"]:
                # apidocs.leadsquared.com/update-task/; what is not sent stays, as clients use it.
                task = self.rows["task"][body.pop("UserTaskId")]
                assert {*body} <= {
                    *["Name", "Description", "DueDate", "RelatedEntity", "RelatedEntityId"]
                }
                assert ("RelatedEntityId" in body) == (body.get("RelatedEntity") == 1)
                task |= body
            case ["ProspectActivity", "Create"]:
                assert (body["RelatedProspectId"], body["ActivityEvent"]) == (PARENT, EVENT)
                return self._create("event", body)
            case ["ProspectActivity", "Retrieve"]:
                assert body["Parameter"] == {"ActivityEvent": OPPORTUNITY}
                assert (body["Paging"], params) == (
                    {"Offset": "0", "RowCount": "50"},
                    {"leadId": PARENT},
                )
                activities = [
                    {"Id": key, "EventCode": OPPORTUNITY, "CreatedOn": row["CreatedOn"]}
                    for key, row in self.rows["opportunity"].items()
                ]
                return {"RecordCount": len(activities), "ProspectActivities": activities}
            case unexpected:
                raise AssertionError(unexpected)
        assert not params
        return {"Status": "Success", "Message": {"AffectedRows": 1}}

    def _answer_company(self, request: str, params: dict[str, str], body: Any) -> Any:
        """Respond to what is asked about accounts: apidocs.leadsquared.com/create-an-account/."""
        rows = self.rows["account"]
        match request:
            case "Company.Get":
                query = body["Query"]
                assert query.pop("CompanyType") == {"CompanyTypeName": ACCOUNT_TYPE}
                name, value = query["FilterBy"]["LookupName"], query["FilterBy"]["LookupValue"]
                assert query["FilterBy"]["SqlOperator"] == "="
                # A client saw that a filter of another form is left out, and not refused.
                found = [
                    {**row, "CompanyId": key}
                    for key, row in rows.items()
                    if {**row, "CompanyId": key}.get(name) == value or self.ignores_filters
                ]
                companies = [
                    {"companyPropertyList": [{"Attribute": k, "Value": v} for k, v in row.items()]}
                    for row in found
                ]
                return {"RecordCount": len(found), "Companies": companies}
            case "Company.Create":
                assert body.pop("CompanyType") == {"CompanyTypeName": ACCOUNT_TYPE}
                new = _pairs(body.pop("CompanyProperties"), "Attribute")
                if any(each["CompanyName"] == new["CompanyName"] for each in rows.values()):
                    raise Refused("MXDuplicateEntryException")
                return self._create("account", dict(new))
            case "Company.Update":
                if params["companyId"] not in rows:
                    raise Refused("MXInvalidInputException")
                # A client met this where the list was sent without its name.
                if {*body} != {"CompanyProperties"}:
                    raise Refused("MXInvalidDataTypeException")
                rows[params["companyId"]] |= _pairs(body["CompanyProperties"], "Attribute")
                return {"Status": "Success", "Message": {"AffectedRows": 1}}
            case unexpected:
                raise AssertionError(unexpected)

    def _find_leads(self, Parameter: Row, Columns: Row, Sorting: Row, Paging: Row) -> list[Row]:
        name, value = Parameter["LookupName"], Parameter["LookupValue"]
        if Parameter["SqlOperator"] not in _OPERATORS or Paging["PageSize"] > _MAX_PAGE:
            raise Refused("MXInvalidInputException")
        assert Paging["PageIndex"] == 1
        columns = Columns["Include_CSV"].split(",")
        assert {name, "ProspectID", "CreatedOn", *COLUMNS.values()} <= {*columns}
        found = [
            row
            for row in self._leads()
            if _satisfies(row.get(name), Parameter["SqlOperator"], value)
        ]
        found.sort(
            key=lambda row: row.get(Sorting["ColumnName"], ""), reverse=Sorting["Direction"] == "1"
        )
        page = found[: Paging["PageSize"]]
        return self._rows([{column: row.get(column) for column in columns} for row in page])

    def _rows(self, rows: list[Row]) -> list[Any]:
        return rows if self.extra_row is None else [*rows, self.extra_row]

    def _check_lead(self, row: Mapping[str, str], key: str = "") -> None:
        """Refuse a field that there is not, and what another lead has: both are unique.

        As clients met it; that the number is as unique as the address is the vendor's own page
        (apidocs.leadsquared.com/create-or-update/).
        """
        if any(name not in _LEAD_FIELDS and not name.startswith("mx_") for name in row):
            raise Refused("MXUnknownAttributeException", "Attribute(s) does not exist")
        for each, other in self.rows["lead"].items():
            for name in ("EmailAddress", "Phone"):
                if each != key and row.get(name) and row[name] == other.get(name):
                    raise Refused("MXDuplicateEntryException", f"Duplicate entry '{row[name]}'")

    def _details(self, key: str) -> Row:
        if key not in self.rows["opportunity"]:
            raise Refused("MXInvalidInputException")
        row = self.rows["opportunity"][key]
        kinds = {CLOSES: row.get("CloseType", "DateTime")}
        fields = [
            {"SchemaName": each, "Value": value, "DataType": kinds.get(each, "String")}
            for each, value in row["Fields"].items()
        ]
        # A client saw the times of an opportunity itself as .NET writes them.
        created = datetime.strptime(row["CreatedOn"][:19], STAMP).replace(tzinfo=UTC)
        stamp = f"/Date({int(created.timestamp() * 1000)}+0000)/"
        return {"ID": key, "Name": "Deal", **row, "CreatedOn": stamp, "Fields": fields}

    def _leads(self) -> list[Row]:
        return [{**row, "ProspectID": key} for key, row in self.rows["lead"].items()]

    def _leads_where(self, fits: Callable[[Row], bool]) -> list[Row]:
        return [row for row in self._leads() if fits({"Phone": "", "EmailAddress": "", **row})]

    def _row(self, kind: Kind, key: str) -> list[Row]:
        name = {"lead": "ProspectID", "task": "UserTaskId"}[kind]
        return [{**row, name: key} for each, row in self.rows[kind].items() if each == key]

    def _create(self, kind: Kind, row: Row) -> Row:
        return {"Status": "Success", "Message": {"Id": self.add(kind, **row), "AffectedRows": 1}}

    def _to_record(self, kind: Kind, row: Row) -> dict[str, Any]:
        if kind == "lead":
            known = {field: row.get(name) for field, name in COLUMNS.items()}
            known["name"] = f"{row.get('FirstName', '')} {row.get('LastName', '')}".strip()
            custom = {name: value for name, value in row.items() if name.startswith("mx_")}
            return {field: value for field, value in known.items() if value} | {"fields": custom}
        if kind == "account":
            custom = {name: value for name, value in row.items() if name.startswith("mx_")}
            known = {"name": row.get("CompanyName"), "phone": row.get("Phone")}
            return {**known, "website": row.get("Website"), "fields": custom}
        if kind == "opportunity":
            fields = row["Fields"]
            known = {"account": row["RelatedProspectId"], "notes": row["OpportunityNote"]}
            known |= {"name": fields["mx_Custom_1"], "stage": fields["mx_Custom_2"]}
            return known | {"amount": fields[AMOUNT], "close_date": fields[CLOSES][:10]}
        if kind == "task":
            known = {"subject": row["Name"], "notes": row["Description"]}
            known |= {"about": row["RelatedEntityId"], "due_date": row.get("DueDate", "")[:10]}
            return known | {"status": "done" if row["StatusCode"] else "open"}
        subject, notes, place, until = row["ActivityNote"].split("\n")
        ends = until.removeprefix("Until: ").removesuffix(" UTC")
        return {
            "subject": subject,
            "notes": notes,
            "location": place.removeprefix("Location: "),
            "about": row["RelatedProspectId"],
            "starts_at": f"{row['ActivityDateTime']}+00:00",
            "ends_at": f"{ends}+00:00",
        }


def _pairs(body: list[Mapping[str, str]], name: str) -> dict[str, str]:
    assert all({*pair} == {name, "Value"} for pair in body), body
    assert all(isinstance(pair["Value"], str) for pair in body), body
    return {pair[name]: pair["Value"] for pair in body}


def _satisfies(stored: str | None, operator: str, value: str) -> bool:
    if stored is None:
        return False
    match operator:
        case "=":
            return stored.lower() == value.lower()
        case ">" | "<":
            typed = stored.isdecimal() and value.isdecimal()  # as a field of numbers
            left, right = (int(stored), int(value)) if typed else (stored, value)
            return bool(left > right if operator == ">" else left < right)  # type: ignore[operator]
        case like:
            assert like == "LIKE"
            pattern = ".*".join(re.escape(part) for part in value.split("%"))
            return re.fullmatch(pattern, stored, re.IGNORECASE | re.DOTALL) is not None


def respond_with(body: Mapping[str, Any]) -> Fault:
    """Return a fault: this body, with a 200."""
    return lambda _: httpx2.Response(200, json=body)


def refuse_with(exception: str, message: str = BODY_CANARY, status: int = 500) -> Fault:
    """Return a fault: a refusal."""
    return lambda _: Refused(exception, message, status).response
