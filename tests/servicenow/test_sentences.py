"""What the ServiceNow tools say, in the language of whoever is spoken to."""

from collections.abc import Iterator
from itertools import product
from typing import Any, get_args

import pytest

from config.language.catalogue import DEFAULT, LANGUAGE, load_messages
from config.protocol import LANGUAGE_KEY
from servicenow import sentences
from servicenow.provider import Kind, Level, Record, State, User
from servicenow.server import SERVER
from tests.servicenow.double import CASES, NETWORK, TOM
from tests.servicenow.harness import ServiceNowHarness
from tests.servicenow.instance_contract import READS, WRITES
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale
from tests.support.translated import (
    TranslatedCaller,
    connect_translated,
    literal_sentences,
    unused_sentences,
)

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])
ARTICLE = "get_knowledge_article"
DATA = (
    *("INC", "CS", "TASK", "CHG", "VPN", "Pump", "Spam", "Silent Sam", "Zeppelin"),
    *("Tom Hill", "Ann One", "George Warren", "Sales", "Network", "Service Desk", "assess"),
)


@pytest.fixture
def pseudo() -> Iterator[None]:
    """Everything is said in the pseudo-language."""
    with pseudo_locale():
        token = LANGUAGE.set(PSEUDO)
        yield
        LANGUAGE.reset(token)


def fill(harness: ServiceNowHarness) -> None:
    """Add records, people with the same name, and articles to the instance."""
    vendor = harness.vendor
    vendor.add("incident", short_description="VPN", assignment_group=NETWORK, caller_id=TOM)
    vendor.add(CASES, short_description="Pump")
    vendor.add("task", short_description="Silent Sam", due_date="2026-12-24 22:59:00")
    vendor.add("task", sys_class_name="change_request", state="-4", number="CHG0030001")
    tom = vendor.tables["sys_user"][0]
    for number in range(3):
        twin = {"name": "Zeppelin", "user_name": "", "email": "twin@acme.example"}
        vendor.tables["sys_user"].append({**tom, "sys_id": f"{0xD0 + number:032x}", **twin})
    vendor.articles.append(
        {
            "sys_id": f"{0xE1:032x}",
            "number": "KB0000011",
            "short_description": "Spam",
            "content": "Spam",
        }
    )


async def read_everything(caller: TranslatedCaller) -> None:
    """Show and find records, people, groups and articles: none, one and many."""
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        *((tool, arguments) for tool, arguments in READS.items() if tool != ARTICLE),
        ("query_incidents", {"text": "zeppelin"}),
        ("query_cases", {"text": "zeppelin"}),
        ("get_tasks", {"group": "network"}),
        ("get_tasks", {"task": "TASK0010003"}),
        ("get_tasks", {"task": "CHG0030001"}),
        ("search_user_by_email", {"email": "twin@acme.example"}),
        ("search_user_by_email", {"email": "nobody@acme.example"}),
        ("search_user_by_phone", {"phone": "+49 30 5550199"}),
        ("get_assignment_groups", {}),
        ("get_assignment_groups", {"name": "Zeppelin"}),
        ("search_knowledge", {"question": "zeppelin"}),
    )
    for tool, arguments in calls:
        await caller.call(tool, **arguments)


async def write_everything(caller: TranslatedCaller) -> None:
    """Create and change records of every kind."""
    who = {"caller": "tom.hill"}
    levels = {"urgency": "high", "impact": "low"}
    incident, case, task = {"incident": "INC0010001"}, {"case": "CS0010002"}, "TASK0010003"
    await caller.call("create_incident", summary="VPN")
    await caller.call("create_incident", summary="VPN", group="network", **who, **levels)
    await caller.call("create_case", summary="Pump", contact="george@boxes.example")
    await caller.call("create_task", summary="Silent Sam", assignee="ann.one", group="network")
    for tool in ("update_incident", "update_case", "update_task"):
        await caller.call(tool, **{**WRITES[tool], "note": "Silent Sam."})
    await caller.call("update_incident", **incident, state="pending", group="network", **levels)
    await caller.call("update_case", **case, state="solved", priority="normal")
    await caller.call("update_task", task=task, due="2026-12-23T15:05", assignee="ann.one")


