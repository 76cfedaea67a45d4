"""What the CRM tools say, in the language of whoever is spoken to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from config.language.catalogue import DEFAULT, load_messages
from crm import sentences
from crm.provider import KINDS, Kind
from crm.server import SERVER
from tests.conftest import Tenant
from tests.support.pseudo_locale import pseudo_locale
from tests.support.servers import Servers
from tests.support.translated import (
    TranslatedCaller,
    connect_translated,
    literal_sentences,
    unused_sentences,
)
from toolkit.speech.clock import Clock

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])
WRITING = tuple(tool for tool in TOOLS if tool.startswith(("create", "update")))
DAY, MOMENT = "2030-05-01", "2030-05-01T11:55"
NOBODY = "0" * 12
FIELDS = {"north_region": True, "size": 3, "district": "Harbour", "vip": False}
# Every field of every kind; what is new comes after what it refers to.
RECORDS: Mapping[Kind, Mapping[str, Any]] = {
    "account": {
        "name": "Berg Printing",
        "phone": "+49 30 555 0100",
        "website": "berg.example",
        "industry": "Printing",
        "notes": "Harbour",
    },
    "contact": {
        "name": "Ann Berg",
        "title": "Buyer",
        "phone": "+49 30 555 0177",
        "email": "ann@berg.example",
        "account": "account",
    },
    "lead": {
        "name": "Tom Hill",
        "company": "Berg Printing",
        "title": "Buyer",
        "phone": "+49 30 555 0142",
        "email": "tom@berg.example",
        "status": "Warm",
        "source": "Fair",
        "notes": "Harbour",
    },
    "opportunity": {
        "name": "Roof",
        "stage": "Proposal",
        "amount": 9900.5,
        "close": DAY,
        "account": "account",
    },
    "task": {
        "subject": "Ladder",
        "due": DAY,
        "status": "open",
        "priority": "high",
        "about": "lead",
    },
    "event": {
        "subject": "Ladder",
        "when": MOMENT,
        "minutes": 45,
        "location": "Harbour",
        "about": "lead",
    },
    "case": {
        "subject": "Ladder",
        "status": "new",
        "priority": "normal",
        "contact": "contact",
        "account": "account",
    },
}
DATA = (
    *("Berg Printing", "berg example", "Ann", "ann", "Buyer", "Tom Hill", "tom", "Warm", "Fair"),
    *("Roof", "Proposal", "Ladder", "Harbour", "north region", "size", "district", "vip"),
    "Zoe Quist",
)


async def create_all(caller: TranslatedCaller) -> dict[Kind, dict[str, Any]]:
    """Create a record of every kind; return its id and arguments, by the names of the tools'."""
    made: dict[Kind, dict[str, Any]] = {}
    for kind, values in RECORDS.items():
        references: dict[Any, str] = {each: made[each][each] for each in made}
        arguments = {
            name: references[value] if name in ("account", "contact", "about") else value
            for name, value in values.items()
        }
        created = await caller.call(f"create_{kind}", **arguments, fields=FIELDS)
        made[kind] = {kind: created["id"], **arguments}
    return made


async def check_changes(caller: TranslatedCaller, made: Mapping[Kind, Mapping[str, Any]]) -> None:
    """Show and change a record of every kind."""
    for kind, arguments in made.items():
        record = {kind: arguments[kind]}
        await caller.call(f"get_{kind}", **record)
        await caller.call(f"update_{kind}", **arguments, fields={**FIELDS, "size": None})
    await caller.call("update_event", event=made["event"]["event"], minutes=1)
    long = {name: "Harbour " * 9 for name in ("name", "company", "title", "status", "source")}
    await caller.call("update_lead", lead=made["lead"]["lead"], **long)


async def check_searches(caller: TranslatedCaller) -> None:
    """Find no record, one, two and many, by every way of saying who is meant."""
    for kind in KINDS:
        await caller.call("query", kind=kind)
        field = "name" if "name" in RECORDS[kind] else "subject"
        await caller.call("query", kind=kind, filters=[{"field": field, "value": "Zoe Quist"}])
    for text in ("Roof", "Zoe Quist", "Quist " * 11, "+49 89 1234567", "zoe@quist.example"):
        await caller.call("search", text=text)
    for number in range(4):
        await caller.call("create_contact", name="Zoe Quist", title=f"Buyer {number}")
        await caller.call("search", text="Zoe Quist")
        await caller.call("query", kind="contact")
    await caller.call("query", kind="contact", limit=1)
    await caller.call("query", kind="contact", limit=2)


async def test_every_tool_speaks_the_language_of_its_caller(servers: Servers, shop: Tenant) -> None:
    claims = shop.claims(conversation_id=uuid4(), tools=TOOLS, confirm=WRITING)
    with pseudo_locale():
        async with connect_translated(servers, "crm", claims, DATA) as caller:
            await check_changes(caller, await create_all(caller))
            await check_searches(caller)
            await caller.refused("unknown_tool", "raw_query", statement="select 1")
    assert caller.called == {*TOOLS}


REFUSALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("rejected", "create_lead", {"name": " "}),
    ("rejected", "create_lead", {"name": "Tom", "phone": "later"}),
    ("rejected", "create_lead", {"name": "Tom", "email": "tom at home"}),
    ("rejected", "create_lead", {"name": "Tom", "fields": {"phone": "5"}}),
    ("rejected", "create_task", {"subject": "Ladder", "due": "some day"}),
    ("not_found", "create_task", {"subject": "Ladder", "about": NOBODY}),
    ("rejected", "create_event", {"subject": "Ladder", "when": DAY}),
    ("rejected", "update_lead", {"lead": NOBODY}),
    ("not_found", "update_lead", {"lead": NOBODY, "name": "Tom"}),
    ("not_found", "update_event", {"event": NOBODY, "minutes": 5}),
    ("rejected", "search", {"text": " "}),
    ("invalid", "query", {"kind": "user"}),
    ("rejected", "query", {"kind": "lead", "filters": [{"field": "name", "value": ["x"]}]}),
)


async def test_refusals_are_told_in_the_language_of_the_caller(
    servers: Servers, shop: Tenant
) -> None:
    with pseudo_locale():
        async with connect_translated(servers, "crm", shop.claims(), DATA) as caller:
            for kind in KINDS:
                await caller.refused("not_found", f"get_{kind}", **{kind: NOBODY})
            for error, tool, arguments in REFUSALS:
                await caller.refused(error, tool, **arguments)


def test_a_time_is_said_whole_however_long_it_is() -> None:
    now = datetime(2026, 11, 24, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    start = datetime(2028, 9, 27, 23, 55, tzinfo=now.tzinfo)
    said = sentences.describe_record("event", {"subject": "Ladder", "starts_at": start}, Clock(now))
    assert said.endswith(
        ", Wednesday the 27th of September 2028 at eleven fifty five in the evening."
    )


def test_sentences_stand_in_the_catalogue_and_are_said() -> None:
    assert load_messages("crm", DEFAULT)
    assert unused_sentences("crm") == []
    assert literal_sentences("crm") == []
