"""The HubSpot provider: the contract, and its own behaviour."""

import json
from collections.abc import Collection
from itertools import cycle
from typing import Any, ClassVar

from crm.provider import Kind
from tests.crm.contract import CANARY, CrmContract, CrmHarness
from tests.crm.hostile import HOSTILE, visible
from tests.crm.providers.hubspot.double import FakeHubSpot
from tests.support.servers import Caller
from tests.support.vendors import timed_out

_OPERATORS = ("is", "contains", "starts_with", "above")
_MAX_FILTERS = 5  # besides the one for leads
ANN = {"firstname": "Ann", "lastname": "Berg"}


def fake(harness: CrmHarness) -> FakeHubSpot:
    assert isinstance(harness.vendor, FakeHubSpot)
    return harness.vendor


def last_write(harness: CrmHarness) -> Any:
    """Return the body of the last write."""
    return json.loads(harness.vendor.written()[-1].content)


class TestHubSpot(CrmContract):
    provider = "hubspot"
    secrets: ClassVar[dict[str, str]] = {"access_token": f"pat-{CANARY}"}
    settings: ClassVar[dict[str, Any]] = {"lead_source": "heard_of_us"}

    def new_vendor(self) -> FakeHubSpot:
        return FakeHubSpot()

    def other_arguments(self, kind: Kind) -> dict[str, Any]:
        """Return the arguments for another record: contacts are unique by e-mail address."""
        arguments = super().other_arguments(kind)
        unique = {"email": f"mona.{kind}@example.com"}
        return arguments | unique if "email" in arguments else arguments

    def expected_errors(self, tool: str, fault: str) -> Collection[str | None]:
        """A search sends several requests at once, whose timeouts may open the circuit breaker."""
        opened = ("unavailable",) if (tool, fault) == ("search", "timeout") else ()
        return (*super().expected_errors(tool, fault), *opened)

    async def test_a_lead_is_a_contact_in_the_stage_of_a_lead(self, harness: CrmHarness) -> None:
        contact = fake(harness).add("contacts", **ANN, phone="030 5550100")
        lead = fake(harness).add("contacts", firstname="Ann", lastname="Bo", lifecyclestage="lead")
        async with harness.caller() as caller:
            assert (await caller.call("get_lead", lead=contact)).error == "not_found"
            assert (await caller.call("update_lead", lead=contact, title="X")).error == "not_found"
            assert harness.vendor.written() == []
            assert (await harness.call_ok(caller, "get_contact", contact=lead)).data[
                "name"
            ] == "Ann Bo"
            found = await harness.call_ok(caller, "search", text="Ann")
            assert {each["id"]: each["kind"] for each in found.data["found"]} == {
                contact: "contact",
                lead: "lead",
            }
            for kind, ids in (("lead", [lead]), ("contact", [lead, contact])):
                found = await harness.call_ok(caller, "search", text="Ann", kind=kind)
                assert [each["id"] for each in found.data["found"]] == sorted(ids)
                assert {each["kind"] for each in found.data["found"]} == {kind}
                page = await harness.call_ok(caller, "query", kind=kind)
                assert [row["id"] for row in page.data["rows"]] == ids

    async def test_an_address_that_somebody_has_is_a_conflict(self, harness: CrmHarness) -> None:
        fake(harness).add("contacts", **ANN, email="ann@example.com")
        async with harness.caller() as caller:
            made = await caller.call("create_lead", name="Ann B", email="ann@example.com")
        assert made.error == "conflict"

    async def test_what_records_belong_to(self, harness: CrmHarness) -> None:
        add = fake(harness).add
        contact, deal = add("contacts", **ANN), add("deals", dealname="New press")
        one, two = add("companies", name="One"), add("companies", name="Two")
        async with harness.caller() as caller:
            made = await harness.call_ok(caller, "create_task", subject="Call", about=deal)
            task = made.data["id"]
            assert fake(harness).related["tasks", task] == {("deals", deal): None}
            await harness.call_ok(caller, "update_task", task=task, about=contact)
            assert fake(harness).related["tasks", task] == {("contacts", contact): None}
            assert [each.method for each in harness.vendor.written()[-2:]] == ["PUT", "DELETE"]

            await harness.call_ok(caller, "update_contact", contact=contact, account=one)
            await harness.call_ok(caller, "update_contact", contact=contact, account=two)
            shown = await harness.call_ok(caller, "get_contact", contact=contact)
            assert shown.data["account"] == two
            assert {*fake(harness).related["contacts", contact]} == {
                ("companies", one),
                ("companies", two),
            }
            for kind, field, value, expected in (
                ("task", "about", contact, [task]),
                ("task", "about", deal, []),
                ("contact", "account", two, [contact]),
                ("contact", "account", "251999", []),
                ("contact", "account", "x", []),
            ):
                filters = [{"field": field, "value": value}]
                page = await harness.call_ok(caller, "query", kind=kind, filters=filters)
                assert [row["id"] for row in page.data["rows"]] == expected, (field, value)

            for about, error in (("251999", "not_found"), ("x/..", "not_found")):
                answer = await caller.call("create_task", subject="Call", about=about)
                assert answer.error == error
            fake(harness).objects["tickets"][deal] = {"subject": "The same id"}
            answer = await caller.call("create_task", subject="Call twice", about=deal)
            assert answer.error == "rejected"
        assert len(harness.vendor.records("task")) == 1

    async def test_stages_are_called_as_people_call_them(self, harness: CrmHarness) -> None:
        renewal = fake(harness).add("deals", dealname="Again", dealstage="951", pipeline="renewals")
        async with harness.caller() as caller:
            await harness.call_ok(caller, "create_opportunity", name="New press")
            assert last_write(harness)["properties"] == {
                "dealname": "New press",
                "dealstage": "931",
                "pipeline": "default",
            }
            await harness.call_ok(
                caller, "update_opportunity", opportunity=renewal, stage="negotiation"
            )
            assert last_write(harness) == {
                "properties": {"dealstage": "952", "pipeline": "renewals"}
            }
            shown = await harness.call_ok(caller, "get_opportunity", opportunity=renewal)
            assert shown.data["stage"] == "Negotiation"
            filters = [{"field": "stage", "value": "Negotiation"}]
            page = await harness.call_ok(caller, "query", kind="opportunity", filters=filters)
            assert [row["id"] for row in page.data["rows"]] == [renewal]

            case = (await harness.call_ok(caller, "create_case", subject="Noise")).data["id"]
            assert last_write(harness)["properties"]["hs_pipeline_stage"] == "1"
            for status, stage, shown_status in (
                ("open", "3", "open"),
                ("waiting on contact", "2", "Waiting on contact"),
                ("Closed", "4", "closed"),
                ("1", "1", "new"),
            ):
                await harness.call_ok(caller, "update_case", case=case, status=status)
                assert last_write(harness)["properties"]["hs_pipeline_stage"] == stage
                shown = await harness.call_ok(caller, "get_case", case=case)
                assert shown.data["status"] == shown_status
        requests = [each for each in harness.vendor.requests if "/pipelines/" in each.url.path]
        assert len(requests) == 2, "once for deals and once for tickets"

    async def test_people_are_found_as_callers_say_who_they_are(self, harness: CrmHarness) -> None:
        add = fake(harness).add
        mobile = add("contacts", lastname="Wirth", mobilephone="(0171) 555-01 23")
        firm = add("companies", name="Acme", phone="+1 415 555 0142")
        other = add("contacts", **ANN, email="a@b.co", hs_additional_emails="c@d.co;e@f.co")
        async with harness.caller() as caller:
            for text, expected, kind in (
                ("+49 171 5550123", mobile, None),
                ("415 555 0142", firm, None),
                ("E@F.co", other, None),
                ("Ann Bergh", other, None),
                ("Acmy", firm, "account"),
            ):
                before = len(fake(harness).searches())
                found = await harness.call_ok(caller, "search", text=text, kind=kind)
                assert [each["id"] for each in found.data["found"]] == [expected], text
                # HubSpot refuses more than five in a second.
                assert len(fake(harness).searches()) - before <= 5

    async def test_queries(self, harness: CrmHarness) -> None:
        """The filters and what each finds, in one table over the same records.

        Long because it is one table.
        """
        add = fake(harness).add
        lead = {"lifecyclestage": "lead"}
        old = add("contacts", **ANN, **lead, company="Berg", phone="030 5550100")
        new = add("contacts", firstname="Bo", lastname="Lee", **lead, hs_lead_status="WORKING")
        add("contacts", lastname="Lee", **lead)
        due = "2026-12-01T12:00:00Z"
        add("deals", dealname="Small", amount="100.5", closedate=due)
        add("deals", dealname="Large", amount="2000000", closedate="2027-01-15T12:00:00Z")
        add("tasks", hs_task_subject="Call", hs_timestamp=due, hs_task_status="NOT_STARTED")

        async def ids(kind: str, *filters: tuple[str, str, Any], **others: Any) -> list[str]:
            conditions = [
                dict(zip(("field", "op", "value"), each, strict=True)) for each in filters
            ]
            page = await harness.call_ok(caller, "query", kind=kind, filters=conditions, **others)
            key = "id" if kind == "lead" else "title"
            return [row[key] for row in page.data["rows"]]

        async with harness.caller() as caller:
            assert await ids("lead", ("name", "is", "bo lee")) == [new]
            assert await ids("lead", ("name", "contains", "er")) == [old]
            assert await ids("lead", ("name", "starts_with", "bo l")) == [new]
            assert await ids("lead", ("name", "starts_with", "Berg")) == []
            assert len(await ids("lead", ("name", "is_not", "Bo Lee"))) == 2
            assert await ids("lead", ("name", "one_of", ["Bo Lee", "Ann Berg"])) == [new, old]
            assert await ids("lead", ("phone", "is", "+49305550100")) == [old]
            assert await ids("lead", ("company", "starts_with", "ber")) == [old]
            assert await ids("lead", ("status", "is", "working")) == [new]
            assert len(await ids("lead", ("status", "is_not", "working"))) == 2
            assert await ids("lead", ("status", "one_of", ["Working", "Qualified"])) == [new]
            assert await ids("lead", ("status", "one_of", [])) == []
            assert (await ids("lead", order_by="name"))[0] == old
            assert await ids("opportunity", ("amount", "above", 1000)) == ["Large"]
            assert await ids("opportunity", ("amount", "is", 100.5)) == ["Small"]
            assert await ids("opportunity", ("close_date", "is", "2026-12-01")) == ["Small"]
            assert await ids("opportunity", ("close_date", "is_not", "2026-12-01")) == ["Large"]
            assert await ids("opportunity", ("close_date", "above", "2026-12-01")) == ["Large"]
            assert await ids("opportunity", ("close_date", "below", "2026-12-02")) == ["Small"]
            assert await ids("task", ("status", "is", "open")) == ["Call"]
            for filters in (
                [{"field": "name", "op": "above", "value": "A"}],
                [{"field": "name", "op": "one_of", "value": list("abcdef")}],
                [{"field": "title", "op": "is_not", "value": str(each)} for each in range(4)],
            ):
                answer = await caller.call("query", kind="lead", filters=filters)
                assert answer.error == "rejected", filters
            for kind, field in (("opportunity", "close_date"), ("event", "starts_at")):
                five = [{"field": field, "op": "above", "value": 5}]
                answer = await caller.call("query", kind=kind, filters=five)
                assert answer.error == "rejected", field
            answer = await caller.call("query", kind="contact", order_by="account")
            assert answer.error == "rejected"

    async def test_what_was_written_in_hubspot_is_read(self, harness: CrmHarness) -> None:
        body = "<div><p>Call &amp; ask</p></div>"
        task = fake(harness).add(
            "tasks", hs_task_subject="Call", hs_task_body=body, hs_timestamp="2026-12-01T08:00:00Z"
        )
        deal = fake(harness).add("deals", dealname="X", amount="a lot", dealstage="gone")
        async with harness.caller() as caller:
            shown = await harness.call_ok(caller, "get_task", task=task)
            assert (shown.data["notes"], shown.data["due_date"]) == ("Call & ask", "2026-12-01")
            shown = await harness.call_ok(caller, "get_opportunity", opportunity=deal)
            assert shown.data["stage"] == "gone"
            assert "amount" not in shown.data

    async def test_a_lost_create_is_known_by_what_hubspot_does_not_rewrite(
        self, harness: CrmHarness
    ) -> None:
        one, two = (fake(harness).add("companies", name=name) for name in ("One", "Two"))
        arguments: dict[str, Any] = {"name": "Ann Berg", "phone": "+49 30 5550100", "account": one}
        async with harness.caller() as caller:
            for was_done in (True, False):
                harness.vendor.fail(timed_out, writes=True, done=was_done)
                assert (await caller.call("create_contact", **arguments)).error == "outcome_unknown"
                (stored,) = harness.vendor.records("contact")
                fake(harness).objects["contacts"][stored["id"]]["phone"] = "030 / 555 01 00"
                await harness.let_time_pass()
                retried = await harness.call_ok(caller, "create_contact", **arguments)
                assert (retried.data["id"] == stored["id"]) is was_done
                # The second create differs in the company only.
                arguments["account"] = two
        assert len(harness.vendor.records("contact")) == 2

    async def test_whatever_is_given_stays_one_text(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            shape = _shape(await self.search_request(harness, caller, ["plain"] * _MAX_FILTERS))
            for start in range(0, len(HOSTILE), _MAX_FILTERS):
                values = [*HOSTILE[start : start + _MAX_FILTERS], *["plain"] * _MAX_FILTERS][
                    :_MAX_FILTERS
                ]
                body = await self.search_request(harness, caller, values)
                assert _shape(body) == shape
                (group,) = body["filterGroups"]
                texts = [each["value"] for each in group["filters"][1:]]
                for text, op, value in zip(texts, cycle(_OPERATORS), values, strict=False):
                    wild = {"contains": f"*{value}*", "starts_with": f"{value}*"}
                    assert visible(text) == visible(wild.get(op, value)), value

    async def search_request(
        self, harness: CrmHarness, caller: Caller, values: list[str]
    ) -> dict[str, Any]:
        """Return the search request that a query with these values sends."""
        filters = [
            {"field": "company", "op": op, "value": value}
            for op, value in zip(cycle(_OPERATORS), values, strict=False)
        ]
        await harness.call_ok(caller, "query", kind="lead", filters=filters)
        return fake(harness).searches()[-1]


def _shape(body: dict[str, Any]) -> Any:
    """Return a request with types instead of values."""
    (group,) = body["filterGroups"]
    filters = [{**each, "value": type(each["value"]).__name__} for each in group["filters"]]
    return {**body, "filterGroups": [{"filters": filters}]}