async def test_every_tool_speaks_the_language_of_its_caller(harness: ServiceNowHarness) -> None:
    fill(harness)
    claims = harness.claims(confirm=tuple(WRITES))
    with pseudo_locale():
        async with connect_translated(harness.servers, SERVER.name, claims, DATA) as caller:
            await read_everything(caller)
            await write_everything(caller)
            await caller.call("query_incidents")
            meta = {LANGUAGE_KEY: PSEUDO}
            article = await caller.client.call_tool(ARTICLE, READS[ARTICLE], meta=meta)
            assert "say" not in (article.structured_content or {})  # an article speaks for itself
    assert {*caller.called, ARTICLE} == {*TOOLS}


REFUSALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("not_found", "get_incident", {"incident": "INC0099999"}),
    ("not_found", "get_case", {"case": "CS0099999"}),
    ("not_found", "get_tasks", {"task": "TASK0099999"}),
    ("not_found", "get_tasks", {"about": "INC0099999"}),
    ("not_found", ARTICLE, {"article": "KB0099999"}),
    ("not_found", "get_user", {"user": "nobody"}),
    ("not_found", "get_tasks", {"group": "Plumbers"}),
    ("rejected", "get_user", {"user": "Zeppelin"}),
    ("rejected", "create_task", {"summary": "Silent Sam", "due": "some day"}),
    ("rejected", "update_incident", {"incident": "INC0010001"}),
    ("rejected", "update_task", {"task": "CHG0030001", "state": "closed"}),
    ("rejected", "query_cases", {"text": "?"}),
    ("rejected", "search_user_by_email", {"email": "ann"}),
    ("rejected", "search_user_by_phone", {"phone": "none"}),
    ("rejected", "get_user", {"user": "javascript:a"}),
    ("invalid", "create_case", {"summary": ""}),
)


async def test_refusals_are_told_in_the_language_of_the_caller(harness: ServiceNowHarness) -> None:
    fill(harness)
    with pseudo_locale():
        async with connect_translated(
            harness.servers, SERVER.name, harness.claims(), DATA
        ) as caller:
            for error, tool, arguments in REFUSALS:
                await caller.refused(error, tool, **arguments)


@pytest.mark.usefixtures("pseudo")
def test_records_are_translated_whatever_they_have() -> None:
    states = (*get_args(State), "assess", "")
    for kind, state, summary in product(get_args(Kind), states, ("VPN", "")):
        record = Record(kind=kind, id="1", number="INC1", summary=summary, state=state)
        for said in (
            sentences.describe_record(record, "VPN", "VPN"),
            sentences.describe_record(record, None, None),
            sentences.describe_records(kind, [record], more=bool(summary)),
            sentences.confirm_update(record, ""),
            sentences.update_done(record, state_changed=True),
        ):
            assert latin_words(said, ["INC VPN assess"]) == []


@pytest.mark.usefixtures("pseudo")
def test_changes_are_translated() -> None:
    for level in get_args(Level):
        changes = sentences.describe_changes(
            {"urgency": level, "impact": level, "priority": level, "due": "7"}
        )
        assert latin_words(changes) == []
    for state in get_args(State):
        assert latin_words(sentences.describe_changes({"state": state})) == []


def test_a_person_without_a_name_is_called_something() -> None:
    somebody = User(id="1", name="", department="Sales")
    assert sentences.user_label(somebody) == "somebody without a name, of Sales"
    known = somebody.model_copy(update={"email": "tom@acme.example"})
    assert sentences.user_label(known) == "tom@acme.example, of Sales"


def test_a_record_is_told_without_what_it_has_not() -> None:
    record = Record(kind="case", id="1", number="CS0010002", summary="Pump leaks.", state="")
    assert sentences.describe_record(record, None, "Monday") == (
        "Case CS 10002, Pump leaks. It has no state. It was last changed Monday."
    )


def test_sentences_stand_in_the_catalogue_and_are_said() -> None:
    assert load_messages("servicenow", DEFAULT)
    assert unused_sentences("servicenow") == []
    assert literal_sentences("servicenow") == []
