"""What Zendesk says of its records: deleted ones, unreadable ones, authors, and refusals."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from tests.support.vendors import BODY_CANARY, Fault
from tests.tickets.double import ORGANIZATION, Seed
from tests.tickets.providers.zendesk.double import FakeZendesk
from tests.tickets.providers.zendesk.harness import HUMS, Connect, provider_factory
from tickets.provider import TicketChange, TicketQuery, UserDraft
from toolkit.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    ToolFailure,
    Unavailable,
)


@pytest.fixture
def vendor() -> FakeZendesk:
    return FakeZendesk()


@pytest.fixture
def seed(vendor: FakeZendesk) -> Seed:
    return vendor.seed()


@pytest.fixture
async def connect(vendor: FakeZendesk) -> AsyncGenerator[Connect]:
    async with provider_factory(vendor) as factory:
        yield factory


async def test_a_deleted_user_is_gone_and_is_never_written_to(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    """Zendesk still answers with them: "active: false if the user has been deleted"."""
    people, katherine = connect().people, vendor.users[int(seed.katherine)]
    await people.delete(seed.katherine)
    assert [each.gone for each in await people.get([seed.katherine])] == [True]
    assert [each.gone for each in await people.get([seed.katherine, seed.tomasz])] == [True, False]
    for found in (
        await people.search("Katherine Brandt"),
        await people.search(None, email=katherine["email"]),
        await people.search(None, phone=katherine["phone"]),
        await people.search(None, limit=50),
    ):
        assert seed.katherine not in [each.id for each in found.users]
    changes = [UserDraft(id=each, name="New Name") for each in (seed.katherine, seed.tomasz)]
    batch = await people.update(changes)
    assert (batch.done, [each.record for each in batch.refused]) == (
        (seed.tomasz,),
        [seed.katherine],
    )
    (added,) = (await people.upsert([UserDraft(name="K", phone=katherine["phone"])])).done
    assert added != seed.katherine
    assert katherine["name"] == "Katherine Brandt"
    caller = {"requester_name": "Katherine Brandt", "requester_phone": katherine["phone"]}
    (ticket,) = (await connect().tickets.create([HUMS.model_copy(update=caller)])).done
    assert vendor.tickets[int(ticket)]["requester_id"] != int(seed.katherine)
    await people.delete(seed.agent)
    assert await connect().calls.availability(seed.agent) == []


async def test_a_deleted_ticket_is_none(connect: Connect, vendor: FakeZendesk, seed: Seed) -> None:
    """Zendesk keeps it with the status "deleted", which its incremental export documents."""
    vendor.tickets[int(seed.oven)]["status"] = "deleted"
    tickets = connect().tickets
    assert [each.id for each in await tickets.get([seed.oven, seed.scale])] == [seed.scale]
    assert await tickets.get([seed.oven]) == []
    for query in (TicketQuery(), TicketQuery(text="cold"), TicketQuery(type="problem")):
        assert seed.oven not in [each.id for each in (await tickets.search(query)).tickets]


async def test_who_wrote_a_comment_is_what_zendesk_says(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    """By the author's role, and by `via.channel`: ViaObject names "rule" and "system"."""
    scale, roles = int(seed.scale), vendor.users
    nobody = vendor.add_user("No role", role=None)
    written: list[tuple[int | None, str, bool | None, str]] = [
        (int(seed.agent), "api", True, "agent"),
        (int(seed.tomasz), "email", True, "customer"),
        (vendor.us, "api", False, "us"),
        (-1, "web", True, "system"),
        (vendor.us, "rule", True, "system"),
        (nobody, "web", None, "unknown"),
        (4711, "web", True, "unknown"),  # an author whom Zendesk no longer has
        (None, "web", True, "unknown"),
    ]
    vendor.comments[scale].clear()
    for author, channel, public, _ in written:
        vendor.add_comment(scale, author or 0, "Well.")
        stored = vendor.comments[scale][-1]
        stored |= {"author_id": author, "via": {"channel": channel}, "public": public}
    assert roles[nobody]["role"] is None
    comments = await connect().comments.for_ticket(seed.scale) or []
    assert [(each.by, each.public) for each in comments] == [
        (by, public) for _, _, public, by in written
    ]
    assert [each.role for each in await connect().people.get([str(nobody)])] == [None]


