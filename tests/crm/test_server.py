"""The CRM tools as a client sees them, over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from fastmcp.tools import FunctionTool

from config.database import Database
from crm.provider import KINDS, STANDARD_FIELDS
from crm.registry import PROVIDERS
from crm.results import Account, Case, Contact, CrmResult, Event, Lead, Opportunity, Task
from crm.server import SERVER
from tests.conftest import Tenant, fetch
from tests.support.servers import Caller, Servers

NAMES = [
    *("get_lead", "create_lead", "update_lead"),
    *("get_contact", "create_contact", "update_contact"),
    *("get_account", "create_account", "update_account"),
    *("get_opportunity", "create_opportunity", "update_opportunity"),
    *("create_task", "get_task", "update_task"),
    *("create_event", "get_event", "update_event"),
    *("create_case", "get_case", "update_case"),
    *("query", "search", "raw_query"),
]
VOICE = {"search", "create_lead", "update_lead", "create_task", "create_case", "create_event"}
RESULT_TYPES: tuple[type[CrmResult], ...] = (Lead, Contact, Account, Opportunity, Task, Event, Case)
NOTED = "Thank you, I have noted that for the team"
ANYTHING = "Is there anything else?"


async def create_lead(caller: Caller, name: str = "Tom Hill", **values: Any) -> str:
    answer = await caller.call("create_lead", name=name, **values)
    assert answer.error is None, answer
    return str(answer.data["id"])


def test_the_catalogue_names_tools_and_what_a_provider_lacks() -> None:
    catalogue = SERVER.catalogue()
    assert catalogue["tools"] == NAMES
    assert set(catalogue["unsupported"]["builtin"]) == {"raw_query"}
    tools = [FunctionTool.from_function(tool) for tool in SERVER.tools]
    assert {tool.name for tool in tools if "voice" in tool.tags} == VOICE
    examples = {
        tool.name for tool in tools if (tool.meta or {}).get("antiphon", {}).get("examples")
    }
    assert examples == {"search", "create_lead", "update_lead"}


def test_an_answer_knows_every_word_of_its_kind() -> None:
    assert [result.kind for result in RESULT_TYPES] == list(KINDS)
    for result in RESULT_TYPES:
        assert {*result.model_fields} == {"say", "id", "fields", *STANDARD_FIELDS[result.kind]}


def test_only_one_vendor_has_a_query_language() -> None:
    unsupported = {
        name for name, provider in PROVIDERS.items() if "raw_query" in provider.unsupported
    }
    assert set(PROVIDERS) - unsupported <= {"salesforce"}


async def test_every_tool_says_what_it_does(servers: Servers, shop: Tenant) -> None:
    async with servers.connect("crm", shop.claims()) as caller:
        tools = await caller.tools()
    assert list(tools) == [name for name in NAMES if name != "raw_query"]
    for name, tool in tools.items():
        assert tool.title
        assert tool.description
        assert tool.output_schema
        properties = tool.input_schema["properties"]
        assert not {"operations", "crm", "clock", "call"} & set(properties)
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint == name.startswith(("get", "query", "search"))
    required = {name: tool.input_schema.get("required", []) for name, tool in tools.items()}
    assert required["create_lead"] == ["name"]
    assert required["create_event"] == ["subject", "when"]
    assert required["update_case"] == ["case"]
    assert required["query"] == ["kind"]


async def test_a_lead_is_taken_down_as_it_is_said(
    caller: Caller, shop: Tenant, database: Database
) -> None:
    made = await caller.call(
        "create_lead",
        name="  Tom   Hill ",
        company="Hill and Sons",
        phone="plus four nine thirty, double five five zero one four two",
        email=" tom@example.com",
        title="",
        fields={"region": "north", "size": 3, "vip": True, "none": None},
    )
    assert made.data["say"] == f"{NOTED}: Tom Hill of Hill and Sons. {ANYTHING}"
    assert made.data["phone"] == "+49305550142"
    assert "title" not in made.data
    assert made.data["fields"] == {"region": "north", "size": 3, "vip": True}
    shown = await caller.call("get_lead", lead=made.data["id"], fields=["size", "phone", "other"])
    assert shown.data["say"] == "Tom Hill of Hill and Sons, a lead."
    assert shown.data["fields"] == {"size": 3}
    assert shown.text.startswith("Tom Hill of Hill and Sons, a lead.\n{")
    (row,) = await fetch(database, shop, "select * from crm_record")
    assert row["data"] == {
        "name": "Tom Hill",
        "company": "Hill and Sons",
        "phone": "+49305550142",
        "email": "tom@example.com",
    }


@pytest.mark.parametrize(
    ("tool", "arguments", "error", "said"),
    [
        ("create_lead", {"name": "  "}, "rejected", "Under which name?"),
        ("create_lead", {}, "invalid", "name is missing."),
        ("create_lead", {"name": "x" * 201}, "invalid", "name does not fit"),
        ("create_lead", {"name": "T", "phone": "later"}, "rejected", "phone number once more?"),
        ("create_lead", {"name": "T", "email": "tom at home"}, "rejected", "spell the e-mail"),
        ("create_lead", {"name": "T", "fields": {"phone": "5"}}, "rejected", "phone is not one"),
        ("create_lead", {"name": "T", "fields": {"a b": "5"}}, "invalid", "fields"),
        ("create_lead", {"name": "T", "fields": {"a'": "5"}}, "invalid", "fields"),
        ("create_lead", {"name": "T", "amount": 5}, "invalid", "does not take"),
        ("create_task", {"subject": "Call", "due": "some day"}, "rejected", "For which day?"),
        ("create_event", {"subject": "Visit", "when": "Monday"}, "rejected", "day and time?"),
        ("create_event", {"subject": "V", "when": "today", "minutes": 0}, "invalid", "minutes"),
        ("create_opportunity", {"name": "O", "amount": -1}, "invalid", "amount does not fit"),
        ("create_contact", {"name": "A", "account": "0" * 12}, "not_found", "no such account"),
        ("create_task", {"subject": "A", "about": "nothing"}, "not_found", "no such record"),
        ("update_lead", {"lead": "0" * 12}, "rejected", "What shall I change?"),
        ("update_lead", {"lead": "0" * 12, "name": " "}, "rejected", "What shall I change?"),
        ("update_lead", {"lead": "0" * 12, "name": "T"}, "not_found", "no such lead"),
        ("update_event", {"event": "0" * 12, "minutes": 5}, "not_found", "can't find that event"),
        ("get_lead", {"lead": ""}, "not_found", "can't find that lead"),
        ("search", {"text": " "}, "rejected", "Under which name or number?"),
        ("query", {"kind": "user"}, "invalid", "kind does not fit"),
        ("query", {"kind": "lead", "limit": 21}, "invalid", "limit does not fit"),
        (
            "query",
            {"kind": "lead", "filters": [{"field": "name", "op": "one_of", "value": "x"}]},
            "rejected",
            "one_of takes a list of values",
        ),
        (
            "query",
            {"kind": "lead", "filters": [{"field": "name", "value": ["x"]}]},
            "rejected",
            "is takes one value",
        ),
        (
            "query",
            {"kind": "lead", "filters": [{"field": "name' or 1=1", "value": "x"}]},
            "invalid",
            "filters.0.field does not fit",
        ),
        (
            "query",
            {"kind": "opportunity", "filters": [{"field": "amount", "value": "much"}]},
            "rejected",
            "to be a number",
        ),
        (
            "query",
            {"kind": "task", "filters": [{"field": "due_date", "value": "soon-ish"}]},
            "rejected",
            "For which day?",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_way_on(
    caller: Caller,
    shop: Tenant,
    database: Database,
    tool: str,
    arguments: Any,
    error: str,
    said: str,
) -> None:
    answer = await caller.call(tool, **arguments)
    assert (answer.error, said in answer.text) == (error, True), answer
    assert "Next: " in answer.text
    assert await fetch(database, shop, "select * from crm_record") == []


async def test_what_is_changed_is_said(caller: Caller) -> None:
    person = await create_lead(caller, phone="555 0142", notes="x", fields={"region": "north"})
    changed = await caller.call(
        "update_lead",
        lead=person,
        name="Tom Mills",
        phone="555 0199",
        fields={"sales_region": None},
    )
    assert changed.data["say"] == (
        "Done, the lead is changed: name Tom Mills, phone 5 5 5, 0 1 9 9 and sales region empty."
        f" {ANYTHING}"
    )
    account = (await caller.call("create_account", name="Hill Ltd")).data["id"]
    contact = (await caller.call("create_contact", name="Ann One")).data["id"]
    moved = await caller.call("update_contact", contact=contact, account=account)
    assert moved.data["say"] == f"Done, the contact is changed: another account. {ANYTHING}"


async def test_writes_are_read_back_before_anything_happens(
    servers: Servers, shop: Tenant, database: Database
) -> None:
    writing = ("create_lead", "update_lead")
    claims = shop.claims(conversation_id=uuid4(), confirm=writing)

    async def stored() -> list[Any]:
        return [row["data"] for row in await fetch(database, shop, "select data from crm_record")]

    async with servers.connect("crm", claims) as caller:

        async def confirm(tool: str, question: str, **arguments: Any) -> dict[str, Any]:
            before = await stored()
            asked = (await caller.call(tool, **arguments)).data
            assert (asked["status"], asked["say"]) == ("needs_confirmation", question)
            assert await stored() == before
            code = asked["confirmation_code"]
            return (await caller.call(tool, **arguments, confirmation_code=code)).data

        made = await confirm(
            "create_lead",
            "I would note for the team: Tom Hill of Hill Ltd, phone 5 5 5, 0 1 4 2 and with notes."
            " Shall I?",
            name="Tom Hill",
            company="Hill Ltd",
            phone="555 0142",
            notes="Would like a quote.",
        )
        await confirm(
            "update_lead",
            "I would change the lead: company Hill and Sons and status won. Shall I?",
            lead=made["id"],
            status="won",
            company="Hill and Sons",
        )
        refused = await caller.call("create_lead", name="Tom", phone="none")
        assert refused.error == "rejected"
    ((there),) = await stored()
    assert there["status"] == "won"


async def test_a_repeat_is_answered_from_the_first(
    servers: Servers, shop: Tenant, database: Database
) -> None:
    conversation = uuid4()
    first: dict[str, Any] = {}
    for _ in range(2):
        async with servers.connect("crm", shop.claims(conversation_id=conversation)) as caller:
            for _ in range(2):
                answer = await caller.call("create_lead", name="Tom Hill", phone="5550142")
                first = first or answer.data
                assert answer.data == first
        # As if the process had died between the record and the answer.
        await fetch(database, shop, "delete from idempotent_call returning key")
    assert len(await fetch(database, shop, "select id from crm_record")) == 1


async def test_the_tools_own_language_is_for_those_who_are_named(
    servers: Servers, shop: Tenant
) -> None:
    for tools in (None, ("raw_query", "query")):
        async with servers.connect("crm", shop.claims(tools=tools)) as caller:
            assert "raw_query" not in await caller.tools()
            answer = await caller.call("raw_query", statement="select 1")
            assert answer.error == "unknown_tool"
