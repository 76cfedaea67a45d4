"""What Salesforce's records say: on which day, under which number, and where they have gone."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.conftest import fetch
from tests.crm.harness import CrmHarness
from tests.crm.providers.salesforce.double import FakeSalesforce, error
from tests.support.servers import Caller
from tests.support.vendors import BODY_CANARY, Fault, timed_out


def fake(harness: CrmHarness) -> FakeSalesforce:
    assert isinstance(harness.vendor, FakeSalesforce)
    return harness.vendor


def row(harness: CrmHarness, record_id: str) -> dict[str, Any]:
    """Return what is stored of a record."""
    return next(rows[record_id] for rows in fake(harness).rows.values() if record_id in rows)


async def find(caller: Caller, kind: str, field: str, op: str, value: Any) -> set[str]:
    """Return the ids of the records that a query finds."""
    filters = [{"field": field, "op": op, "value": value}]
    page = await caller.call("query", kind=kind, filters=filters)
    assert page.error is None, page
    return {each["id"] for each in page.data["rows"]}


async def set_zone(harness: CrmHarness, zone: str) -> None:
    """Set the time zone of the harness's business, before its first call."""
    statement = f"update business set time_zone = '{zone}' returning id"
    await fetch(harness.database, harness.tenant, statement)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Auckland"])
async def test_an_event_of_a_whole_day_is_on_that_day(sales: CrmHarness, zone: str) -> None:
    await set_zone(sales, zone)
    async with sales.caller() as caller:
        event = await sales.call_ok(
            caller, "create_event", subject="Fair", when="2030-07-15T10:00", minutes=30
        )
        record_id = event.data["id"]
        row(sales, record_id).update(
            IsAllDayEvent=True,
            ActivityDate="2030-07-15",
            StartDateTime="2030-07-15T00:00:00.000+0000",
            EndDateTime="2030-07-16T00:00:00.000+0000",
        )
        shown = await sales.call_ok(caller, "get_event", event=record_id)
        assert shown.data["starts_at"] == "2030-07-15"
        assert shown.data["ends_at"] == "2030-07-16"
        assert shown.data["say"] == "Fair, an event, Monday the 15th of July 2030."
        for op, day, expected in (
            ("above", "2030-07-15", {record_id}),
            ("above", "2030-07-16", set[str]()),
            ("below", "2030-07-15", set[str]()),
            ("below", "2030-07-16", {record_id}),
        ):
            assert await find(caller, "event", "starts_at", op, day) == expected, (op, day)


