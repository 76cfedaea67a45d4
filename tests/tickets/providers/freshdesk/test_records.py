"""What Freshdesk says of its records: deleted and unreadable ones, writers, and refusals."""

from typing import Any

import httpx2
import pytest

from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import BODY_CANARY
from tests.tickets.providers.freshdesk.harness import FreshdeskHarness
from tests.tickets.providers.freshdesk.memory import OWN_AGENT
from tickets.provider import TicketChange, TicketDraft, TicketQuery, UserDraft
from toolkit.errors import (
    Conflict,
    Disconnected,
    Forbidden,
    NotFound,
    Rejected,
    ToolFailure,
    Unavailable,
)


@pytest.fixture
def harness(database: Database, tenant: Tenant) -> FreshdeskHarness:
    return FreshdeskHarness(database, tenant)


async def test_a_deleted_contact_is_gone_and_is_never_written_to(harness: FreshdeskHarness) -> None:
    vendor, people, seed = harness.vendor, harness.connect().people, harness.seed
    katherine = vendor.contacts[int(seed.katherine)]
    katherine["deleted"] = True
    assert [each.gone for each in await people.get([seed.katherine, seed.tomasz])] == [True, False]
    for found in (
        await people.search("Katherine Brandt"),
        await people.search(None, email=katherine["email"]),
        await people.search(None, phone=katherine["phone"]),
        await people.search(None, phone="+49 (30) 5550142"),
        await people.search(None, limit=50),
    ):
        assert seed.katherine not in [each.id for each in found.users]
    draft = UserDraft(name="Katherine Braun", phone=katherine["phone"])
    (added,) = (await people.upsert([draft])).done
    assert added != seed.katherine
    assert katherine["name"] == "Katherine Brandt"


@pytest.mark.parametrize("mark", ["deleted", "spam"])
async def test_what_is_in_the_trash_or_spam_is_none(harness: FreshdeskHarness, mark: str) -> None:
    vendor, tickets, seed = harness.vendor, harness.connect().tickets, harness.seed
    vendor.tickets[int(seed.oven)][mark] = True
    assert [each.id for each in await tickets.get([seed.oven, seed.scale])] == [seed.scale]
    assert await harness.connect().comments.for_ticket(seed.oven) is None
    for query in (
        TicketQuery(status="open"),
        TicketQuery(type="incident"),
        TicketQuery(text=seed.oven),
        TicketQuery(related_to=seed.agent, relation="assigned"),
    ):
        found = (await tickets.search(query)).tickets
        assert seed.oven not in [each.id for each in found], query
    with pytest.raises(NotFound):
        await tickets.update([TicketChange(id=seed.oven, add_tags=("late",))])
    assert vendor.written() == []


@pytest.mark.parametrize(
    ("source", "by"),
    [
        *((1, "customer"), (2, "customer"), (3, "customer"), (7, "customer"), (9, "customer")),
        *((10, "agent"), (99, "unknown"), (None, "unknown")),
    ],
)
async def test_who_wrote_the_description_is_told_by_the_source(
    harness: FreshdeskHarness, source: int | None, by: str
) -> None:
    """The sources of openapi-v2-THIRDPARTY.json, Ticket: 10 is an e-mail of an agent's."""
    seed = harness.seed
    harness.vendor.tickets[int(seed.scale)]["source"] = source
    (description,) = await harness.connect().comments.for_ticket(seed.scale) or []
    assert description.by == by
    assert description.author == (seed.tomasz if by == "customer" else None)


async def test_who_wrote_a_comment_is_what_freshdesk_says(harness: FreshdeskHarness) -> None:
    vendor, seed = harness.vendor, harness.seed
    written: list[tuple[int | str | None, bool | None, bool | None, str, bool | None]] = [
        (seed.tomasz, True, False, "customer", True),
        (seed.agent, False, True, "agent", False),
        (OWN_AGENT, False, False, "us", True),
        (seed.agent, None, None, "unknown", None),
        (None, None, False, "unknown", True),
    ]
    for user, incoming, private, _, _ in written:
        added = vendor.add_comment(int(seed.scale), "<div>Well.</div>")
        user_id = None if user is None else int(user)
        vendor.conversations[added] |= {
            **{"user_id": user_id, "incoming": incoming, "private": private},
        }
    comments = await harness.connect().comments.for_ticket(seed.scale) or []
    assert [(each.by, each.public) for each in comments[1:]] == [
        (by, public) for _, _, _, by, public in written
    ]


