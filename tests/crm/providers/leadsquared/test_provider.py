"""The LeadSquared provider: the contract, and its own behaviour."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest

from config.database import Database
from config.security.vault import Account, DatabaseVault
from crm.provider import Kind
from crm.providers.leadsquared import provider as provider_module
from tests.conftest import Tenant
from tests.crm.contract import CANARY, CrmContract, CrmHarness, FakeCrm
from tests.support.servers import KEYRING, Caller
from tests.support.vendors import BODY_CANARY, Fault
from toolkit.errors import Disconnected, Rejected
from toolkit.speech.people import digits
from toolkit.tenancy import Runtime, ToolCall

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
READS = ("/Leads.Get", "/Retrieve")  # with POST
STAMP = "%Y-%m-%d %H:%M:%S"

Row = dict[str, Any]
Rows = dict[str, Row]


class FakeLeadSquared(FakeCrm):
    """A fake of LeadSquared's API v2."""

    base = "https://api.leadsquared.com/v2"
    specification = "leadsquared/openapi-v2-THIRDPARTY.json"
    # The specification has four operations; these are checked below.
    uncovered = re.compile(
        r"(GET|POST) /(LeadManagement\.svc/(Lead\.Update|Leads\.Get|Leads\.GetByEmailaddress"
        r"|RetrieveLeadByPhoneNumber|RetrieveTaskByLeadId)|OpportunityManagement\.svc/\w+"
        r"|Task\.svc/[\w.]+|ProspectActivity\.svc/Retrieve)"
    )

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[Kind, Rows] = {"lead": {}, "opportunity": {}, "task": {}, "event": {}}
        self.access = ACCESS

    def _check(self, request: httpx2.Request) -> None:
        # The specification has the keys as parameters; ours are in headers, which `answer` checks.
        url = request.url.copy_merge_params({"accessKey": "in", "secretKey": "headers"})
        super()._check(
            httpx2.Request(request.method, url, headers=request.headers, content=request.content)
        )

    def written(self) -> list[httpx2.Request]:
        return [each for each in super().written() if not each.url.path.endswith(READS)]

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
            return httpx2.Response(401, json={"Status": "Error", "ExceptionMessage": BODY_CANARY})
        assert keys["secret"] == SECRET
        assert CANARY not in str(request.url)
        params = dict(request.url.params)
        if request.method == "GET":
            return httpx2.Response(200, json=self._get(request.url.path, params))
        assert request.headers["content-type"] == "application/json"
        body = json.loads(request.content)
        return httpx2.Response(200, json=self._post(request.url.path, params, body))

    def _get(self, path: str, params: dict[str, str]) -> Any:
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
                return [row for row, found in zip(self._leads(), matches, strict=True) if found]
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
                row = self.rows["opportunity"].get(key, {"Fields": {"mx_Custom_1": None}})
                fields = [
                    {"SchemaName": each, "Value": row["Fields"][each]} for each in row["Fields"]
                ]
                return {"ID": key, "Name": "Deal", **row, "Fields": fields}
            case unexpected:
                raise AssertionError(unexpected)

    def _post(self, path: str, params: dict[str, str], body: Any) -> Any:
        """Respond to a POST; one case for each kind of request.

        Long because it is one table.
        """
        match path.removeprefix("/v2/").split(".svc/"):
            case ["LeadManagement", "Lead.Create"]:
                return self._create("lead", _pairs(body, "Attribute"))
            case ["LeadManagement", "Lead.Update"]:
                self.rows["lead"][params.pop("leadId")] |= _pairs(body, "Attribute")
            case ["LeadManagement", "Leads.Get"]:
                return self._find_leads(**body)
            case ["OpportunityManagement", "Capture"]:
                lead, opportunity = (
                    _pairs(body.pop("LeadDetails"), "Attribute"),
                    body.pop("Opportunity"),
                )
                assert lead == {"ProspectID": PARENT, "SearchBy": "ProspectID"}
                assert opportunity.pop("OpportunityEventCode") == OPPORTUNITY
                row = {**opportunity, "Fields": _pairs(opportunity["Fields"], "SchemaName")}
                assert (row["Fields"]["Status"], body) == ("Open", {})
                created = self._create("opportunity", row | {"RelatedProspectId": PARENT})
                return {"Status": 0, "CreatedOpportunityId": created["Message"]["Id"]}
            case ["OpportunityManagement", "Update"]:
                row = self.rows["opportunity"][body.pop("ProspectOpportunityId")]
                row["Fields"] |= _pairs(body.pop("Fields"), "SchemaName")
                row |= body
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

    def _find_leads(self, Parameter: Row, Columns: Row, Sorting: Row, Paging: Row) -> list[Row]:
        assert Paging == {"PageIndex": 1, "PageSize": 200}
        name, value = Parameter["LookupName"], Parameter["LookupValue"]
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
        return [{column: row.get(column) for column in columns} for row in found]

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
        case ">":
            typed = stored.isdecimal() and value.isdecimal()  # as a field of numbers
            return int(stored) > int(value) if typed else stored > value
        case like:
            assert like == "LIKE"
            pattern = ".*".join(re.escape(part) for part in value.split("%"))
            return re.fullmatch(pattern, stored, re.IGNORECASE | re.DOTALL) is not None


