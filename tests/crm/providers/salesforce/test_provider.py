"""The Salesforce provider: the contract, and its own behaviour."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest

from config.columns import now
from crm.provider import Filter, InputValue, Kind, Query, SearchQuery, StandardField
from tests.crm.contract import CrmContract
from tests.crm.providers.salesforce.double import DATA, KEY, FakeSalesforce
from tests.crm.providers.salesforce.org import SECRETS, SETTINGS, open_org
from tests.support.vendors import timed_out
from toolkit.errors import (
    NotFound,
    OutcomeUnknown,
    Rejected,
)


class TestSalesforce(CrmContract):
    provider = "salesforce"
    secrets: ClassVar[dict[str, str]] = SECRETS
    settings: ClassVar[dict[str, Any]] = SETTINGS
    unsupported: ClassVar[frozenset[str]] = frozenset()
    custom_field = ("Rating", "Hot", "Cold")
    raw_statement = "SELECT Name, Industry FROM Account WHERE Name LIKE 'Berg%'"

    def new_vendor(self) -> FakeSalesforce:
        return FakeSalesforce()


async def test_what_salesforce_demands_is_filled_in() -> None:
    async with open_org() as org:
        lead = await org.create("lead", name="Cher")
        assert org.sent() == [{"LastName": "Cher", "Company": "-"}]
        record = await org.provider().get("lead", lead)
        assert record is not None
        assert record.values == {"name": "Cher"}

        sale = org.row(await org.create("opportunity", name="New press"))
        assert sale["StageName"] == "Prospecting"
        assert sale["CloseDate"] == (now().date() + timedelta(days=30)).isoformat()

        event = org.row(await org.create("event", subject="Visit", starts_at=now()))
        assert event["DurationInMinutes"] == 30
        with pytest.raises(Rejected, match="must begin"):
            await org.create("event", subject="Visit")

        case = org.row(await org.create("case", subject="Noise"))
        assert (case["Origin"], case["Status"]) == ("Phone", "New")


async def test_a_name_has_two_parts_where_salesforce_wants_two() -> None:
    async with open_org() as org:
        contact = await org.create("contact", name=" Maria  de la Cruz ")
        row = org.row(contact)
        assert (row["FirstName"], row["LastName"]) == ("Maria de la", "Cruz")
        await org.provider().update("contact", contact, {"name": "Prince"}, {})
        record = await org.provider().get("contact", contact)
        assert record is not None
        assert record.title == "Prince"


async def test_an_activity_is_about_one_record() -> None:
    async with open_org() as org:
        lead, person = await org.create("lead", name="A"), await org.create("contact", name="B")
        company = await org.create("account", name="C")
        task = await org.create("task", subject="Call", about=lead)
        for about in (company, person, lead, company):
            await org.provider().update("task", task, {"about": about}, {})
            record = await org.provider().get("task", task)
            assert record is not None
            assert record.values["about"] == about
            page = await org.provider().query(
                Query(kind="task", filters=(Filter(field="about", value=about),))
            )
            assert [each.id for each in page.records] == [task]
        for reference in ("somebody", "0015g'", ""):
            with pytest.raises(NotFound):
                await org.create("task", subject="Call", about=reference)


async def test_a_contact_leaves_the_sale_of_a_task_alone() -> None:
    async with open_org() as org:
        person, sale = (
            await org.create("contact", name="B"),
            await org.create("opportunity", name="S"),
        )
        task = await org.create("task", subject="Call", about=sale)
        org.row(task)["WhoId"] = await org.create("contact", name="A")
        await org.provider().update("task", task, {"about": person}, {})
        assert (org.row(task)["WhoId"], org.row(task)["WhatId"]) == (person, sale)


async def test_fields_of_the_tenant_s_own_are_checked() -> None:
    async with open_org() as org:
        lead = await org.create("lead", {"Rating": "Hot"}, name="Tom Hill")
        await org.provider().update("lead", lead, {}, {"Rating": None})
        assert org.row(lead)["Rating"] is None
        for name in ("Owner.Name", "x'y", "Name__c\n", ""):
            with pytest.raises(Rejected):
                await org.create("lead", {name: "x"}, name="Tom Hill")
        for name in ("x'y", "(SELECT", "A..B"):
            with pytest.raises(Rejected):
                await org.provider().get("lead", lead, [name])


@pytest.mark.parametrize("kind", ["lead", "case"])
async def test_a_create_with_a_key_is_one_at_salesforce(kind: Kind) -> None:
    values: dict[StandardField, InputValue] = (
        {"name": "Tom Hill"} if kind == "lead" else {"subject": "Noise"}
    )
    async with open_org(key_field=KEY) as org:
        org.vendor.fail(timed_out, writes=True, done=True)
        with pytest.raises(OutcomeUnknown):
            await org.provider("k1").create(kind, values, {})
        (stored,) = org.vendor.records(kind)
        assert await org.provider("k1").find_lost_create(kind, values) is None
        assert (
            await org.provider("k1", is_retry=True).find_lost_create(kind, values) == stored["id"]
        )
        assert await org.provider("k2", is_retry=True).find_lost_create(kind, values) is None
        assert await org.provider("k1").create(kind, values, {}) == stored["id"]
        assert len(org.vendor.records(kind)) == 1
        await org.provider("k2").create(kind, values, {})
        assert len(org.vendor.records(kind)) == 2
        assert {each.method for each in org.vendor.written()} == {"PATCH"}
        await org.provider().create(kind, values, {})
        assert org.vendor.written()[-1].method == "POST"


async def test_an_activity_has_no_key() -> None:
    async with open_org(key_field=KEY) as org:
        task = await org.provider("k1").create("task", {"subject": "Call"}, {})
        assert org.vendor.written()[-1].method == "POST"
        found = await org.provider("k1", is_retry=True).find_lost_create(
            "task", {"subject": "Call"}
        )
        assert found == task


async def test_only_the_very_same_values_are_an_earlier_try() -> None:
    """A second, different create of the same caller is not taken for the first."""
    values: dict[StandardField, InputValue] = {
        "name": "Tom Hill",
        "phone": "+49 30 555 0142",
        "notes": "a  b",
    }
    others: list[dict[StandardField, InputValue]] = [
        {**values, "notes": "another"},
        {**values, "email": "t@example.com"},
        {**values, "phone": "+49 30 555 0143"},
        {"name": "Tom Hill", "notes": "a b"},
        {**values, "name": "Tom B. Hill"},
    ]
    async with open_org() as org:
        for other in others:
            await org.provider().create("lead", other, {})
        crm = org.provider("k1", is_retry=True)
        assert await crm.find_lost_create("lead", values) is None
        mine = await org.provider().create("lead", {**values, "notes": "a b"}, {})
        assert await crm.find_lost_create("lead", values) == mine
        long_ago = now() - timedelta(days=2)
        org.row(mine)["CreatedDate"] = long_ago.isoformat()
        assert await crm.find_lost_create("lead", values) is None
        assert await org.provider("k1").find_lost_create("lead", values) is None


async def test_a_number_is_found_in_any_format_and_field() -> None:
    async with open_org() as org:
        mobile = await org.create("lead", {"MobilePhone": "0170 / 55 501-42 (new)"}, name="Tom")
        await org.create("lead", {"IsConverted": True}, name="Old", phone="0170 5550142")
        contact = await org.create("contact", name="Ann", phone="+49-170-555.01.42")
        await org.create("account", name="Other", phone="0170 5550143")
        query = SearchQuery(text="0170 5550142", phone="01705550142")
        found = await org.provider().search(query, ("lead", "contact", "account"), 25)
        assert {each.id for each in found} == {mobile, contact}
        assert found[0].values["phone"] == found[0].fields["MobilePhone"]
        assert org.vendor.requests[-1].url.path == f"{DATA}/composite"

        number = await org.create("case", subject="Noise")
        (case,) = await org.provider().search(SearchQuery(text="x", phone="00000001"), ("case",), 5)
        assert (case.id, case.fields) == (number, {"CaseNumber": "00000001"})
        before = len(org.vendor.requests)
        assert await org.provider().search(query, ("task", "event"), 5) == []
        assert len(org.vendor.requests) == before


async def test_a_query_for_a_number_leaves_out_what_only_looks_like_it() -> None:
    async with open_org() as org:
        mine = await org.create("contact", name="Ann", phone="+49 30 555 0142")
        await org.create("contact", name="Ben", phone="5 5 5 0 1 4 2 9999")
        for condition in (
            Filter(field="phone", value="030 5550142"),
            Filter(field="phone", op="one_of", value=["030 5550142", "030 1111111"]),
        ):
            page = await org.provider().query(Query(kind="contact", filters=(condition,)))
            assert [each.id for each in page.records] == [mine]


async def test_a_kind_that_the_user_may_not_see_hides_no_other() -> None:
    async with open_org() as org:
        contact = await org.create("contact", name="Ann", email="ann@example.com")
        org.vendor.hidden = frozenset({"Lead"})
        query = SearchQuery(text="ANN@example.com", email="ANN@example.com")
        found = await org.provider().search(query, ("lead", "contact", "account"), 5)
        assert [each.id for each in found] == [contact]
        org.vendor.hidden = frozenset({"Lead", "Contact"})
        with pytest.raises(Rejected):
            await org.provider().search(query, ("lead", "contact", "account"), 5)


@pytest.mark.parametrize(
    ("text", "requests"),
    [("tom hill", 1), ("Tomas Hill", 1), ("Tam Hall", 2), ("Tommy Hell", 2), ("hill and tom", 1)],
)
async def test_a_name_is_found_as_it_was_heard(text: str, requests: int) -> None:
    async with open_org() as org:
        lead = await org.create("lead", name="Tom Hill", company="Tools")
        await org.create("contact", name="Zoe Quist")
        before = len(org.vendor.requests)
        found = await org.provider().search(SearchQuery(text=text), ("lead", "contact", "case"), 25)
        assert lead in [each.id for each in found]
        assert len(org.vendor.requests) - before == requests


async def test_nothing_is_asked_where_nothing_can_be_looked_for() -> None:
    async with open_org() as org:
        assert await org.provider().search(SearchQuery(text="{?} and"), ("lead",), 5) == []
        assert org.vendor.requests == []