async def test_one_unreadable_record_hides_no_other(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    strange = {"id": {"is": BODY_CANARY}, "name": "Oven", "subject": "Oven stays cold"}
    number = 999_000
    provider = connect()
    vendor.comments[int(seed.oven)].append({**strange, "body": "?", "author_id": 1})
    comments = await provider.comments.for_ticket(seed.oven)
    assert comments is not None
    assert comments[-1].text == "Good to know."
    vendor.organizations[number] = {**strange, "name": ORGANIZATION}
    await provider.people.update([UserDraft(id=seed.tomasz, organization=ORGANIZATION)])
    assert vendor.users[int(seed.tomasz)]["organization_id"] == int(seed.organization)
    vendor.users[number] = {**vendor.users[int(seed.tomasz)], "id": number, "created_at": 5.5}
    vendor.users[number]["name"] = ["Katherine Brandt"]
    found = await provider.people.get([seed.tomasz, str(number)])
    assert [each.id for each in found] == [seed.tomasz]
    del vendor.users[number]
    vendor.tickets[number] = {**vendor.tickets[int(seed.oven)], "id": number, "tags": 7}
    vendor.comments[number] = []
    found_tickets = await provider.tickets.get([seed.oven, str(number), seed.scale])
    assert [each.id for each in found_tickets] == [seed.oven, seed.scale]
    page = await provider.tickets.search(TicketQuery(limit=2))
    assert {each.id for each in page.tickets} <= {seed.oven, seed.scale}
    assert page.more
    # It alone is not said to be missing.
    for alone in ([{"id": BODY_CANARY}], [5]):
        vendor.fail(_answers({"tickets": alone}))
        with pytest.raises(Unavailable):
            await provider.tickets.get([str(number)])


def _answers(body: dict[str, Any]) -> Fault:
    return lambda _: httpx2.Response(200, json=body)


async def test_an_unreadable_result_of_a_job_is_in_nobody_s_place(
    connect: Connect, vendor: FakeZendesk
) -> None:
    def finished(_: httpx2.Request) -> httpx2.Response:
        results = [{"id": 7, "success": True}, {"id": "x", "success": True}, {"success": False}]
        job = {"id": "8b72", "status": "completed", "results": results}
        return httpx2.Response(200, json={"job_status": job})

    vendor.fail(finished)
    changes = [TicketChange(id=each, priority="low") for each in ("7", "8", "9")]
    batch = await connect().tickets.update(changes)
    assert batch.done == ("7",)
    assert [(each.record, each.reason) for each in batch.refused] == [
        ("8", "Whether it was done is not known."),
        ("9", "Zendesk did not take it."),
    ]
    vendor.fail(finished)
    created = await connect().tickets.create([HUMS] * 3)
    assert created.done == ("7",)


REFUSALS: list[tuple[int, dict[str, Any], type[ToolFailure]]] = [
    (422, {"error": "RecordInvalid"}, Rejected),
    (400, {"error": "RecordInvalid"}, Rejected),
    (422, {"error": "RecordInvalid", "details": {"email": [{"error": "BlankValue"}]}}, Rejected),
    (
        422,
        {"error": "RecordInvalid", "details": {"email": [{"error": "DuplicateValue"}]}},
        Conflict,
    ),
    (422, {"error": "RecordNotFound"}, NotFound),
    (500, {"error": "RecordNotFound"}, NotFound),
    (503, {"error": "RecordInvalid"}, Rejected),
    (409, {"error": "UpdateConflict"}, Conflict),
    (400, {"error": "TooManyValues", "max_count": 100}, Rejected),
    (500, {"error": "Forbidden"}, Forbidden),
    # Not codes: the status counts.
    (404, {"error": {"title": "Forbidden", "message": BODY_CANARY}}, NotFound),
    (422, {"error": BODY_CANARY, "details": BODY_CANARY}, Rejected),
]


@pytest.mark.parametrize(("status", "body", "failure"), REFUSALS)
async def test_a_refusal_is_what_its_code_says(
    connect: Connect,
    vendor: FakeZendesk,
    seed: Seed,
    status: int,
    body: dict[str, Any],
    failure: type[ToolFailure],
) -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, json={"description": BODY_CANARY, **body})

    vendor.fail(refuse, times=9)
    for _ in range(9):  # the breaker stays closed
        with pytest.raises(failure) as refused:
            await connect().tickets.update([TicketChange(id=seed.oven, priority="low")])
        assert BODY_CANARY not in str(refused.value)
    vendor.recover()
    assert await connect().tickets.get([seed.oven])


async def test_a_taken_address_is_said(connect: Connect, vendor: FakeZendesk, seed: Seed) -> None:
    email = vendor.users[int(seed.tomasz)]["email"]
    with pytest.raises(Conflict) as taken:
        await connect().people.create(UserDraft(name="Ann", email=email))
    assert "e-mail address" in taken.value.spoken
    assert [each.url.path for each in vendor.requests] == ["/api/v2/users"]


async def test_when_a_task_is_due_is_a_moment(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    """TicketObject: a task is due at an ISO 8601 moment; one without an offset would be UTC."""
    for due in ("2026-12-01", "2026-12-01T17:00:00", "soon", 5):
        with pytest.raises(Rejected, match="due_at is a moment"):
            await connect().tickets.update([TicketChange(id=seed.oven, fields={"due_at": due})])
    assert vendor.requests == []
    moments = ("2026-12-01T17:00:00+01:00", "2026-12-01T16:00:00Z", None)
    for moment in moments:
        await connect().tickets.update([TicketChange(id=seed.oven, fields={"due_at": moment})])
        assert vendor.tickets[int(seed.oven)]["due_at"] == moment