async def test_one_unreadable_record_hides_no_other(harness: FreshdeskHarness) -> None:
    """It counts for a page's length, by which the next one is known to follow."""
    vendor, seed, provider = harness.vendor, harness.seed, harness.connect()
    strange = {"is": BODY_CANARY}
    requester = int(seed.tomasz)
    bad = vendor.add_ticket("Bad", "x", requester_id=requester)
    for n in range(120):
        vendor.add_ticket(f"No. {n}", "needle" if n == 0 else "x", requester_id=requester)
    vendor.tickets[bad]["tags"] = strange
    page = await provider.tickets.search(TicketQuery(text="needle"))
    assert [each.subject for each in page.tickets] == ["No. 0"]
    page = await provider.tickets.search(TicketQuery(status="open", limit=5))
    assert (len(page.tickets), page.more) == (5, True)
    with pytest.raises(Unavailable):
        await provider.tickets.get([str(bad)])
    for n in range(120):
        vendor.add_comment(int(seed.oven), f"<div>{n}</div>")
    vendor.conversations[min(vendor.conversations)]["incoming"] = strange
    comments = await provider.comments.for_ticket(seed.oven)
    assert comments is not None
    assert [each.text for each in comments[1:]] == ["Good to know.", *map(str, range(120))]
    vendor.contacts[requester]["name"] = strange
    found = await provider.people.search(None, email=vendor.contacts[int(seed.katherine)]["email"])
    assert [each.id for each in found.users] == [seed.katherine]
    assert (await provider.people.search(None, limit=50)).users
    vendor.agents[4711] = {"id": 4711, "contact": strange}
    assert [each.agent for each in await provider.calls.availability(None)] == [seed.agent]


REFUSALS: list[tuple[int, dict[str, Any], type[ToolFailure]]] = [
    (400, {"errors": [{"field": "priority", "code": "invalid_value"}]}, Rejected),
    (400, {"errors": [{"field": "email", "code": "duplicate_value"}]}, Conflict),
    (409, {"errors": [{"field": "email", "code": "duplicate_value"}]}, Conflict),
    (403, {"code": "inaccessible_field"}, Forbidden),
    (400, {"errors": [{"field": "type", "code": "inaccessible_field"}]}, Forbidden),
    (500, {"errors": [{"field": "type", "code": "missing_field"}]}, Rejected),
    (403, {"code": "require_feature"}, Forbidden),
    (403, {"code": "password_lockout"}, Disconnected),
    (401, {"code": "invalid_credentials"}, Disconnected),
    (400, {"errors": [{"code": "missing_field"}, {"code": "access_denied"}]}, Forbidden),
    # Not codes: the status counts.
    (404, {"code": BODY_CANARY}, NotFound),
    (400, {"errors": BODY_CANARY}, Rejected),
    (403, {"errors": [BODY_CANARY]}, Forbidden),
]


@pytest.mark.parametrize(("status", "body", "failure"), REFUSALS)
async def test_a_refusal_is_what_its_code_says(
    harness: FreshdeskHarness, status: int, body: dict[str, Any], failure: type[ToolFailure]
) -> None:
    refusal = {"description": BODY_CANARY, **body}
    harness.vendor.fail(lambda _: httpx2.Response(status, json=refusal), times=9)
    for _ in range(9):  # the breaker stays closed
        with pytest.raises(failure) as refused:
            await harness.connect().tickets.update(
                [TicketChange(id=harness.seed.oven, type="task")]
            )
        assert BODY_CANARY not in str(refused.value)
    harness.vendor.recover()
    assert await harness.connect().tickets.get([harness.seed.oven])


async def test_a_taken_address_is_said(harness: FreshdeskHarness) -> None:
    email = harness.vendor.contacts[int(harness.seed.tomasz)]["email"]
    with pytest.raises(Conflict) as taken:
        await harness.connect().people.create(UserDraft(name="Ann", email=email))
    assert "e-mail address" in taken.value.spoken


async def test_what_freshdesk_would_not_take_is_not_sent(harness: FreshdeskHarness) -> None:
    """A subject has 255 characters at most, and a ticket is due at a moment."""
    tickets, oven = harness.connect().tickets, harness.seed.oven
    long = "m" * 256
    with pytest.raises(Rejected, match="255"):
        await tickets.create([TicketDraft(subject=long, text="x", requester_email="a@b.example")])
    with pytest.raises(Rejected, match="255"):
        await tickets.update([TicketChange(id=oven, subject=long)])
    for due in ("2026-12-01", "2026-12-01T17:00:00"):
        with pytest.raises(Rejected, match="due_by is a moment"):
            await tickets.update([TicketChange(id=oven, fields={"due_by": due})])
    assert harness.vendor.requests == []