async def test_an_event_of_a_whole_day_gets_an_hour(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        event = await sales.call_ok(
            caller, "create_event", subject="Fair", when="2030-07-15T10:00", minutes=30
        )
        stored = row(sales, event.data["id"])
        stored.update(IsAllDayEvent=True, StartDateTime="2030-07-15T00:00:00.000+0000")
        unclear = await caller.call("update_event", event=event.data["id"], when="2030-07-16T11:00")
        assert unclear.error == "rejected"
        await sales.call_ok(
            caller, "update_event", event=event.data["id"], when="2030-07-16T11:00", minutes=30
        )
        assert stored["StartDateTime"] == "2030-07-16T09:00:00.000+0000"
        assert stored["IsAllDayEvent"] is False


async def test_a_day_of_a_moment_is_the_business_s(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        ids = [
            (await sales.call_ok(caller, "create_lead", name=f"Tom {n}")).data["id"]
            for n in range(3)
        ]
        created = ("2026-11-30T22:59:59", "2026-11-30T23:00:00", "2026-12-01T22:59:59")
        for record_id, moment in zip(ids, created, strict=True):
            row(sales, record_id)["CreatedDate"] = f"{moment}.000+0000"
        for op, expected in (
            ("is", ids[1:]),
            ("below", ids[:1]),
            ("is_not", ids[:1]),
            ("above", []),
        ):
            found = await find(caller, "lead", "CreatedDate", op, "2026-12-01")
            assert found == {*expected}, op
        deal = await sales.call_ok(caller, "create_opportunity", name="X", close="2026-12-02")
        moment = "2026-12-01T23:30:00Z"
        assert await find(caller, "opportunity", "CloseDate", "is", moment) == {deal.data["id"]}


async def test_a_number_is_found_in_every_field_that_has_the_person_s(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        ids: dict[str, str] = {}
        for number, name in enumerate(("Phone", "MobilePhone", "HomePhone", "OtherPhone")):
            made = await sales.call_ok(
                caller,
                "create_contact",
                name=f"Ann {number}",
                fields={name: f"030 55501-4{number}"},
            )
            ids[f"+49 30 555014{number}"] = made.data["id"]
        for text, expected in ids.items():
            found = await sales.call_ok(caller, "search", text=text)
            assert [each["id"] for each in found.data["found"]] == [expected], text
            assert await find(caller, "contact", "phone", "is", text) == {expected}
            shown = await sales.call_ok(caller, "get_contact", contact=expected)
            assert shown.data["phone"].startswith("030 55501-4")


async def test_a_number_is_found_behind_others_that_have_its_digits(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        ids: list[str] = []
        for number in ("+49 30 555 0142", "5 5 5 0 1 4 2 9999", "+49 40 555 0142"):
            made = await sales.call_ok(caller, "create_contact", name="Ann", phone=number)
            ids.append(made.data["id"])
            row(sales, ids[-1])["CreatedDate"] = f"2026-12-0{len(ids)}T12:00:00.000+0000"
        filters = [{"field": "phone", "value": "030 5550142"}]
        page = await sales.call_ok(caller, "query", kind="contact", filters=filters, limit=1)
        assert [each["id"] for each in page.data["rows"]] == ids[:1]
        assert page.data["more"] is False


async def test_a_text_that_is_too_long_for_soql_is_not_sent(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        for op in ("is", "contains"):
            filters = [{"field": "company", "op": op, "value": "x" * 4001}]
            answer = await caller.call("query", kind="lead", filters=filters)
            assert answer.error == "rejected"
            assert "longer" in answer.text
    assert sales.vendor.requests == []


async def test_a_converted_lead_is_a_contact(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        lead = (await sales.call_ok(caller, "create_lead", name="Tom Hill")).data["id"]
        row(sales, lead)["IsConverted"] = True
        writes = len(sales.vendor.written())
        for may_edit in (True, False):
            fake(sales).edits_converted = may_edit
            for answer in (
                await caller.call("get_lead", lead=lead),
                await caller.call("get_lead", lead=lead, fields=["Owner.Name"]),
                await caller.call("update_lead", lead=lead, title="Owner"),
            ):
                assert answer.error == "not_found"
                assert "contact" in answer.text
            assert await find(caller, "lead", "name", "is", "Tom Hill") == set()
        assert await find(caller, "lead", "IsConverted", "is", True) == {lead}
        assert len(sales.vendor.written()) == writes


async def test_a_lead_that_is_converted_meanwhile_is_said_to_be(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        lead = (await sales.call_ok(caller, "create_lead", name="Tom Hill")).data["id"]
        fake(sales).fail(lambda _: error(400, "CANNOT_UPDATE_CONVERTED_LEAD"), writes=True)
        answer = await caller.call("update_lead", lead=lead, title="Owner")
    assert answer.error == "not_found"
    assert "contact" in answer.text


@pytest.mark.parametrize("kind", ["lead", "contact", "account"])
async def test_a_merged_record_is_found_where_it_is(sales: CrmHarness, kind: str) -> None:
    async with sales.caller() as caller:
        master, other = [
            (await sales.call_ok(caller, f"create_{kind}", name=name)).data["id"]
            for name in ("Tom Hill", "Thomas Hill")
        ]
        fake(sales).merge(kind.capitalize(), master, other)
        shown = await sales.call_ok(caller, f"get_{kind}", **{kind: other})
        assert (shown.data["id"], shown.data["name"]) == (master, "Tom Hill")
        changed = await caller.call(f"update_{kind}", **{kind: other}, phone="030 5550142")
        assert changed.error == "not_found"
        row(sales, master)["IsDeleted"] = True
        assert (await caller.call(f"get_{kind}", **{kind: master})).error == "not_found"


def _found(*records: Any, name: str = "records") -> Fault:
    """Return a response with these records, instead of what is asked for."""
    body = {"totalSize": len(records), "done": True, name: [*records]}
    return lambda _: httpx2.Response(200, json=body)


async def test_a_record_that_cannot_be_read_hides_no_other(sales: CrmHarness) -> None:
    good = {"attributes": {"type": "Lead"}, "Id": "00Q5g00000ZZZZZAAZ", "Name": "Tom Hill"}
    unreadable = ({"Name": "No id"}, {**good, "Id": 5}, "nothing")
    async with sales.caller() as caller:
        fake(sales).fail(_found(*unreadable, good))
        page = await sales.call_ok(caller, "query", kind="lead")
        assert [each["id"] for each in page.data["rows"]] == [good["Id"]]
        fake(sales).fail(_found(*unreadable, good, name="searchRecords"))
        found = await sales.call_ok(caller, "search", text="Tom Hill", kind="lead")
        assert [each["id"] for each in found.data["found"]] == [good["Id"]]
        fake(sales).fail(_found("nothing", {"Name": "Tom Hill"}))
        rows = await sales.call_ok(caller, "raw_query", statement="SELECT Name FROM Lead")
        assert rows.data["rows"] == [{"Name": "Tom Hill"}]
        fake(sales).fail(_found(good, "nothing"))
        page = await sales.call_ok(caller, "query", kind="lead", limit=1)
        assert page.data["more"] is True


async def test_a_lost_create_is_not_repeated_beside_what_cannot_be_read(sales: CrmHarness) -> None:
    async with sales.caller() as caller:
        fake(sales).fail(timed_out, writes=True, done=True)
        assert (await caller.call("create_lead", name="Tom Hill")).error == "outcome_unknown"
        await sales.let_time_pass()
        fake(sales).fail(_found({"Name": "Tom Hill"}), writes=False)
        assert (await caller.call("create_lead", name="Tom Hill")).error == "outcome_unknown"
    assert len(sales.vendor.records("lead")) == 1


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "UNABLE_TO_LOCK_ROW", "unavailable"),
        (400, "QUERY_TIMEOUT", "unavailable"),
        (503, "SERVER_UNAVAILABLE", "unavailable"),
        (503, "REQUEST_LIMIT_EXCEEDED", "rate_limited"),
        (403, "REQUEST_LIMIT_EXCEEDED", "rate_limited"),
        (400, "INSUFFICIENT_ACCESS_OR_READONLY", "forbidden"),
        (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "forbidden"),
        (400, "INVALID_CROSS_REFERENCE_KEY", "not_found"),
        (404, "ENTITY_IS_DELETED", "not_found"),
        (500, "DUPLICATES_DETECTED", "conflict"),
        (400, "INVALID_FIELD", "rejected"),
        (500, "UNKNOWN_EXCEPTION", "outcome_unknown"),
    ],
)
async def test_a_refusal_is_told_by_its_code_and_leaves_the_vendor_open(
    sales: CrmHarness, status: int, code: str, expected: str
) -> None:
    known = code != "UNKNOWN_EXCEPTION"
    async with sales.caller() as caller:
        contact = (await sales.call_ok(caller, "create_contact", name="Tom Hill")).data["id"]
        sales.breakers.disabled = not known
        times = 8 if known else 1
        fake(sales).fail(lambda _: error(status, code), writes=True, times=times)
        for number in range(times):
            answer = await caller.call(
                "update_contact", contact=contact, title=f"Buyer {number}", key=str(uuid4())
            )
            assert answer.error == expected
            assert BODY_CANARY not in answer.text
        await sales.call_ok(caller, "update_contact", contact=contact, title="Buyer")
