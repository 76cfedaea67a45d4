"""HubSpot's rules for searches, which every query keeps: what it finds, and what is not sent."""

from typing import Any

import pytest

from tests.crm.harness import CrmHarness
from tests.crm.providers.hubspot.test_provider import fake
from tests.crm.samples import ZONE
from tests.support.servers import Caller

LEAD = {"lifecyclestage": "lead"}


async def find(caller: Caller, kind: str, field: str, op: str, value: Any, **others: Any) -> Any:
    """Return the ids of the records that a query finds."""
    filters = [{"field": field, "op": op, "value": value}]
    page = await caller.call("query", kind=kind, filters=filters, **others)
    assert page.error is None, page
    return {row["id"] for row in page.data["rows"]}


async def test_a_list_of_texts_is_compared_without_case(hub: CrmHarness) -> None:
    add = fake(hub).add
    berg = add("contacts", lastname="A", **LEAD, company="Berg Printing", region="North")
    hill = add("contacts", lastname="B", **LEAD, company="HILL", region="south")
    add("contacts", lastname="C", **LEAD, company="Other", region="East")
    async with hub.caller() as caller:
        assert await find(caller, "lead", "company", "one_of", ["Berg Printing", "Hill"]) == {
            berg,
            hill,
        }
        assert await find(caller, "lead", "region", "one_of", ["North", "South"]) == {berg, hill}


async def test_a_list_of_options_keeps_their_case(hub: CrmHarness) -> None:
    add = fake(hub).add
    one = add("contacts", lastname="A", segment="KEY_ACCOUNT", **LEAD, hs_lead_status="WORKING")
    two = add("contacts", lastname="B", segment="smb", **LEAD, heard_of_us="Radio")
    async with hub.caller() as caller:
        assert await find(caller, "lead", "segment", "one_of", ["KEY_ACCOUNT", "smb"]) == {one, two}
        assert await find(caller, "lead", "status", "one_of", ["working", "Qualified"]) == {one}
        assert await find(caller, "lead", "source", "one_of", ["Radio", "TV"]) == {two}


async def test_a_stage_of_many_pipelines_is_one_condition(hub: CrmHarness) -> None:
    more = [{"id": f"p{n}", "stages": [{"id": f"s{n}", "label": "Negotiation"}]} for n in range(7)]
    fake(hub).pipelines["deals"] += more
    fake(hub).add("deals", dealname="One", dealstage="s3", pipeline="p3")
    two = fake(hub).add("deals", dealname="Two", dealstage="931", pipeline="default")
    three = fake(hub).add("deals", dealname="Three")
    async with hub.caller() as caller:
        found = await find(caller, "opportunity", "stage", "is_not", "Negotiation")
        assert found == {two, three}


async def test_a_list_of_a_property_of_unknown_type_asks_for_each_value(hub: CrmHarness) -> None:
    fake(hub).hidden.add("segment")
    one = fake(hub).add("contacts", lastname="A", segment="KEY_ACCOUNT")
    async with hub.caller() as caller:
        assert await find(caller, "contact", "segment", "one_of", ["KEY_ACCOUNT", "smb"]) == {one}


@pytest.mark.parametrize(
    "filters",
    [
        [{"field": "title", "op": "contains", "value": str(each)} for each in range(6)],
        [{"field": "company", "value": "x" * 2900}],
        [{"field": "company", "op": "one_of", "value": [f"company {n:03}" for n in range(200)]}],
        [
            {
                "field": "phone",
                "op": "one_of",
                "value": [f"030 555010{n}" for n in range(3)],
            }
        ],
    ],
)
async def test_what_is_too_much_for_one_search_is_not_sent(
    hub: CrmHarness, filters: list[dict[str, Any]]
) -> None:
    async with hub.caller() as caller:
        answer = await caller.call("query", kind="lead", filters=filters)
    assert answer.error == "rejected"
    assert "more than HubSpot can be asked" in answer.text
    assert fake(hub).searches() == []


async def test_a_query_reads_on_until_it_has_found_enough(hub: CrmHarness) -> None:
    """HubSpot compares the words of a text: what begins otherwise is left out here."""
    wanted = fake(hub).add("deals", dealname="Press for Berg")
    for number in range(201):
        fake(hub).add("deals", dealname=f"New press {number}")
    async with hub.caller() as caller:
        assert await find(caller, "opportunity", "name", "starts_with", "press", limit=3) == {
            wanted
        }
        page = await caller.call(
            "query",
            kind="opportunity",
            filters=[{"field": "name", "op": "starts_with", "value": "new press"}],
            limit=3,
        )
    assert len(page.data["rows"]) == 3
    assert page.data["more"] is True
    assert {each["limit"] for each in fake(hub).searches()} == {200}


async def test_a_star_is_a_star(hub: CrmHarness) -> None:
    wanted = fake(hub).add("deals", dealname="Two*Star press")
    fake(hub).add("deals", dealname="Two five star press")
    async with hub.caller() as caller:
        assert await find(caller, "opportunity", "name", "contains", "two*star") == {wanted}


async def test_a_number_is_found_in_every_property_that_has_numbers(hub: CrmHarness) -> None:
    add = fake(hub).add
    mobile = add("contacts", lastname="Wirth", mobilephone="(0171) 555-01 23")
    desk = add("contacts", lastname="Berg", phone="+49 30 / 555 01 42")
    add("contacts", lastname="Other", phone="+49 40 555 01 42")
    async with hub.caller() as caller:
        assert await find(caller, "contact", "phone", "is", "+49 171 5550123") == {mobile}
        assert await find(caller, "contact", "phone", "is", "030 5550142") == {desk}
        both = ["0171 5550123", "+49 30 5550142"]
        assert await find(caller, "contact", "phone", "one_of", both) == {mobile, desk}
        assert desk not in await find(caller, "contact", "phone", "is_not", "030 5550142")
        assert await find(caller, "contact", "phone", "starts_with", "+49 30") == {desk}


async def test_days_of_own_properties(hub: CrmHarness) -> None:
    """A date is midnight in UTC, a moment is of a day in the business's time zone."""
    assert ZONE.key == "Europe/Berlin"
    add = fake(hub).add
    one = add("contacts", lastname="A", renewal="2026-12-01", visited="2026-11-30T23:30:00Z")
    two = add("contacts", lastname="B", renewal="2026-12-02", visited="2026-12-01T23:30:00Z")
    async with hub.caller() as caller:
        for field in ("renewal", "visited"):
            for op, day, expected in (
                ("is", "2026-12-01", {one}),
                ("above", "2026-12-01", {two}),
                ("below", "2026-12-02", {one}),
                ("is_not", "2026-12-01", {two}),
            ):
                assert await find(caller, "contact", field, op, day) == expected, (field, op)
        moment = "2026-12-01T12:00:00+01:00"
        assert await find(caller, "contact", "visited", "above", moment) == {two}