def respond_with(body: Mapping[str, Any]) -> Fault:
    """Return a fault: this body, with a 200."""
    return lambda _: httpx2.Response(200, json=body)


class TestLeadSquared(CrmContract):
    provider = "leadsquared"
    secrets: ClassVar[dict[str, str]] = {"access_key": ACCESS, "secret_key": SECRET}
    settings: ClassVar[dict[str, Any]] = {
        **{"amount_field": AMOUNT, "close_date_field": CLOSES},
        **{"event_activity": EVENT, "task_type": TASK_TYPE},
    }
    unsupported = frozenset(provider_module.LeadSquared.unsupported)
    cannot_find_lost = frozenset[Kind]({"event"})
    custom_field = ("mx_Region", "north", "south")
    create_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {
        "opportunity": {"account": PARENT},
        "task": {"about": PARENT, "priority": None},
        "event": {"about": PARENT},
    }

    def new_vendor(self) -> FakeLeadSquared:
        return FakeLeadSquared()

    async def check_queries(
        self, harness: CrmHarness, caller: Caller, ids: Mapping[Kind, str]
    ) -> None:
        """Only leads can be queried."""
        await super().check_queries(harness, caller, {"lead": ids["lead"]})
        for kind in ids.keys() - {"lead"}:
            assert (await caller.call("query", kind=kind)).error == "rejected"

    async def test_queries(self, harness: CrmHarness) -> None:
        vendor = fake(harness)
        people: dict[str, dict[str, Any]] = {
            "Tom Hill": {"Company": "Hill Tools", "Phone": "+49-305550142", "mx_Score": "9"},
            "Ann de Berg": {"Company": "Berg 100%", "Mobile": "030 5550177", "mx_Score": "10"},
            "Tommy Lee": {"ProspectStage": "Lost", "Phone": "5550142", "mx_Score": None},
        }
        for name, row in people.items():
            first, _, last = name.partition(" ")
            vendor.add("lead", FirstName=first, LastName=last, **row)
        for filters, found in (
            ([("name", "is", "tom hill")], ["Tom Hill"]),
            ([("name", "is", "Ann de Berg")], ["Ann de Berg"]),
            ([("name", "starts_with", "Tom")], ["Tommy Lee", "Tom Hill"]),
            ([("name", "contains", "e")], ["Tommy Lee", "Ann de Berg"]),
            ([("name", "is_not", "Tom Hill")], ["Tommy Lee", "Ann de Berg"]),
            ([("company", "contains", "0%")], ["Ann de Berg"]),
            ([("phone", "is", "0049 30 5550177")], ["Ann de Berg"]),
            ([("mx_Score", "above", 9)], ["Ann de Berg"]),
            ([("mx_Score", "above", 8), ("company", "starts_with", "hill")], ["Tom Hill"]),
            ([("status", "is_not", "Lost")], ["Ann de Berg", "Tom Hill"]),
            ([("status", "one_of", ["lost", "x"])], ["Tommy Lee"]),
        ):
            conditions = [
                dict(zip(("field", "op", "value"), each, strict=True)) for each in filters
            ]
            async with harness.caller() as caller:
                page = await harness.call_ok(caller, "query", kind="lead", filters=conditions)
            assert [row["title"] for row in page.data["rows"]] == found, filters
        async with harness.caller() as caller:
            page = await harness.call_ok(caller, "query", kind="lead", order_by="name", limit=2)
            assert [row["title"] for row in page.data["rows"]] == ["Ann de Berg", "Tom Hill"]
            assert page.data["more"]

    async def test_a_refusal_may_be_a_200(self, harness: CrmHarness) -> None:
        vendor = fake(harness)
        lead = vendor.add("lead", FirstName="Ann")
        error = {"Status": "Error", "ExceptionMessage": BODY_CANARY, "ExceptionType": "MXException"}
        twice = {**error, "ExceptionType": "MXDuplicateEntryException"}
        refusals: list[tuple[dict[str, Any], str]] = [
            *((error, "rejected"), ({"Status": "Error"}, "rejected"), (twice, "conflict")),
            *(({}, "outcome_unknown"), ({"Status": "Success"}, "outcome_unknown")),
        ]
        async with harness.caller() as caller:
            for number, (body, expected) in enumerate(refusals):
                vendor.fail(respond_with(body), writes=True)
                answer = await caller.call("create_lead", name=f"Tom {number}")
                assert (answer.error, BODY_CANARY in str(answer)) == (expected, False)
            vendor.fail(respond_with(error))
            assert (await caller.call("get_lead", lead=lead)).error == "rejected"
            vendor.fail(
                respond_with({"Status": "Success", "Message": {"AffectedRows": 1}}), writes=True
            )
            assert (await caller.call("create_lead", name="Bo")).error == "outcome_unknown"
            vendor.fail(
                respond_with({"Status": 1, "ConflictedOpportunityId": str(uuid4())}), writes=True
            )
            made = await caller.call("create_opportunity", name="Press", account=PARENT)
            assert made.error == "conflict"

    async def test_whatever_belongs_to_a_lead_wants_one_that_is_there(
        self, harness: CrmHarness
    ) -> None:
        """LeadSquared would create a lead that it does not know."""
        event: dict[str, Any] = {"subject": "Visit", "when": "2030-05-02T10:00"}
        async with harness.caller() as caller:
            assert (await caller.call("create_opportunity", name="Press")).error == "rejected"
            assert (await caller.call("create_event", **event)).error == "rejected"
            for unknown in (str(uuid4()), "42"):
                for answer in (
                    await caller.call("create_opportunity", name="Press", account=unknown),
                    await caller.call("create_event", **event, about=unknown),
                    await caller.call("create_task", subject="Call", about=unknown),
                ):
                    assert answer.error == "not_found"
            for unknown in (str(uuid4()), PARENT):
                for kind in ("opportunity", "task"):
                    assert (
                        await caller.call(f"get_{kind}", **{kind: unknown})
                    ).error == "not_found"
            changed = await caller.call("update_lead", lead=str(uuid4()), name="Tom Hill")
            assert changed.error == "not_found"
        assert harness.vendor.written() == []

    async def test_a_task_of_nobody(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            await harness.call_ok(caller, "create_task", subject="Order paper", priority="high")
            done = await caller.call("create_task", subject="Call", status="done")
            assert done.error == "rejected"
        task = fake(harness).rows["task"][harness.only_record("task")["id"]]
        assert (task["Description"], task["RelatedEntity"]) == ("Priority: high", 0)

    async def test_one_name_is_a_first_name_and_replaces_both(self, harness: CrmHarness) -> None:
        lead = fake(harness).add("lead", FirstName="Tom", LastName="Hill")
        async with harness.caller() as caller:
            await harness.call_ok(caller, "update_lead", lead=lead, name="Thomas")
        row = fake(harness).rows["lead"][lead]
        assert (row["FirstName"], row["LastName"]) == ("Thomas", "")

    async def test_what_is_older_is_not_taken_for_what_was_lost(self, harness: CrmHarness) -> None:
        rows = fake(harness).rows
        for kind in ("lead", "opportunity", "task"):
            arguments = self.create_arguments(kind, {})
            async with harness.caller() as caller:
                await harness.call_ok(caller, f"create_{kind}", **arguments)
            for row in rows[kind].values():
                row["CreatedOn"] = f"{datetime.now(UTC) - timedelta(days=2):{STAMP}}"
            async with harness.caller() as caller:
                harness.vendor.fail(respond_with({}), writes=True)
                assert (await caller.call(f"create_{kind}", **arguments)).error == "outcome_unknown"
                await harness.let_time_pass()
                await harness.call_ok(caller, f"create_{kind}", **arguments)
            assert len(rows[kind]) == 2, kind

    async def test_a_number_is_asked_for_as_it_is_and_then_by_its_end(
        self, harness: CrmHarness
    ) -> None:
        vendor = fake(harness)
        vendor.add("lead", FirstName="Tom", Phone="+49-305550142")
        vendor.add("lead", FirstName="Bo", Mobile="030/5550188")
        lookups = [
            "RetrieveLeadByPhoneNumber",
            "RetrieveLeadByPhoneNumber",
            "Leads.Get",
            "Leads.Get",
        ]
        for number, name, paths in (
            ("0049 30 5550142", "Tom", lookups[:1]),
            ("030 5550188", "Bo", lookups),
            ("030 5550199", None, lookups),
        ):
            before = len(vendor.requests)
            async with harness.caller() as caller:
                found = await harness.call_ok(caller, "search", text=number)
            assert [each["title"] for each in found.data["found"]] == ([name] if name else [])
            sent = [each.url.path.rpartition("/")[2] for each in vendor.requests[before:]]
            assert sent == paths


class Mumbai(FakeLeadSquared):
    base = "https://api-in21.leadsquared.com/v2"


@pytest.mark.parametrize("where", [{"region": "mumbai"}, {"base_url": f"{Mumbai.base}/"}])
async def test_an_account_is_tried_where_it_is(
    database: Database, tenant: Tenant, where: dict[str, str]
) -> None:
    vendor = Mumbai()
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        call = ToolCall(
            tenant.claims(), Runtime(client, DatabaseVault(database, KEYRING), database)
        )
        account = Account("leadsquared", None, TestLeadSquared.secrets, where)
        crm = provider_module.LeadSquared(account, call)
        # Such an account says nothing of its own fields and types.
        wanted: dict[Kind, dict[str, Any]] = {
            "opportunity": {"name": "Press", "account": PARENT, "amount": 9.5},
            "task": {"subject": "Call"},
            "event": {"subject": "Visit", "starts_at": datetime.now(UTC), "about": PARENT},
        }
        for kind, values in wanted.items():
            with pytest.raises(Rejected):
                await crm.create(kind, values, {})
        assert CANARY not in repr(vars(crm))
        await crm.check()
        vendor.access = "another"
        with pytest.raises(Disconnected):
            await crm.check()


def fake(harness: CrmHarness) -> FakeLeadSquared:
    assert isinstance(harness.vendor, FakeLeadSquared)
    return harness.vendor
