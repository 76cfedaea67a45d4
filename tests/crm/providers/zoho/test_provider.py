"""The Zoho CRM provider: the contract, and its own behaviour."""

import json
from collections.abc import Collection
from datetime import date, datetime, timedelta
from itertools import cycle
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import httpx2
import pytest

from tests.conftest import fetch
from tests.crm.contract import CrmContract, CrmHarness
from tests.crm.hostile import HOSTILE, visible
from tests.crm.providers.zoho.coql import tokens
from tests.crm.providers.zoho.double import SECRETS, FakeZoho, record_error, respond_with
from tests.support.servers import Caller
from tests.support.vendor_contract import MANY
from tests.support.vendors import BODY_CANARY

_OPERATORS = ("is", "is_not", "contains", "starts_with", "above")
_MAX_FILTERS = 10
CODES = {
    ("DUPLICATE_DATA", "Email"): "conflict",
    ("MANDATORY_NOT_FOUND", "Last_Name"): "rejected",
    ("INVALID_DATA", "Email"): "rejected",
    ("INVALID_DATA", "id"): "not_found",
    ("NO_PERMISSION", ""): "forbidden",
    ("OAUTH_SCOPE_MISMATCH", ""): "forbidden",
    ("FEATURE_NOT_SUPPORTED", ""): "forbidden",
    ("RECORD_LOCKED", ""): "rejected",
    ("RECORD_IN_BLUEPRINT", ""): "rejected",
    ("NOT_APPROVED", ""): "rejected",
    ("TOO_MANY_REQUESTS", ""): "rate_limited",
    ("CONVERTED_RECORD", ""): "not_found",
    ("NOT_FOUND", ""): "not_found",
}
ANN = {"First_Name": "Ann", "Last_Name": "Berg"}


def fake(harness: CrmHarness) -> FakeZoho:
    assert isinstance(harness.vendor, FakeZoho)
    return harness.vendor


def last_row(harness: CrmHarness) -> dict[str, Any]:
    """Return the row of the last write."""
    (row,) = json.loads(harness.vendor.written()[-1].content)["data"]
    return dict(row)


