"""What Zoho CRM must do, and what only it does."""

import json
from collections.abc import Sequence
from itertools import cycle
from typing import Any, ClassVar

import httpx2
import pytest

from tests.crm.contract import CrmContract, Line
from tests.crm.hostile import HOSTILE, seen
from tests.crm.providers.zoho.coql import tokens
from tests.crm.providers.zoho.double import SECRETS, Zoho, refused, said
from tests.support.servers import Caller

_OPERATORS = ("is", "is_not", "contains", "starts_with", "above")
_AT_ONCE = 10  # conditions
ANN = {"First_Name": "Ann", "Last_Name": "Berg"}


def zoho(line: Line) -> Zoho:
    assert isinstance(line.vendor, Zoho)
    return line.vendor


def sent(line: Line) -> dict[str, Any]:
    """Return the record that was written last."""
    (row,) = json.loads(line.vendor.written()[-1].content)["data"]
    return dict(row)


class TestZoho(CrmContract):
    provider = "zoho"
    secrets: ClassVar[dict[str, str]] = SECRETS
    custom = ("Region", "north", "south")

    def new_vendor(self) -> Zoho:
        return Zoho()

    def expected(self, tool: str, fault: str) -> Sequence[str | None]:
        """A search asks for every kind at once: before it asks again, it may be one too many."""
        late = ("unavailable",) if (tool, fault) == ("search", "timeout") else ()
        return (*super().expected(tool, fault), *late)

    async def test_what_zoho_says_in_the_list_is_what_became_of_it(self, line: Line) -> None:
        """The status of the whole answer is 200, 201, 202 or 207, whatever became of a record."""
        lead = zoho(line).add("lead", **ANN, Company="Berg")
        wanted = {
            ("DUPLICATE_DATA", "Email"): "conflict",
            ("MANDATORY_NOT_FOUND", "Last_Name"): "rejected",
            ("INVALID_DATA", "Email"): "rejected",
            ("NO_PERMISSION", ""): "forbidden",
            ("RECORD_LOCKED", ""): "rejected",
        }
        async with line.caller() as caller:
            for status, ((code, name), error) in zip(cycle((200, 202, 207)), wanted.items()):
                answer = refused(status, code, api_name=name)
                line.vendor.fail(said(answer), writes=True, times=2)
                made = await caller.call("create_lead", name=f"{code} {status}")
                changed = await caller.call("update_lead", lead=lead, name=f"{code} {status}")
                assert (made.error, changed.error) == (error, error), (code, status)
            for body, error in {
                "{}": "outcome_unknown",
                '{"data": []}': "outcome_unknown",
                '{"data": [{"status": "success", "details": {}}]}': "outcome_unknown",
                '{"status": "error", "code": "LIMIT_EXCEEDED"}': "rejected",
            }.items():
                line.vendor.fail(said(httpx2.Response(201, text=body)), writes=True)
                assert (await caller.call("create_lead", name=f"Odd {body}")).error == error

    @pytest.mark.parametrize("unknown", [204, 400])
    async def test_an_id_of_nothing_is_not_found_however_zoho_says_so(
        self, line: Line, unknown: int
    ) -> None:
        zoho(line).unknown = unknown
        contact = zoho(line).add("contact", **ANN)
        async with line.caller() as caller:
            for record in (contact, "5725767000000999999"):
                assert (await caller.call("get_lead", lead=record)).error == "not_found"
                changed = await caller.call("update_lead", lead=record, title="Boss")
                assert changed.error == "not_found"
            task = {"subject": "Call", "about": "5725767000000999999"}
            assert (await caller.call("create_task", **task)).error == "not_found"
        assert zoho(line).held("task") == []

    async def test_a_record_is_about_one_other_of_any_kind(self, line: Line) -> None:
        contact = zoho(line).add("contact", **ANN)
        deal = zoho(line).add("opportunity", Deal_Name="New press")
        async with line.caller() as caller:
            made = await line.done(caller, "create_task", subject="Call", about=deal)
            assert sent(line)["What_Id"] == {"id": deal}
            assert sent(line)["$se_module"] == "Deals"
            task = made.data["id"]
            for about, wanted in (
                (contact, {"Who_Id": {"id": contact}, "What_Id": None}),
                (deal, {"What_Id": {"id": deal}, "$se_module": "Deals", "Who_Id": None}),
            ):
                await line.done(caller, "update_task", task=task, about=about)
                assert sent(line) == wanted
                shown = await line.done(caller, "get_task", task=task)
                assert shown.data["about"] == about
                filters = [{"field": "about", "value": about}]
                found = await line.done(caller, "query", kind="task", filters=filters)
                assert [row["id"] for row in found.data["rows"]] == [task]

    async def test_what_the_common_layouts_demand_is_filled_in(self, line: Line) -> None:
        async with line.caller() as caller:
            lead = await line.done(caller, "create_lead", name="Cher")
            assert sent(line) == {"First_Name": None, "Last_Name": "Cher", "Company": "-"}
            shown = await line.done(caller, "get_lead", lead=lead.data["id"])
            assert "company" not in shown.data
            await line.done(caller, "create_opportunity", name="New press")
            assert sent(line)["Stage"] == "Qualification"
            assert sent(line)["Closing_Date"] > "2026"
            await line.done(caller, "create_case", subject="Noise")
            assert sent(line) == {"Subject": "Noise", "Status": "New", "Case_Origin": "Phone"}

    async def test_a_number_is_found_in_whatever_field_and_form_it_is(self, line: Line) -> None:
        mobile = zoho(line).add("lead", **ANN, Company="-", Mobile="(0171) 555-01 23")
        zoho(line).add("lead", First_Name="Bo", Last_Name="Lee", Company="-", Phone="0555012")
        async with line.caller() as caller:
            found = await line.done(caller, "search", text="+49 171 5550123")
            assert [each["id"] for each in found.data["found"]] == [mobile]
            assert len(line.vendor.requests) == 3, "once for leads, contacts and accounts"
            # A field of the tenant's own is known to Zoho's search alone.
            own = zoho(line).add("contact", **ANN, Other_Phone=None, Description="+49305550177")
            found = await line.done(caller, "search", text="+49 30 5550177")
            assert [each["id"] for each in found.data["found"]] == [own]
            second = zoho(line).add("contact", **ANN, Secondary_Email="ann@example.com")
            found = await line.done(caller, "search", text="ann@example.com")
            assert [each["id"] for each in found.data["found"]] == [second]
            # Zoho's search has not heard yet of what is new.
            line.vendor.fail(said(httpx2.Response(204)), writes=False, times=2)
            found = await line.done(caller, "search", text="ann@example.com")
            assert [each["id"] for each in found.data["found"]] == [second]

    async def test_the_first_failure_of_a_search_is_its_own(self, line: Line) -> None:
        line.vendor.fail(said(httpx2.Response(403)), writes=False)
        async with line.caller() as caller:
            assert (await caller.call("search", text="Tom Hill")).error == "forbidden"

    async def test_queries(self, line: Line) -> None:
        add = zoho(line).add
        old = add("lead", **ANN, Company="Berg & Co", Phone="030 5550100", Lead_Status="Hot")
        new = add("lead", First_Name="Bo", Last_Name="Lee", Company="O'Neil", Lead_Status="Cold")
        add("opportunity", Deal_Name="Small", Amount=100.5, Closing_Date="2026-12-01")
        add("opportunity", Deal_Name="Large", Amount=2e6, Closing_Date="2027-01-15")
        add("case", Subject="Noise", Status="On Hold", Priority="Medium")

        async def ids(kind: str, *filters: tuple[str, str, Any], **others: Any) -> list[str]:
            asked = [dict(zip(("field", "op", "value"), each, strict=True)) for each in filters]
            page = await line.done(caller, "query", kind=kind, filters=asked, **others)
            key = "id" if kind == "lead" else "title"
            return [row[key] for row in page.data["rows"]]

        async with line.caller() as caller:
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
        (amount,) = {each for each in zoho(line).statements() if "Amount > " in each}
        assert "Amount > 1000 order by Created_Time desc limit 10" in amount

    async def test_whatever_is_given_stays_one_value(self, line: Line) -> None:
        """However a backslash is read: of that, Zoho's documentation says nothing."""
        assert len(HOSTILE) >= 60
        async with line.caller() as caller:
            shape = tokens(await self.asked(line, caller, ["plain"] * _AT_ONCE))
            for start in range(0, len(HOSTILE), _AT_ONCE):
                values = [*HOSTILE[start : start + _AT_ONCE], *["plain"] * _AT_ONCE][:_AT_ONCE]
                statement = await self.asked(line, caller, values)
                for escapes in (False, True):
                    there = tokens(statement, escapes=escapes)
                    assert [_but_texts(each) for each in there] == [
                        _but_texts(each) for each in shape
                    ], values
                texts = [text for kind, text in tokens(statement, escapes=True) if kind == "text"]
                assert [_bare(each) for each in texts] == [_bare(each) for each in values]

    async def asked(self, line: Line, caller: Caller, values: list[str]) -> str:
        """Return the statement that a query with these values has become."""
        filters = [
            {"field": "company", "op": op, "value": value}
            for op, value in zip(cycle(_OPERATORS), values, strict=False)
        ]
        await line.done(caller, "query", kind="lead", filters=filters)
        return zoho(line).statements()[-1]


def _but_texts(token: tuple[str, str]) -> tuple[str, str]:
    kind, value = token
    return (kind, "" if kind == "text" else value)


def _bare(text: str) -> str:
    """Return what of a text can be seen, without the signs of a pattern at its ends."""
    return seen(text).strip("%")
