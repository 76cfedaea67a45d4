"""The LeadSquared provider: the contract, and its own behaviour."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest

from config.database import Database
from config.security.vault import Account, DatabaseVault
from crm.provider import Kind
from crm.providers.leadsquared import provider as provider_module
from tests.conftest import Tenant, fetch
from tests.crm.contract import CANARY, CrmContract, CrmHarness
from tests.crm.providers.leadsquared.double import (
    ACCESS,
    ACCOUNT_TYPE,
    AMOUNT,
    CLOSES,
    EVENT,
    PARENT,
    SECRET,
    STAMP,
    TASK_TYPE,
    FakeLeadSquared,
    refuse_with,
    respond_with,
)
from tests.support.servers import KEYRING, Caller
from tests.support.vendor_contract import MANY
from tests.support.vendors import BODY_CANARY
from toolkit.errors import Disconnected, Rejected
from toolkit.tenancy import Runtime, ToolCall

# The names are those that clients have met; LeadSquared publishes only the first one. That of a
# limit is our own reading of its page on limits, which has no name for it.
REFUSALS = [
    ("MXMandatoryAttributeMissingException", BODY_CANARY, "rejected"),
    ("MXInvalidInputException", BODY_CANARY, "rejected"),
    ("MXInvalidInputException", "The lead has been deleted", "not_found"),
    ("MXInvalidActivityFieldsException", BODY_CANARY, "rejected"),
    ("MXInvalidDataTypeException", BODY_CANARY, "rejected"),
    ("MXUnknownAttributeException", "Attribute(s) does not exist - mx_X", "rejected"),
    ("MXXSSException", BODY_CANARY, "rejected"),
    ("MXDuplicateEntryException", "Duplicate entry", "conflict"),
    ("MXDuplicateEntityNameException", BODY_CANARY, "conflict"),
    ("MXApiRateLimitException", BODY_CANARY, "rate_limited"),
]


class TestLeadSquared(CrmContract):
    """LeadSquared; many methods, because its rules differ from those of other vendors."""

    provider = "leadsquared"
    secrets: ClassVar[dict[str, str]] = {"access_key": ACCESS, "secret_key": SECRET}
    settings: ClassVar[dict[str, Any]] = {
        **{"amount_field": AMOUNT, "close_date_field": CLOSES},
        **{"event_activity": EVENT, "task_type": TASK_TYPE, "account_type": ACCOUNT_TYPE},
    }
    unsupported = frozenset(provider_module.LeadSquared.unsupported)
    cannot_find_lost = frozenset[Kind]({"event"})
    custom_field = ("mx_Region", "north", "south")
    create_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {
        "account": {"industry": None, "notes": None},
        "opportunity": {"account": PARENT},
        "task": {"about": PARENT, "priority": None},
        "event": {"about": PARENT},
    }
    update_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {
        "account": {"industry": None},
        "task": {"status": None, "priority": None, "subject": "Call again", "due": "2030-05-02"},
    }

    def new_vendor(self) -> FakeLeadSquared:
        return FakeLeadSquared()

    def arguments_by_tool(self, ids: Mapping[Kind, str]) -> dict[str, dict[str, Any]]:
        """Only leads can be queried."""
        query = {"kind": "lead", "filters": self.title_filters("lead", "Nobody")}
        return {**super().arguments_by_tool(ids), "query": query}

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

    async def test_an_account_is_the_one_that_was_asked_for(self, harness: CrmHarness) -> None:
        """LeadSquared leaves out what it does not take for a filter."""
        vendor = fake(harness)
        vendor.ignores_filters = True
        vendor.add("account", CompanyName="Hill Tools")
        account = vendor.add("account", CompanyName="Berg Printing")
        async with harness.caller() as caller:
            shown = await harness.call_ok(caller, "get_account", account=account)
            assert shown.data["name"] == "Berg Printing"
            gone = await caller.call("update_account", account=str(uuid4()), phone="030 5550100")
            assert gone.error == "not_found"
            made = await caller.call("create_account", name="Noll", industry="Printing")
            assert made.error == "rejected"
        assert vendor.written() == []

    async def test_what_of_a_task_does_not_change_is_refused(self, harness: CrmHarness) -> None:
        vendor = fake(harness)
        task = vendor.add("task", Name="Call", Description="", RelatedEntityId="", StatusCode=0)
        async with harness.caller() as caller:
            refused: list[dict[str, Any]] = [
                {"status": "done"},
                {"priority": "high"},
                {"subject": "Call again", "fields": {"mx_Custom_1": "x"}},
            ]
            for changes in refused:
                answer = await caller.call("update_task", task=task, **changes)
                assert answer.error == "rejected", changes
            assert vendor.written() == []
            gone = await caller.call("update_task", task=task, about=str(uuid4()))
            assert gone.error == "not_found"
            await harness.call_ok(caller, "update_task", task=task, about=PARENT, notes="At ten.")
        row = vendor.rows["task"][task]
        assert (row["Name"], row["Description"], row["RelatedEntityId"]) == (
            "Call",
            "At ten.",
            PARENT,
        )

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
                retried = await caller.call(f"create_{kind}", **arguments)
            # A lead's address is unique, so that the second one is refused.
            assert retried.error == ("conflict" if kind == "lead" else None), retried
            assert len(rows[kind]) == (1 if kind == "lead" else 2), kind

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

    @pytest.mark.parametrize(("exception", "message", "expected"), REFUSALS)
    async def test_what_is_refused_is_said_whatever_the_status(
        self, harness: CrmHarness, exception: str, message: str, expected: str
    ) -> None:
        vendor, harness.breakers.disabled = fake(harness), False
        lead = vendor.add("lead", FirstName="Ann")
        async with harness.caller() as caller:
            for status in (500, 400):
                vendor.fail(refuse_with(exception, message, status), writes=True, times=MANY)
                for number in range(4):
                    made = await caller.call("create_lead", name=f"Tom {status} {number}")
                    assert made.error == expected, (status, made)
                    assert BODY_CANARY not in str(made)
                changed = await caller.call("update_lead", lead=lead, title=f"Boss {status}")
                assert changed.error == expected, (status, changed)
                vendor.recover()
            found = await harness.call_ok(caller, "get_lead", lead=lead)
            assert found.data["id"] == lead
        # Nothing that was refused was sent again.
        assert len(vendor.written()) == 10

    async def test_a_failure_with_an_exception_may_pass(self, harness: CrmHarness) -> None:
        fault = refuse_with("MXException", "The operation timed out, try again")
        harness.vendor.fail(fault, writes=True)
        async with harness.caller() as caller:
            assert (await caller.call("create_lead", name="Tom")).error == "outcome_unknown"
            harness.vendor.fail(fault, times=2)
            assert (await caller.call("search", text="Tom Hill")).error == "unavailable"

    async def test_what_has_been_deleted_is_not_found_and_nothing_is_shut(
        self, harness: CrmHarness
    ) -> None:
        vendor, harness.breakers.disabled = fake(harness), False
        async with harness.caller() as caller:
            deal = await harness.call_ok(
                caller, "create_opportunity", **self.create_arguments("opportunity", {})
            )
            lead, there = vendor.add("lead", FirstName="Ann"), vendor.add("lead", FirstName="Bo")
            task = vendor.add("task", Name="Call", RelatedEntityId=lead, StatusCode=0)
            vendor.deleted |= {lead, task, deal.data["id"]}
            for kind, gone in (("lead", lead), ("task", task), ("opportunity", deal.data["id"])):
                for _ in range(3):
                    answer = await caller.call(f"get_{kind}", **{kind: gone})
                    assert answer.error == "not_found", (kind, answer)
            changed = await caller.call("update_lead", lead=lead, title="Boss")
            assert changed.error == "not_found"
            event = {"subject": "Visit", "when": "2030-05-02T10:00", "about": lead}
            assert (await caller.call("create_event", **event)).error == "not_found"
            await harness.call_ok(caller, "get_lead", lead=there)
        assert [each.url.path for each in vendor.written()] == [
            "/v2/OpportunityManagement.svc/Capture"
        ]

    async def test_a_lead_that_is_deleted_meanwhile_is_not_found(self, harness: CrmHarness) -> None:
        lead = fake(harness).add("lead", FirstName="Ann")
        refused = refuse_with("MXInvalidInputException", f"Lead {lead} does not exist.")
        harness.vendor.fail(refused, writes=True)
        async with harness.caller() as caller:
            changed = await caller.call("update_lead", lead=lead, title="Boss")
        assert changed.error == "not_found"

    @pytest.mark.parametrize("odd", ["text", {"FirstName": "Nobody"}, {"ProspectID": None}, None])
    async def test_a_row_that_cannot_be_read_hides_no_other(
        self, harness: CrmHarness, odd: object
    ) -> None:
        vendor = fake(harness)
        vendor.extra_row = odd if odd is not None else ["a", "list"]
        lead = vendor.add("lead", FirstName="Tom", LastName="Hill", Phone="+49305550142")
        async with harness.caller() as caller:
            found = await harness.call_ok(caller, "search", text="Tom Hill")
            assert [each["id"] for each in found.data["found"]] == [lead]
            page = await harness.call_ok(caller, "query", kind="lead")
            assert [each["id"] for each in page.data["rows"]] == [lead]

    async def test_the_day_of_a_time_is_the_business_s(self, harness: CrmHarness) -> None:
        """LeadSquared's times are in UTC: midnight in India is in the evening of the day before."""
        vendor = fake(harness)
        await set_zone(harness, "Asia/Kolkata")
        due = "2030-05-01 18:30:00.000"
        task = vendor.add("task", Name="Call", DueDate=due, RelatedEntityId="", StatusCode=0)
        lead = vendor.add("lead", FirstName="Ann", mx_Visit=due)
        async with harness.caller() as caller:
            shown = await harness.call_ok(caller, "get_task", task=task)
            assert shown.data["due_date"] == "2030-05-02"
            shown = await harness.call_ok(caller, "get_lead", lead=lead, fields=["mx_Visit"])
            assert shown.data["fields"] == {"mx_Visit": "2030-05-02T00:00:00+05:30"}
            for stored, kind, day in (
                (due, "DateTime", "2030-05-02"),
                ("5/1/2030 6:30:00 PM", "DateTime", "2030-05-02"),
                ("2030-05-01", "Date", "2030-05-01"),
                ("2030-05-01 00:00:00", "Date", "2030-05-01"),
            ):
                fields = {"mx_Custom_1": "Press", CLOSES: stored}
                deal = vendor.add(
                    "opportunity", Fields=fields, RelatedProspectId=PARENT, CloseType=kind
                )
                shown = await harness.call_ok(caller, "get_opportunity", opportunity=deal)
                assert shown.data["close_date"] == day, stored

    @pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Pago_Pago", "Asia/Kolkata"])
    async def test_a_day_is_stored_as_a_time_on_it_here_and_in_utc(
        self, harness: CrmHarness, zone: str
    ) -> None:
        await set_zone(harness, zone)
        async with harness.caller() as caller:
            for day in ("2030-01-15", "2030-07-15"):
                task = await harness.call_ok(caller, "create_task", subject=f"Call {day}", due=day)
                shown = await harness.call_ok(caller, "get_task", task=task.data["id"])
                assert shown.data["due_date"] == day
                stored = fake(harness).rows["task"][task.data["id"]]["DueDate"]
                moment = datetime.strptime(stored, STAMP).replace(tzinfo=UTC)
                assert {moment.date(), moment.astimezone(ZoneInfo(zone)).date()} == {
                    date.fromisoformat(day)
                }

    async def test_times_are_compared_as_times(self, harness: CrmHarness) -> None:
        await set_zone(harness, "Asia/Kolkata")
        add = fake(harness).add
        add("lead", FirstName="Early", mx_Visit="2030-05-01 18:29:00")
        add("lead", FirstName="Late", mx_Visit="2030-05-01 18:31:00")
        async with harness.caller() as caller:
            for value in ("2030-05-02", "2030-05-02T00:00", "2030-05-01T18:30:00+00:00"):
                for op, name in (("above", "Late"), ("below", "Early")):
                    filters = [{"field": "mx_Visit", "op": op, "value": value}]
                    page = await harness.call_ok(caller, "query", kind="lead", filters=filters)
                    assert [row["title"] for row in page.data["rows"]] == [name], (op, value)

    async def test_a_list_of_values_is_looked_up_value_by_value(self, harness: CrmHarness) -> None:
        """However many newer leads there are: a page has 200."""
        add = fake(harness).add
        add("lead", FirstName="Ann", ProspectStage="Lost", Mobile="030 5550177")
        add("lead", FirstName="Bo", ProspectStage="Won")
        for number in range(250):
            add("lead", FirstName=f"New {number}", ProspectStage="New")
        async with harness.caller() as caller:
            for filters, found in (
                ([("status", "one_of", ["lost", "won"])], {"Ann", "Bo"}),
                ([("status", "is_not", "New"), ("status", "one_of", ["Lost"])], {"Ann"}),
                ([("phone", "one_of", ["+49 30 5550177", "030 5550178"])], {"Ann"}),
            ):
                conditions = [
                    dict(zip(("field", "op", "value"), each, strict=True)) for each in filters
                ]
                page = await harness.call_ok(caller, "query", kind="lead", filters=conditions)
                assert {row["title"] for row in page.data["rows"]} == found, filters
                assert not page.data["more"]
            many = [{"field": "status", "op": "one_of", "value": [str(n) for n in range(6)]}]
            sent = len(harness.vendor.requests)
            answer = await caller.call("query", kind="lead", filters=many)
        assert (answer.error, len(harness.vendor.requests)) == ("rejected", sent)


# apidocs.leadsquared.com/api-host/
HOSTS = {
    **{"sg": "api", "us": "api-us11", "mumbai": "api-in21", "hyderabad": "api-in22"},
    **{"me": "api-me61", "ir": "api-ir31", "ca": "api-ca12"},
}


@pytest.mark.parametrize(
    ("where", "host"),
    [
        *(({"region": region}, host) for region, host in HOSTS.items()),
        ({"base_url": "https://api-in21.leadsquared.com/v2/"}, "api-in21"),
    ],
)
async def test_an_account_is_tried_where_it_is(
    database: Database, tenant: Tenant, where: dict[str, str], host: str
) -> None:
    vendor = FakeLeadSquared()
    vendor.base = f"https://{host}.leadsquared.com/v2"  # type: ignore[misc]  # a class variable
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


async def set_zone(harness: CrmHarness, zone: str) -> None:
    """Set the time zone of the harness's business, before its first call."""
    statement = f"update business set time_zone = '{zone}' returning id"
    await fetch(harness.database, harness.tenant, statement)