class TestZoho(CrmContract):
    provider = "zoho"
    secrets: ClassVar[dict[str, str]] = SECRETS
    custom_field = ("Region", "north", "south")

    def new_vendor(self) -> FakeZoho:
        return FakeZoho()

    def expected_errors(self, tool: str, fault: str) -> Collection[str | None]:
        """A search sends several requests at once, whose timeouts may open the circuit breaker."""
        opened = ("unavailable",) if (tool, fault) == ("search", "timeout") else ()
        return (*super().expected_errors(tool, fault), *opened)

    async def test_what_zoho_says_in_the_list_is_what_became_of_it(
        self, harness: CrmHarness
    ) -> None:
        """Whatever the status is: 200, 201, 202 or 207, 400, 401 or 403.

        The codes are those of the specification (`record__Error`); that of a limit is in
        facts/vendors.md.
        """
        lead = fake(harness).add("lead", **ANN, Company="Berg")
        async with harness.caller() as caller:
            for accepted, ((code, name), error) in zip(cycle((200, 202, 207)), CODES.items()):
                for status in (accepted, 400):
                    response = record_error(status, code, api_name=name)
                    harness.vendor.fail(respond_with(response), writes=True, times=2)
                    made = await caller.call("create_lead", name=f"{code} {status}")
                    changed = await caller.call("update_lead", lead=lead, name=f"{code} {status}")
                    assert (made.error, changed.error) == (error, error), (code, status)
            for body, error in {
                "{}": "outcome_unknown",
                '{"data": []}': "outcome_unknown",
                '{"data": [{"status": "success", "details": {}}]}': "outcome_unknown",
                '{"status": "error", "code": "LIMIT_EXCEEDED"}': "rejected",
            }.items():
                harness.vendor.fail(respond_with(httpx2.Response(201, text=body)), writes=True)
                assert (await caller.call("create_lead", name=f"Odd {body}")).error == error

    @pytest.mark.parametrize(
        ("status", "code", "error"),
        [
            (401, "OAUTH_SCOPE_MISMATCH", "forbidden"),
            (400, "OAUTH_SCOPE_MISMATCH", "forbidden"),
            (403, "NO_PERMISSION", "forbidden"),
            (400, "TOO_MANY_REQUESTS", "rate_limited"),
            (429, "TOO_MANY_REQUESTS", "rate_limited"),
            (400, "INVALID_QUERY", "rejected"),
            (500, "INTERNAL_ERROR", "unavailable"),
        ],
    )
    async def test_the_code_of_a_whole_request_says_what_it_is(
        self, harness: CrmHarness, status: int, code: str, error: str
    ) -> None:
        body: dict[str, Any] = {"code": code, "message": BODY_CANARY, "status": "error"}
        response = httpx2.Response(status, json=body)
        harness.vendor.fail(respond_with(response), times=MANY)
        async with harness.caller() as caller:
            answer = await caller.call("query", kind="lead")
        assert answer.error == error, answer

    async def test_a_converted_lead_is_said_to_be_one(self, harness: CrmHarness) -> None:
        vendor = fake(harness)
        lead = vendor.add("lead", **ANN, Company="Berg")
        vendor.converted.add(lead)
        async with harness.caller() as caller:
            for answer in (
                await caller.call("get_lead", lead=lead),
                await caller.call("update_lead", lead=lead, title="Boss"),
            ):
                assert answer.error == "not_found"
                assert "has been converted" in answer.text
            about = await caller.call("create_task", subject="Call", about=lead)
            assert about.error == "not_found"
        assert "Designation" not in vendor.rows["Leads"][0]
        assert vendor.records("task") == []

    @pytest.mark.parametrize("odd", ["text", {"Last_Name": "Nobody"}, {"id": None}])
    async def test_a_row_that_cannot_be_read_hides_no_other(
        self, harness: CrmHarness, odd: object
    ) -> None:
        lead = fake(harness).add("lead", **ANN, Company="Berg", Phone="030 5550100")
        fake(harness).extra_row = odd
        async with harness.caller() as caller:
            for text in ("Ann Berg", "+49 30 5550100"):
                found = await harness.call_ok(caller, "search", text=text, kind="lead")
                assert [each["id"] for each in found.data["found"]] == [lead], text
            page = await harness.call_ok(caller, "query", kind="lead")
            assert [each["id"] for each in page.data["rows"]] == [lead]

    async def test_a_person_is_queried_by_any_number_and_any_address(
        self, harness: CrmHarness
    ) -> None:
        add = fake(harness).add
        mobile = add("contact", **ANN, Mobile="(0171) 555-01 23")
        home = add("contact", **ANN, Phone="030 5550100", Home_Phone="030 555 0199")
        second = add("contact", **ANN, Secondary_Email="ann@example.com")
        async with harness.caller() as caller:
            for (field, op, value), found in (
                (("phone", "is", "+49 171 5550123"), {mobile}),
                (("phone", "one_of", ["0171 5550123", "+49305550199"]), {mobile, home}),
                (("phone", "is_not", "030 5550199"), {mobile, second}),
                (("phone", "contains", "171"), {mobile}),
                (("email", "is", "ann@example.com"), {second}),
                (("email", "one_of", ["bo@example.com", "ann@example.com"]), {second}),
                (("email", "is_not", "ann@example.com"), {mobile, home}),
            ):
                filters = [{"field": field, "op": op, "value": value}]
                page = await harness.call_ok(caller, "query", kind="contact", filters=filters)
                assert {row["id"] for row in page.data["rows"]} == found, (field, op, value)

    async def test_what_is_over_a_limit_of_coql_is_split_or_refused(
        self, harness: CrmHarness
    ) -> None:
        """A list has a hundred values at most, and a statement 25 conditions."""
        lead = fake(harness).add("lead", **ANN, Company="Berg", Lead_Status="249")
        many = [str(number) for number in range(250)]
        numbers = [f"030 55501{number:02}" for number in range(13)]
        async with harness.caller() as caller:
            filters: list[dict[str, Any]] = [{"field": "status", "op": "one_of", "value": many}]
            page = await harness.call_ok(caller, "query", kind="lead", filters=filters)
            assert [row["id"] for row in page.data["rows"]] == [lead]
            sent = len(harness.vendor.requests)
            for filters in (
                [{"field": "phone", "op": "one_of", "value": numbers}],
                [{"field": "phone", "op": "is_not", "value": each} for each in numbers[:10]],
            ):
                answer = await caller.call("query", kind="lead", filters=filters)
                assert answer.error == "rejected"
                assert "25 conditions" in answer.text
            assert len(harness.vendor.requests) == sent

    async def test_a_time_without_a_zone_is_the_business_s(self, harness: CrmHarness) -> None:
        add = fake(harness).add
        statement = "update business set time_zone = 'Asia/Kolkata' returning id"
        await fetch(harness.database, harness.tenant, statement)
        early = add("lead", **ANN, Company="-", Created_Time="2026-05-01T20:29:00+02:00")
        late = add("lead", **ANN, Company="-", Created_Time="2026-05-01T20:31:00+02:00")
        async with harness.caller() as caller:
            for value in ("2026-05-02", "2026-05-02T00:00", "2026-05-01T18:30:00Z"):
                for op, lead in (("above", late), ("below", early)):
                    filters = [{"field": "Created_Time", "op": op, "value": value}]
                    page = await harness.call_ok(caller, "query", kind="lead", filters=filters)
                    assert [row["id"] for row in page.data["rows"]] == [lead], (op, value)

    @pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Pago_Pago"])
    async def test_a_deal_closes_thirty_days_from_the_business_s_today(
        self, harness: CrmHarness, zone: str
    ) -> None:
        statement = f"update business set time_zone = '{zone}' returning id"
        await fetch(harness.database, harness.tenant, statement)
        before = datetime.now(ZoneInfo(zone)).date()
        async with harness.caller() as caller:
            await harness.call_ok(caller, "create_opportunity", name="New press")
        after = datetime.now(ZoneInfo(zone)).date()
        closes = date.fromisoformat(last_row(harness)["Closing_Date"])
        assert closes - timedelta(days=30) in (before, after)

    @pytest.mark.parametrize("unknown", [204, 400])
    async def test_an_id_of_nothing_is_not_found_however_zoho_says_so(
        self, harness: CrmHarness, unknown: int
    ) -> None:
        fake(harness).unknown = unknown
        contact = fake(harness).add("contact", **ANN)
        async with harness.caller() as caller:
            for record in (contact, "5725767000000999999"):
                assert (await caller.call("get_lead", lead=record)).error == "not_found"
                changed = await caller.call("update_lead", lead=record, title="Boss")
                assert changed.error == "not_found"
            task = {"subject": "Call", "about": "5725767000000999999"}
            assert (await caller.call("create_task", **task)).error == "not_found"
        assert fake(harness).records("task") == []

    async def test_a_record_is_about_one_other_of_any_kind(self, harness: CrmHarness) -> None:
        contact = fake(harness).add("contact", **ANN)
        deal = fake(harness).add("opportunity", Deal_Name="New press")
        async with harness.caller() as caller:
            made = await harness.call_ok(caller, "create_task", subject="Call", about=deal)
            assert last_row(harness)["What_Id"] == {"id": deal}
            assert last_row(harness)["$se_module"] == "Deals"
            task = made.data["id"]
            for about, expected in (
                (contact, {"Who_Id": {"id": contact}, "What_Id": None}),
                (deal, {"What_Id": {"id": deal}, "$se_module": "Deals", "Who_Id": None}),
            ):
                await harness.call_ok(caller, "update_task", task=task, about=about)
                assert last_row(harness) == expected
                shown = await harness.call_ok(caller, "get_task", task=task)
                assert shown.data["about"] == about
                filters = [{"field": "about", "value": about}]
                found = await harness.call_ok(caller, "query", kind="task", filters=filters)
                assert [row["id"] for row in found.data["rows"]] == [task]

    async def test_what_the_common_layouts_demand_is_filled_in(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            lead = await harness.call_ok(caller, "create_lead", name="Cher")
            assert last_row(harness) == {"First_Name": None, "Last_Name": "Cher", "Company": "-"}
            shown = await harness.call_ok(caller, "get_lead", lead=lead.data["id"])
            assert "company" not in shown.data
            await harness.call_ok(caller, "create_opportunity", name="New press")
            assert last_row(harness)["Stage"] == "Qualification"
            assert last_row(harness)["Closing_Date"] > "2026"
            await harness.call_ok(caller, "create_case", subject="Noise")
            assert last_row(harness) == {
                "Subject": "Noise",
                "Status": "New",
                "Case_Origin": "Phone",
            }

    async def test_a_number_is_found_in_whatever_field_and_form_it_is(
        self, harness: CrmHarness
    ) -> None:
        mobile = fake(harness).add("lead", **ANN, Company="-", Mobile="(0171) 555-01 23")
        fake(harness).add("lead", First_Name="Bo", Last_Name="Lee", Company="-", Phone="0555012")
        async with harness.caller() as caller:
            found = await harness.call_ok(caller, "search", text="+49 171 5550123")
            assert [each["id"] for each in found.data["found"]] == [mobile]
            assert len(harness.vendor.requests) == 3, "once for leads, contacts and accounts"
            # Only Zoho's search covers custom fields.
            custom = fake(harness).add(
                "contact", **ANN, Other_Phone=None, Description="+49305550177"
            )
            found = await harness.call_ok(caller, "search", text="+49 30 5550177")
            assert [each["id"] for each in found.data["found"]] == [custom]
            second = fake(harness).add("contact", **ANN, Secondary_Email="ann@example.com")
            found = await harness.call_ok(caller, "search", text="ann@example.com")
            assert [each["id"] for each in found.data["found"]] == [second]
            # Zoho's search does not find a new record yet.
            harness.vendor.fail(respond_with(httpx2.Response(204)), writes=False, times=2)
            found = await harness.call_ok(caller, "search", text="ann@example.com")
            assert [each["id"] for each in found.data["found"]] == [second]

    async def test_the_first_failure_of_a_search_is_its_own(self, harness: CrmHarness) -> None:
        harness.vendor.fail(respond_with(httpx2.Response(403)), writes=False)
        async with harness.caller() as caller:
            assert (await caller.call("search", text="Tom Hill")).error == "forbidden"

    async def test_queries(self, harness: CrmHarness) -> None:
        """The filters and what each finds, in one table over the same records.

        Long because it is one table.
        """
        add = fake(harness).add
        old = add("lead", **ANN, Company="Berg & Co", Phone="030 5550100", Lead_Status="Hot")
        new = add("lead", First_Name="Bo", Last_Name="Lee", Company="O'Neil", Lead_Status="Cold")
        add("opportunity", Deal_Name="Small", Amount=100.5, Closing_Date="2026-12-01")
        add("opportunity", Deal_Name="Large", Amount=2e6, Closing_Date="2027-01-15")
        add("case", Subject="Noise", Status="On Hold", Priority="Medium")

        async def ids(kind: str, *filters: tuple[str, str, Any], **others: Any) -> list[str]:
            conditions = [
                dict(zip(("field", "op", "value"), each, strict=True)) for each in filters
            ]
            page = await harness.call_ok(caller, "query", kind=kind, filters=conditions, **others)
            key = "id" if kind == "lead" else "title"
            return [row[key] for row in page.data["rows"]]

        async with harness.caller() as caller:
            assert await ids("lead", ("name", "contains", "ber")) == [old]
            assert await ids("lead", ("name", "starts_with", "bo l")) == [new]
            assert await ids("lead", ("company", "is", "o'neil")) == [new]
            assert await ids("lead", ("phone", "is", "+49305550100")) == [old]
            assert await ids("lead", ("phone", "is_not", "1")) == [new, old]
            assert await ids("lead", ("status", "one_of", ["Hot", "Warm"])) == [old]
            assert await ids("lead", ("status", "one_of", [])) == []
            three = [("status", "is", "Hot"), ("name", "contains", "A"), ("Mobile", "is_not", "5")]
            assert await ids("lead", *three) == [old]
            assert await ids("lead", order_by="name") == [old, new]
            assert await ids("lead", order_by="name", descending=True) == [new, old]
            assert await ids("opportunity", ("amount", "above", 1000)) == ["Large"]
            assert await ids("opportunity", ("amount", "is", 100.5)) == ["Small"]
            assert await ids("opportunity", ("close_date", "below", "2026-12-24")) == ["Small"]
            assert await ids("case", ("status", "is", "open"), ("priority", "is", "normal")) == [
                "Noise"
            ]
            for field in ("a.b.c.d", "Owner..name"):
                answer = await caller.call("query", kind="lead", fields=[field])
                assert answer.error in ("rejected", "invalid"), field
            for number in (float("inf"), float("nan")):
                filters = [{"field": "amount", "op": "is", "value": number}]
                answer = await caller.call("query", kind="opportunity", filters=filters)
                assert answer.error in ("rejected", "invalid"), number
        (amount,) = {each for each in fake(harness).statements() if "Amount > " in each}
        assert "Amount > 1000 order by Created_Time desc limit 10" in amount

    async def test_whatever_is_given_stays_one_value(self, harness: CrmHarness) -> None:
        """Whether or not a backslash escapes, which Zoho does not document."""
        assert len(HOSTILE) >= 60
        async with harness.caller() as caller:
            shape = tokens(await self.coql_statement(harness, caller, ["plain"] * _MAX_FILTERS))
            for start in range(0, len(HOSTILE), _MAX_FILTERS):
                values = [*HOSTILE[start : start + _MAX_FILTERS], *["plain"] * _MAX_FILTERS][
                    :_MAX_FILTERS
                ]
                statement = await self.coql_statement(harness, caller, values)
                for escapes in (False, True):
                    read = tokens(statement, escapes=escapes)
                    assert [_without_text(each) for each in read] == [
                        _without_text(each) for each in shape
                    ], values
                texts = [text for kind, text in tokens(statement, escapes=True) if kind == "text"]
                assert [_visible_value(each) for each in texts] == [
                    _visible_value(each) for each in values
                ]

    async def coql_statement(self, harness: CrmHarness, caller: Caller, values: list[str]) -> str:
        """Return the COQL statement that a query with these values sends."""
        filters = [
            {"field": "company", "op": op, "value": value}
            for op, value in zip(cycle(_OPERATORS), values, strict=False)
        ]
        await harness.call_ok(caller, "query", kind="lead", filters=filters)
        return fake(harness).statements()[-1]


def _without_text(token: tuple[str, str]) -> tuple[str, str]:
    kind, value = token
    return (kind, "" if kind == "text" else value)


def _visible_value(text: str) -> str:
    """Return the visible characters of a text, without the wildcards at its ends."""
    return visible(text).strip("%")
