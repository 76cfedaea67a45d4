"""What HubSpot's records say: which company is meant, on which day, and which are readable."""

import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx2
import pytest

from tests.conftest import fetch
from tests.crm.harness import CrmHarness
from tests.crm.providers.hubspot.test_provider import fake, last_write

COMPANY, CONTACT = "companies", "contacts"


@pytest.mark.parametrize(
    ("kind", "name", "title"),
    [
        ("contact", "contacts", {"lastname": "Berg"}),
        ("opportunity", "deals", {"dealname": "Press"}),
        ("case", "tickets", {"subject": "Noise"}),
    ],
)
async def test_the_primary_company_is_the_one_that_is_marked(
    hub: CrmHarness, kind: str, name: str, title: dict[str, str]
) -> None:
    vendor = fake(hub)
    record = vendor.add(name, **title)
    primary, billing = vendor.add(COMPANY, name="One"), vendor.add(COMPANY, name="Two")
    vendor.labels[COMPANY, billing] = "billing_partner"
    vendor.relate((name, record), (COMPANY, primary))
    vendor.relate((name, record), (COMPANY, billing))
    async with hub.caller() as caller:

        async def accounts() -> list[str | None]:
            shown = await hub.call_ok(caller, f"get_{kind}", **{kind: record})
            page = await hub.call_ok(caller, "query", kind=kind, detail="full")
            return [
                shown.data.get("account"),
                (page.data["rows"][0]["values"] or {}).get("account"),
            ]

        assert await accounts() == [primary, primary]
        vendor.without_primary.add((name, record))
        assert await accounts() == [None, None]
        del vendor.related[name, record][COMPANY, primary]
        assert (await accounts())[0] == billing


async def test_of_several_people_none_is_guessed(hub: CrmHarness) -> None:
    """HubSpot marks none of an activity's people, and a change leaves all of them there."""
    vendor = fake(hub)
    task = vendor.add("tasks", hs_task_subject="Call", hs_timestamp="2026-12-01T12:00:00Z")
    people = [vendor.add(CONTACT, lastname=name) for name in ("A", "B", "C")]
    for each in people[:2]:
        vendor.relate(("tasks", task), (CONTACT, each))
    async with hub.caller() as caller:
        shown = await hub.call_ok(caller, "get_task", task=task)
        assert shown.data.get("about") is None
        await hub.call_ok(caller, "update_task", task=task, about=people[2])
    assert {*vendor.related["tasks", task]} == {(CONTACT, each) for each in people}


@pytest.mark.parametrize("call", [{"tool": "query", "kind": "contact"}, {"tool": "search"}])
async def test_a_record_that_cannot_be_read_hides_no_other(
    hub: CrmHarness, call: dict[str, str]
) -> None:
    broken = {"id": 5, "properties": {"lastname": ["?"]}}
    good = {"id": "7", "properties": {"lastname": "Berg", "phone": "030 5550142"}}
    arguments = dict(call)
    tool = arguments.pop("tool")
    arguments |= {"text": "030 5550142", "kind": "contact"} if tool == "search" else {}

    def some(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"total": 2, "results": [broken, good]})

    async with hub.caller() as caller:
        fake(hub).fail(some)
        found = await hub.call_ok(caller, tool, **arguments)
    assert [each["id"] for each in found.data["found" if tool == "search" else "rows"]] == ["7"]


async def test_a_stage_that_cannot_be_read_hides_no_other(hub: CrmHarness) -> None:
    fake(hub).pipelines["deals"][1]["stages"].insert(0, {"label": "Without an id"})
    fake(hub).pipelines["deals"].insert(0, {"label": "Without an id"})
    async with hub.caller() as caller:
        await hub.call_ok(caller, "create_opportunity", name="Press", stage="Proposal")
    assert last_write(hub)["properties"]["dealstage"] == "932"


