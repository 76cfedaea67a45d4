"""Every tool of the CRM once, with its effect: for whatever keeps the records."""

from collections.abc import Mapping
from typing import Any, ClassVar

from crm.provider import KINDS, Kind, Value
from tests.crm.line import TOOLS, Line
from tests.crm.samples import CREATE, ORDER, REFERS, UPDATE, differing, in_words, merged, title_word
from tests.support.servers import Caller


class CrmScenario:
    """Every tool once, with its effect: for whatever keeps the records."""

    provider: ClassVar[str]
    unsupported: ClassVar[frozenset[str]] = frozenset({"raw_query"})
    create_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {}
    update_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {}
    custom: ClassVar[tuple[str, Value, Value] | None] = ("region", "north", "south")
    loosely: ClassVar[str] = "Tom Hall"  # as the lead's name may be heard
    statement: ClassVar[str] = ""  # of raw_query

    def can(self, tool: str) -> bool:
        """Say whether the vendor has a counterpart for a tool."""
        return tool not in self.unsupported

    def kinds(self, verb: str = "create") -> list[Kind]:
        """Return the kinds that have a tool."""
        return [kind for kind in ORDER if self.can(f"{verb}_{kind}")]

    def creating(self, kind: Kind, ids: Mapping[Kind, str]) -> dict[str, Any]:
        """Return the arguments that create a record, which refers to those that are there."""
        refers = {
            word: next((ids[other] for other in others if other in ids), None)
            for word, others in REFERS.get(kind, {}).items()
        }
        return merged({**CREATE[kind], **refers}, self.create_with.get(kind, {}))

    def changing(self, kind: Kind) -> dict[str, Any]:
        """Return the arguments that change a record."""
        return merged(UPDATE[kind], self.update_with.get(kind, {}))

    def condition(self, kind: Kind, title: str) -> list[dict[str, Any]]:
        """Return the filters by which a record is found."""
        return [{"field": title_word(kind), "op": "is", "value": title}]

    def cells(self, ids: Mapping[Kind, str]) -> dict[str, dict[str, Any]]:
        """Return arguments for every tool that the vendor has a counterpart for."""
        cells: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            cells[f"get_{kind}"] = {kind: ids.get(kind, "")}
            cells[f"create_{kind}"] = self.creating(kind, ids)
            cells[f"update_{kind}"] = {kind: ids.get(kind, ""), **self.changing(kind)}
        some: Kind = self.kinds()[0]
        cells["query"] = {"kind": some, "filters": self.condition(some, "Nobody")}
        cells["search"] = {"text": "Nobody Known"}
        cells["raw_query"] = {"statement": self.statement}
        return {tool: cells[tool] for tool in TOOLS if self.can(tool)}

    async def created(self, line: Line, caller: Caller) -> dict[Kind, str]:
        """Create a record of every kind."""
        ids: dict[Kind, str] = {}
        for kind in self.kinds():
            answer = await line.done(caller, f"create_{kind}", **self.creating(kind, ids))
            ids[kind] = answer.data["id"]
        return ids

    async def test_every_tool_does_what_it_says(self, line: Line) -> None:
        async with line.caller() as caller:
            ids: dict[Kind, str] = {}
            for kind in self.kinds():
                ids[kind] = await self.created_and_shown(line, caller, kind, ids)
            for kind in self.kinds("update"):
                await self.changed(line, caller, kind, ids)
            await self.own_fields_kept(line, caller, ids)
            if self.can("query"):
                await self.queried(line, caller, ids)
            if self.can("search"):
                await self.searched(line, caller, ids)
            if self.can("raw_query"):
                answer = await line.done(caller, "raw_query", statement=self.statement)
                assert answer.data["rows"]
        assert line.exercised == {*TOOLS} - self.unsupported

    async def created_and_shown(
        self, line: Line, caller: Caller, kind: Kind, ids: Mapping[Kind, str]
    ) -> str:
        """Create a record, and show it."""
        arguments = self.creating(kind, ids)
        wanted = in_words(arguments)
        answer = await line.done(caller, f"create_{kind}", **arguments)
        assert answer.data["say"].startswith("Done, ")
        there = line.one(kind)
        assert there["id"] == answer.data["id"]
        assert differing(wanted, there) == {}, kind
        if self.can(f"get_{kind}"):
            shown = await line.done(caller, f"get_{kind}", **{kind: answer.data["id"]})
            assert differing(wanted, shown.data) == {}, kind
            assert wanted[title_word(kind)] in shown.data["say"]
        return str(answer.data["id"])

    async def changed(
        self, line: Line, caller: Caller, kind: Kind, ids: Mapping[Kind, str]
    ) -> None:
        """Change a record, and nothing else of it."""
        before, changes = line.one(kind), self.changing(kind)
        answer = await line.done(caller, f"update_{kind}", **{kind: ids[kind]}, **changes)
        assert answer.data["id"] == ids[kind]
        there = line.one(kind)
        assert differing(in_words(changes), there) == {}, kind
        kept = {word: value for word, value in before.items() if word not in in_words(changes)}
        assert {word: there.get(word) for word in kept} == kept, kind

    async def own_fields_kept(self, line: Line, caller: Caller, ids: Mapping[Kind, str]) -> None:
        """Store, show and change a field of the tenant's own."""
        if self.custom is None:
            return
        name, first, second = self.custom
        kind: Kind = "lead" if self.can("create_lead") else self.kinds()[0]
        arguments = {**self.creating(kind, ids), title_word(kind): "Cleo Marsh"}
        arguments |= {"phone": "+49 40 777 0001"} if "phone" in arguments else {}
        arguments |= {"email": "cleo@example.com"} if "email" in arguments else {}
        made = await line.done(caller, f"create_{kind}", **arguments, fields={name: first})
        record = {kind: made.data["id"]}
        assert self.own_field(line, kind, made.data["id"]) == first
        if self.can(f"get_{kind}"):
            shown = await line.done(caller, f"get_{kind}", **record, fields=[name])
            assert shown.data["fields"] == {name: first}
        if self.can(f"update_{kind}"):
            await line.done(caller, f"update_{kind}", **record, fields={name: second})
            assert self.own_field(line, kind, made.data["id"]) == second

    def own_field(self, line: Line, kind: Kind, record_id: str) -> object:
        """Return what is held of the tenant's own field."""
        assert self.custom is not None
        (there,) = (each for each in line.vendor.held(kind) if each["id"] == record_id)
        return there["fields"][self.custom[0]]

    async def queried(self, line: Line, caller: Caller, ids: Mapping[Kind, str]) -> None:
        """Find each record by a condition, and not by another one."""
        for kind, record_id in ids.items():
            (title,) = (
                each[title_word(kind)] for each in line.vendor.held(kind) if each["id"] == record_id
            )
            filters = self.condition(kind, title)
            found = await line.done(caller, "query", kind=kind, filters=filters)
            assert [row["id"] for row in found.data["rows"]] == [record_id], kind
            assert found.data["rows"][0]["title"] == title
            assert title in found.data["say"]
            assert not found.data["more"]
            filters = self.condition(kind, "' OR name != '%")
            none = await line.done(caller, "query", kind=kind, filters=filters)
            assert none.data["rows"] == [], kind
        for kind in ids:
            if len(line.vendor.held(kind)) > 1:
                page = await line.done(caller, "query", kind=kind, limit=1)
                assert len(page.data["rows"]) == 1
                assert page.data["more"] is True

    async def searched(self, line: Line, caller: Caller, ids: Mapping[Kind, str]) -> None:
        """Find a person as callers say who they are."""
        kind: Kind = "lead" if "lead" in ids else "contact"
        (there,) = (each for each in line.vendor.held(kind) if each["id"] == ids[kind])
        local = "".join(char for char in there["phone"] if char.isdigit())[-9:]
        ways = [there["name"], there["name"].upper(), self.loosely]
        ways += [f"0{local}", f"0049 {local[:2]} {local[2:]}", " ".join(local[2:])]
        ways += [there["email"].upper()] if "email" in there else []
        for said in ways:
            found = await line.done(caller, "search", text=said)
            assert ids[kind] in [each["id"] for each in found.data["found"]], (said, found)
            assert there["name"] in found.data["say"]
        for nobody in ("Zoe Quist", "0049 89 123 4567", "nobody@example.net"):
            found = await line.done(caller, "search", text=nobody)
            assert found.data["found"] == [], nobody
            assert found.data["say"].startswith("I can't find ")
