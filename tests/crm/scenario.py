"""Calls every tool of the CRM once and checks its effect, with any vendor."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from crm.provider import KINDS, Kind, Value
from tests.conftest import fetch
from tests.crm.harness import TOOLS, CrmHarness
from tests.crm.samples import (
    CREATE,
    ORDER,
    REFERENCES,
    UPDATE,
    differences,
    merge,
    title_field,
    to_stored_fields,
)
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from tests.support.servers import Caller


class CrmScenario:
    """A test that calls every tool once; subclasses name the vendor and its sample values."""

    provider: ClassVar[str]
    unsupported: ClassVar[frozenset[str]] = frozenset({"raw_query"})
    create_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {}
    update_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {}
    custom_field: ClassVar[tuple[str, Value, Value] | None] = ("region", "north", "south")
    misheard_name: ClassVar[str] = "Tom Hall"  # the sample lead's name, misheard
    raw_statement: ClassVar[str] = ""  # of raw_query

    def supports(self, tool: str) -> bool:
        """Say whether the vendor supports a tool."""
        return tool not in self.unsupported

    def kinds(self, verb: str = "create") -> list[Kind]:
        """Return the kinds that support a verb."""
        return [kind for kind in ORDER if self.supports(f"{verb}_{kind}")]

    def create_arguments(self, kind: Kind, ids: Mapping[Kind, str]) -> dict[str, Any]:
        """Return the arguments that create a record, with references to those in `ids`."""
        references = {
            name: next((ids[other] for other in others if other in ids), None)
            for name, others in REFERENCES.get(kind, {}).items()
        }
        return merge({**CREATE[kind], **references}, self.create_with.get(kind, {}))

    def update_arguments(self, kind: Kind) -> dict[str, Any]:
        """Return the arguments that change a record."""
        return merge(UPDATE[kind], self.update_with.get(kind, {}))

    def title_filters(self, kind: Kind, title: str) -> list[dict[str, Any]]:
        """Return the filters that find a record by its name or subject."""
        return [{"field": title_field(kind), "op": "is", "value": title}]

    def arguments_by_tool(self, ids: Mapping[Kind, str]) -> dict[str, dict[str, Any]]:
        """Return arguments for every tool that the vendor supports."""
        arguments: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            arguments[f"get_{kind}"] = {kind: ids.get(kind, "")}
            arguments[f"create_{kind}"] = self.create_arguments(kind, ids)
            arguments[f"update_{kind}"] = {kind: ids.get(kind, ""), **self.update_arguments(kind)}
        first: Kind = self.kinds()[0]
        arguments["query"] = {"kind": first, "filters": self.title_filters(first, "Nobody")}
        arguments["search"] = {"text": "Nobody Known"}
        arguments["raw_query"] = {"statement": self.raw_statement}
        return {tool: arguments[tool] for tool in TOOLS if self.supports(tool)}

    async def create_all(self, harness: CrmHarness, caller: Caller) -> dict[Kind, str]:
        """Create a record of every kind, and return their ids."""
        ids: dict[Kind, str] = {}
        for kind in self.kinds():
            answer = await harness.call_ok(
                caller, f"create_{kind}", **self.create_arguments(kind, ids)
            )
            ids[kind] = answer.data["id"]
        return ids

    async def test_every_tool_does_what_it_says(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            ids: dict[Kind, str] = {}
            for kind in self.kinds():
                ids[kind] = await self.create_and_show(harness, caller, kind, ids)
            for kind in self.kinds("update"):
                await self.update_and_check(harness, caller, kind, ids)
            await self.check_custom_fields(harness, caller, ids)
            if self.supports("query"):
                await self.check_queries(harness, caller, ids)
            if self.supports("search"):
                await self.check_searches(harness, caller, ids)
            if self.supports("raw_query"):
                answer = await harness.call_ok(caller, "raw_query", statement=self.raw_statement)
                assert answer.data["rows"]
        assert harness.called_tools == {*TOOLS} - self.unsupported

    async def create_and_show(
        self, harness: CrmHarness, caller: Caller, kind: Kind, ids: Mapping[Kind, str]
    ) -> str:
        """Create a record, get it, and return its id."""
        arguments = self.create_arguments(kind, ids)
        expected = to_stored_fields(arguments)
        answer = await harness.call_ok(caller, f"create_{kind}", **arguments)
        assert answer.data["say"].startswith("Thank you, I have noted that for the team: ")
        stored = harness.only_record(kind)
        assert stored["id"] == answer.data["id"]
        assert differences(expected, stored) == {}, kind
        if self.supports(f"get_{kind}"):
            shown = await harness.call_ok(caller, f"get_{kind}", **{kind: answer.data["id"]})
            assert differences(expected, shown.data) == {}, kind
            assert expected[title_field(kind)] in shown.data["say"]
        return str(answer.data["id"])

    async def update_and_check(
        self, harness: CrmHarness, caller: Caller, kind: Kind, ids: Mapping[Kind, str]
    ) -> None:
        """Update a record, and check that no other field of it changes."""
        before, changes = harness.only_record(kind), self.update_arguments(kind)
        answer = await harness.call_ok(caller, f"update_{kind}", **{kind: ids[kind]}, **changes)
        assert answer.data["id"] == ids[kind]
        after, changed = harness.only_record(kind), to_stored_fields(changes)
        assert differences(changed, after) == {}, kind
        others = {name: value for name, value in before.items() if name not in changed}
        assert {name: after.get(name) for name in others} == others, kind

    async def check_custom_fields(
        self, harness: CrmHarness, caller: Caller, ids: Mapping[Kind, str]
    ) -> None:
        """Create, get and update a custom field."""
        if self.custom_field is None:
            return
        name, first, second = self.custom_field
        kind: Kind = "lead" if self.supports("create_lead") else self.kinds()[0]
        arguments = {**self.create_arguments(kind, ids), title_field(kind): "Cleo Marsh"}
        arguments |= {"phone": "+49 40 777 0001"} if "phone" in arguments else {}
        arguments |= {"email": "cleo@example.com"} if "email" in arguments else {}
        made = await harness.call_ok(caller, f"create_{kind}", **arguments, fields={name: first})
        record = {kind: made.data["id"]}
        assert self.stored_custom_field(harness, kind, made.data["id"]) == first
        if self.supports(f"get_{kind}"):
            shown = await harness.call_ok(caller, f"get_{kind}", **record, fields=[name])
            assert shown.data["fields"] == {name: first}
        if self.supports(f"update_{kind}"):
            await harness.call_ok(caller, f"update_{kind}", **record, fields={name: second})
            assert self.stored_custom_field(harness, kind, made.data["id"]) == second

    def stored_custom_field(self, harness: CrmHarness, kind: Kind, record_id: str) -> object:
        """Return the stored value of the custom field."""
        assert self.custom_field is not None
        (stored,) = (each for each in harness.vendor.records(kind) if each["id"] == record_id)
        return stored["fields"][self.custom_field[0]]

    async def check_queries(
        self, harness: CrmHarness, caller: Caller, ids: Mapping[Kind, str]
    ) -> None:
        """Find each record by a filter, and none by another filter."""
        for kind, record_id in ids.items():
            (title,) = (
                each[title_field(kind)]
                for each in harness.vendor.records(kind)
                if each["id"] == record_id
            )
            filters = self.title_filters(kind, title)
            found = await harness.call_ok(caller, "query", kind=kind, filters=filters)
            assert [row["id"] for row in found.data["rows"]] == [record_id], kind
            assert found.data["rows"][0]["title"] == title
            assert title in found.data["say"]
            assert not found.data["more"]
            filters = self.title_filters(kind, "' OR name != '%")
            none = await harness.call_ok(caller, "query", kind=kind, filters=filters)
            assert none.data["rows"] == [], kind
        for kind in ids:
            if len(harness.vendor.records(kind)) > 1:
                page = await harness.call_ok(caller, "query", kind=kind, limit=1)
                assert len(page.data["rows"]) == 1
                assert page.data["more"] is True

    async def check_searches(
        self, harness: CrmHarness, caller: Caller, ids: Mapping[Kind, str]
    ) -> None:
        """Find a person by name, number and address, as callers say them."""
        kind: Kind = "lead" if "lead" in ids else "contact"
        (person,) = (each for each in harness.vendor.records(kind) if each["id"] == ids[kind])
        local = "".join(char for char in person["phone"] if char.isdigit())[-9:]
        texts = [person["name"], person["name"].upper(), self.misheard_name]
        texts += [f"0{local}", f"0049 {local[:2]} {local[2:]}", " ".join(local[2:])]
        texts += [person["email"].upper()] if "email" in person else []
        for text in texts:
            found = await harness.call_ok(caller, "search", text=text)
            assert ids[kind] in [each["id"] for each in found.data["found"]], (text, found)
            assert person["name"] in found.data["say"]
        for only in ids:
            found = await harness.call_ok(caller, "search", text=person["name"], kind=only)
            assert {each["kind"] for each in found.data["found"]} <= {only}, found
            assert only != kind or ids[kind] in [each["id"] for each in found.data["found"]]
        for text in ("Zoe Quist", "0049 89 123 4567", "nobody@example.net"):
            found = await harness.call_ok(caller, "search", text=text)
            assert found.data["found"] == [], text
            assert found.data["say"].startswith("I can't find ")

    @pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
    async def test_an_event_over_a_change_of_the_clocks_is_as_long_as_was_said(
        self, harness: CrmHarness, change: ClockChange
    ) -> None:
        if not self.supports("create_event"):
            return
        await set_time_zone(harness, change)
        # When it is created, and when it is moved there.
        starts = (-1, 5) if self.supports("update_event") else (-1,)
        for hours in starts:
            times = {"when": change.iso(hours), "minutes": 120}
            async with harness.caller() as caller:
                made = await harness.call_ok(
                    caller, "create_event", **{**self.create_arguments("event", {}), **times}
                )
                if hours > 0:
                    made = await harness.call_ok(
                        caller, "update_event", event=made.data["id"], when=change.iso(-1)
                    )
            expected = {"starts_at": change.after(-1), "ends_at": change.after(1)}
            assert {field: _moment(made.data[field]) for field in expected} == expected
            stored = next(
                each for each in harness.vendor.records("event") if each["id"] == made.data["id"]
            )
            for field in expected.keys() & stored.keys():
                assert _moment(stored[field]) == expected[field]

    @pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
    async def test_a_task_is_due_on_its_day_though_the_clocks_change(
        self, harness: CrmHarness, change: ClockChange
    ) -> None:
        if not self.supports("create_task"):
            return
        await set_time_zone(harness, change)
        day = change.local(0).date().isoformat()
        async with harness.caller() as caller:
            made = await harness.call_ok(
                caller, "create_task", **{**self.create_arguments("task", {}), "due": day}
            )
        assert made.data["due_date"] == day
        assert harness.only_record("task")["due_date"][:10] == day


async def set_time_zone(harness: CrmHarness, change: ClockChange) -> None:
    """Set the time zone of the harness's business, before its first call."""
    statement = f"update business set time_zone = '{change.zone.key}' returning id"
    await fetch(harness.database, harness.tenant, statement)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