async def test_a_lost_create_is_not_repeated_beside_what_cannot_be_read(hub: CrmHarness) -> None:
    async with hub.caller() as caller:

        def lost(request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ReadTimeout("", request=request)

        def unreadable(_: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, json={"total": 1, "results": [{"properties": {}}]})

        fake(hub).fail(lost, writes=True, done=True)
        arguments = {"name": "Ann Berg", "email": "ann@example.com"}
        assert (await caller.call("create_contact", **arguments)).error == "outcome_unknown"
        await hub.let_time_pass()
        fake(hub).fail(unreadable, writes=False)
        assert (await caller.call("create_contact", **arguments)).error == "outcome_unknown"
    assert len(hub.vendor.records("contact")) == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"])
async def test_days_are_days_where_the_business_is(hub: CrmHarness, zone: str) -> None:
    """HubSpot has moments only: those of a day are the business's, not those of UTC."""
    await fetch(hub.database, hub.tenant, f"update business set time_zone = '{zone}' returning id")
    vendor, day = fake(hub), date.fromisoformat("2030-07-15")
    ends = [
        datetime.fromisoformat(f"2030-07-15T{at}").replace(tzinfo=ZoneInfo(zone))
        for at in ("00:00", "23:59:59")
    ]
    deals = [
        vendor.add("deals", dealname=str(at), closedate=f"{at.astimezone(ZoneInfo('UTC')):%FT%TZ}")
        for at in (*ends, ends[0] - timedelta(seconds=1), ends[1] + timedelta(seconds=1))
    ]
    async with hub.caller() as caller:
        shown = [await hub.call_ok(caller, "get_opportunity", opportunity=each) for each in deals]
        told = [each.data["close_date"] for each in shown]
        assert told == ["2030-07-15", "2030-07-15", "2030-07-14", "2030-07-16"]
        for op, expected in (
            ("is", deals[:2]),
            ("above", deals[3:]),
            ("below", deals[2:3]),
            ("is_not", deals[2:]),
        ):
            filters = [{"field": "close_date", "op": op, "value": "2030-07-15"}]
            page = await hub.call_ok(caller, "query", kind="opportunity", filters=filters)
            assert {row["id"] for row in page.data["rows"]} == {*expected}, op
        task = await hub.call_ok(caller, "create_task", subject="Call", due="2030-07-15")
        sent = datetime.fromisoformat(last_write(hub)["properties"]["hs_timestamp"])
        assert sent.astimezone(ZoneInfo(zone)).date() == day
        shown_task = await hub.call_ok(caller, "get_task", task=task.data["id"])
        assert shown_task.data["due_date"] == "2030-07-15"


async def test_a_merged_record_is_found_where_it_is(hub: CrmHarness) -> None:
    vendor = fake(hub)
    old = [vendor.add(COMPANY, name=name) for name in ("Berg", "Berg Ltd")]
    person = vendor.add(CONTACT, lastname="Berg")
    vendor.relate((CONTACT, person), (COMPANY, old[1]))
    new = vendor.merge(COMPANY, *old)
    async with hub.caller() as caller:
        shown = await hub.call_ok(caller, "get_account", account=old[1])
        assert shown.data["id"] == new
        filters = [{"field": "account", "value": old[1]}]
        page = await hub.call_ok(caller, "query", kind="contact", filters=filters)
        assert [row["id"] for row in page.data["rows"]] == [person]
        made = await hub.call_ok(caller, "create_contact", name="Bo Lee", account=old[0])
        assert json.loads(vendor.written()[-1].content)["associations"][0]["to"] == {"id": new}
        assert {*vendor.related[CONTACT, made.data["id"]]} == {(COMPANY, new)}


async def test_an_archived_record_is_gone(hub: CrmHarness) -> None:
    """Without `archived=true` HubSpot does not find it; if it came all the same, it is gone."""
    contact = fake(hub).add(CONTACT, lastname="Berg")

    def archived(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"id": contact, "properties": {}, "archived": True})

    async with hub.caller() as caller:
        fake(hub).fail(archived)
        assert (await caller.call("get_contact", contact=contact)).error == "not_found"
        fake(hub).fail(archived, writes=False)
        firm = fake(hub).add(COMPANY, name="Berg")
        made = await caller.call("create_contact", name="Bo Lee", account=firm)
        assert made.error == "not_found"
        gone = await caller.call("create_contact", name="Bo Lee", account="251999")
        assert gone.error == "not_found"
    assert hub.vendor.written() == []
