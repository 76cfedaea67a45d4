"""What the ticket tools say, in the language of whoever is spoken to."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any, get_args
from uuid import uuid4

import pytest

from config.columns import now
from config.language.catalogue import DEFAULT, LANGUAGE, load_messages
from tests.conftest import fetch
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale
from tests.support.servers import Servers
from tests.support.translated import (
    TranslatedCaller,
    connect_translated,
    literal_sentences,
    unused_sentences,
)
from tests.tickets.double import ORGANIZATION, PEOPLE, TICKETS, Seed
from tests.tickets.rows import Rows
from tests.tickets.tool_cases import READ_TOOLS
from tests.tickets.tool_session import UNKNOWN_ID
from tickets import sentences
from tickets.provider import (
    STATUSES,
    BatchOutcome,
    Priority,
    Refusal,
    Ticket,
    TicketChange,
    TicketType,
)
from tickets.sentences import BatchKind, Deed
from tickets.server import SERVER

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])
WRITING = tuple(tool for tool in TOOLS if tool not in READ_TOOLS)
DATA = (
    *(person.name for person in PEOPLE.values()),
    *(ticket.subject for ticket in TICKETS.values()),
    *(ORGANIZATION, "Mixer", "Kitchen", "late", "floor", "vip"),
    *("Ines Moreau", "Joao Lima", "ines moreau example org"),
)
INES = {"name": "Ines Moreau", "email": "ines.moreau@example.org"}
MIXER = {"subject": "Mixer", "text": "Mixer"}


@pytest.fixture
def pseudo() -> Iterator[None]:
    """Everything is said in the pseudo-language."""
    with pseudo_locale():
        token = LANGUAGE.set(PSEUDO)
        yield
        LANGUAGE.reset(token)


async def read_everything(caller: TranslatedCaller, seed: Seed) -> None:
    """Show and find tickets and people: none, one, two and many."""
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("list_tickets", {}),
        ("list_tickets", {"status": "closed"}),
        ("list_problems", {}),
        ("search", {"text": "oven"}),
        ("search", {"text": "zeppelin"}),
        ("show_ticket", {"ticket": seed.oven}),
        ("show_many_tickets", {"tickets": [seed.oven, UNKNOWN_ID]}),
        ("list_users", {}),
        ("search_users", {"text": "Katherine Brandt"}),
        ("search_users", {"text": "Wu"}),
        ("get_user", {"user": seed.katherine}),
        ("show_many_users", {"users": [seed.katherine, seed.tomasz]}),
        ("get_user_requested_tickets", {"user": seed.katherine}),
        ("get_user_assigned_tickets", {"user": seed.agent}),
        ("get_user_ccd_tickets", {"user": seed.tomasz}),
        ("get_organization", {"organization": seed.organization}),
        ("get_organization_tickets", {"organization": seed.organization}),
        ("check_availability", {}),
    )
    for tool, arguments in calls:
        await caller.call(tool, **arguments)


async def write_tickets(caller: TranslatedCaller, seed: Seed) -> None:
    """Create, comment on and change tickets."""
    for tag in range(3):
        await caller.call("list_ticket_comments", ticket=seed.scale)
        await caller.call("add_comment", ticket=seed.scale, text="Kitchen" + "." * tag)
    await caller.call("create_ticket", **MIXER)
    await caller.call("create_ticket", **MIXER, requester_name="Ines Moreau")
    await caller.call("create_many_tickets", tickets=[MIXER, {**MIXER, "subject": "Kitchen"}])
    values = {"subject": "Mixer", "status": "solved", "priority": "urgent", "type": "task"}
    fields = {"floor": 2, "vip": True}
    await caller.call("update_ticket", ticket=seed.oven, **values)
    await caller.call("update_ticket", ticket=seed.oven, fields=fields)
    await caller.call("update_ticket", ticket=seed.oven, fields={"floor": None, "vip": False})
    await caller.call("add_tags", ticket=seed.oven, tags=["late", "Kitchen"])
    await caller.call("remove_tags", ticket=seed.oven, tags=["late"])
    for tickets in ([seed.oven], [seed.oven, seed.scale, UNKNOWN_ID]):
        await caller.call("update_many_tickets", tickets=tickets, priority="low")


async def write_users(caller: TranslatedCaller, seed: Seed) -> None:
    """Create and change users, with every kind of address."""
    await caller.call("create_user", **INES, phone="+49 30 5550143")
    await caller.call("create_user", name="Joao Lima")
    await caller.call("update_user", user=seed.tomasz, name="Joao Lima", phone="+49 30 5550144")
    await caller.call("create_or_update_user", **INES)
    await caller.call("create_or_update_many_users", users=[INES])
    names = [{"id": each, "name": "Joao Lima"} for each in (seed.tomasz, seed.katherine)]
    await caller.call("update_many_users", users=names)


async def finish(caller: TranslatedCaller, seed: Seed) -> None:
    """Log calls, and delete what there is."""
    call = {"phone": "+49 30 5550142", "direction": "inbound", "summary": "Mixer"}
    await caller.call("log_call", **call)
    await caller.call("log_call", **call, ticket=seed.oven)
    await caller.call("merge_tickets", into=seed.oven, tickets=["3", "4"])
    await caller.call("delete_ticket", ticket=seed.scale)
    await caller.call("delete_many_tickets", tickets=["5", "6"])
    await caller.call("delete_user", user=seed.katherine)


async def test_every_tool_speaks_the_language_of_its_caller(servers: Servers, rows: Rows) -> None:
    claims = rows.tenant.claims(conversation_id=uuid4(), confirm=WRITING)
    with pseudo_locale():
        async with connect_translated(servers, "tickets", claims, DATA) as caller:
            await read_everything(caller, rows.seed)
            await write_tickets(caller, rows.seed)
            await write_users(caller, rows.seed)
            await caller.call("list_tickets")
            await caller.call("list_users")
            busy = "update ticket_user set available = false returning id"
            await fetch(rows.database, rows.tenant, busy)
            await caller.call("check_availability")
            await caller.call("check_availability", agent=rows.seed.agent)
            await finish(caller, rows.seed)
    assert caller.called == {*TOOLS}


REFUSALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *(
        ("not_found", tool, {"ticket": UNKNOWN_ID, **values})
        for tool, values in (
            ("show_ticket", {}),
            ("list_ticket_comments", {}),
            ("update_ticket", {"priority": "low"}),
            ("add_comment", {"text": "Mixer"}),
            ("delete_ticket", {}),
        )
    ),
    ("not_found", "get_user", {"user": str(uuid4())}),
    ("not_found", "get_organization", {"organization": str(uuid4())}),
    ("not_found", "check_availability", {"agent": " "}),
    ("rejected", "update_ticket", {"ticket": "1"}),
    ("rejected", "update_ticket", {"ticket": "1", "status": "Kitchen"}),
    ("rejected", "merge_tickets", {"into": "1", "tickets": ["#1"]}),
    ("rejected", "add_comment", {"ticket": "1", "text": " "}),
    ("rejected", "search", {"text": " "}),
    ("rejected", "search_users", {"text": " "}),
    ("rejected", "create_user", {"name": "Joao Lima", "email": "joao at"}),
    ("rejected", "create_user", {"name": "Joao Lima", "phone": "later"}),
    ("rejected", "create_or_update_user", {"name": "Joao Lima"}),
    ("conflict", "create_user", {"name": "Joao", "email": PEOPLE["katherine"].email}),
    ("invalid", "create_ticket", {"subject": "", "text": "Mixer"}),
)


async def test_refusals_are_told_in_the_language_of_the_caller(
    servers: Servers, rows: Rows
) -> None:
    call = {"phone": "+49 30 5550142", "direction": "inbound", "summary": "Mixer"}
    with pseudo_locale():
        async with connect_translated(servers, "tickets", rows.tenant.claims(), DATA) as caller:
            for error, tool, arguments in REFUSALS:
                await caller.refused(error, tool, **arguments)
            await caller.refused("rejected", "update_user", user=rows.seed.katherine)
            await caller.refused("rejected", "log_call", **{**call, "phone": "later"})
            tomorrow = now() + timedelta(days=1)
            await caller.refused("rejected", "log_call", **call, started=tomorrow.isoformat())


def test_a_change_is_read_back_whole() -> None:
    ticket = Ticket(id="7", subject="Mixer", status="open")
    change = TicketChange(
        id="7",
        subject="Oven",
        status="solved",
        priority="high",
        type="problem",
        assignee="Mara",
        add_tags=("late", "vip"),
        remove_tags=("cold",),
        fields={"floor": 1000, "vip": True, "paid": False, "note": "true"},
    )
    assert sentences.confirm_change(ticket, change) == (
        "Ticket 7, Mixer: subject Oven; status solved; priority high; type problem; assignee Mara;"
        " more tags late, vip; without the tags cold; floor 1000; vip True; paid False; note true."
        " Shall I change it?"
    )


@pytest.mark.usefixtures("pseudo")
def test_statuses_are_translated_but_for_the_business_s_own() -> None:
    for status in (*STATUSES, "Kitchen"):
        ticket = Ticket(id="7", subject="Mixer", status=status)
        change = TicketChange(id="7", status=status)
        for said in (
            sentences.describe_ticket(ticket),
            sentences.confirm_change(ticket, change),
            sentences.ticket_changed(ticket, change),
        ):
            assert latin_words(said, ["Mixer Kitchen"]) == []
            assert ("Kitchen" in said) is (status == "Kitchen")


@pytest.mark.usefixtures("pseudo")
def test_priorities_and_types_are_translated() -> None:
    ticket = Ticket(id="7", subject="Mixer", status="open")
    for priority, type in product(get_args(Priority), get_args(TicketType)):
        change = TicketChange(id="7", priority=priority, type=type, assignee="Mara")
        assert latin_words(sentences.confirm_change(ticket, change), ["Mixer Mara"]) == []


@pytest.mark.usefixtures("pseudo")
def test_what_becomes_of_many_records_is_translated() -> None:
    counts = (0, 1, 2, 70)
    for deed, kind, done, refused in product(get_args(Deed), get_args(BatchKind), counts, counts):
        outcome = BatchOutcome(
            done=tuple(map(str, range(done))),
            refused=tuple(Refusal(record=str(each), reason="") for each in range(refused)),
        )
        running = outcome.model_copy(update={"job": "7"})
        assert latin_words(sentences.confirm_batch(done, kind, deed)) == []
        assert latin_words(sentences.describe_batch(outcome, kind, deed)) == []
        assert latin_words(sentences.describe_batch(running, kind, deed)) == []


def test_sentences_stand_in_the_catalogue_and_are_said() -> None:
    assert load_messages("tickets", DEFAULT)
    assert unused_sentences("tickets") == []
    assert literal_sentences("tickets") == []
