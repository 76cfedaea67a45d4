"""Writes of the Zendesk provider: tickets, jobs, people and calls."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.support.vendors import BODY_CANARY, Fault, refused, timed_out
from tests.tickets.double import Seed
from tests.tickets.providers.zendesk.double import FakeZendesk
from tests.tickets.providers.zendesk.harness import (
    CALL,
    HUMS,
    KEY,
    Connect,
    provider_factory,
    request_body,
    request_lines,
)
from tickets.provider import TicketChange, UserDraft
from toolkit.errors import (
    Conflict,
    NotFound,
    OutcomeUnknown,
    Rejected,
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


async def test_what_is_created(
    connect: Connect, vendor: FakeZendesk, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One body in full, and the drafts that are refused before a request: a table of fields.

    Long because it is one table.
    """
    fields = {"custom_field_36": "Berlin", "custom_field_37": None, "group_id": 12}
    draft = HUMS.model_copy(
        update={"fields": fields, "type": "task", "tags": ("late",), "assignee": seed.agent}
    )
    # Of an own field the specification demands, when it is set, all that describes it.
    monkeypatch.setattr(FakeZendesk, "specification", None)
    await connect().tickets.create([draft])
    (request,) = vendor.written()
    assert request.headers["Idempotency-Key"] == KEY
    assert request.headers["Content-Type"] == "application/json"
    assert request_body(request) == {
        "ticket": {
            "subject": "Mixer hums",
            "comment": {"body": "It hums."},
            "type": "task",
            "tags": ["late"],
            "assignee_id": int(seed.agent),
            "external_id": f"antiphon:{KEY}",
            "group_id": 12,
            "custom_fields": [{"id": 36, "value": "Berlin"}, {"id": 37, "value": None}],
        }
    }
    for name in (
        "id",
        "comment",
        "status",
        "requester_id",
        "to_dict",
        "api",
        "custom_field_",
        "x.y",
    ):
        with pytest.raises(Rejected):
            await connect().tickets.create([HUMS.model_copy(update={"fields": {name: "1"}})])
    for wrong in ({"requester": "nobody"}, {"assignee": "../1"}):
        with pytest.raises(NotFound):
            await connect().tickets.create([HUMS.model_copy(update=wrong)])
    assert len(vendor.written()) == 1


async def test_who_has_called_is_who_the_ticket_is_for(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    async def requester(**values: str) -> dict[str, Any]:
        (ticket,) = (
            await connect(key=uuid4().hex * 2).tickets.create([HUMS.model_copy(update=values)])
        ).done
        return vendor.users[vendor.tickets[int(ticket)]["requester_id"]]

    brandt = {"requester_name": "Catherine Brandt", "requester_phone": "030 5550142"}
    assert (await requester(**brandt))["id"] == int(seed.katherine)
    # Another one at the same number, such as a colleague, is somebody else.
    other = await requester(requester_name="Jo Li", requester_phone="030 5550142")
    assert (other["name"], other["phone"]) == ("Jo Li", "030 5550142")
    number = await requester(requester_phone="+49 89 5550111")
    assert (number["name"], number["phone"]) == ("+49 89 5550111", "+49 89 5550111")
    assert (await requester())["id"] == vendor.us
    before = len(vendor.requests)
    many = [HUMS.model_copy(update={**brandt, "subject": f"Loaf {n}"}) for n in range(30)]
    batch = await connect().tickets.create(many)
    assert request_lines(vendor.requests[before:])[:2] == [
        "GET users/search",
        "POST tickets/create_many",
    ]
    assert {vendor.tickets[int(each)]["requester_id"] for each in batch.done} == {
        int(seed.katherine)
    }


async def test_of_many_each_is_refused_for_itself(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    drafts = [HUMS.model_copy(update={"subject": f"Loaf {n}"}) for n in range(4)]
    drafts[1] = drafts[1].model_copy(update={"requester": "nobody"})
    drafts[2] = drafts[2].model_copy(update={"requester": "4711"})
    batch = await connect().tickets.create(drafts)
    subjects = [vendor.tickets[int(each)]["subject"] for each in batch.done]
    assert subjects == ["Loaf 0", "Loaf 3"]
    assert {each.record for each in batch.refused} == {"2", "3"}
    assert BODY_CANARY not in str(batch)
    deleted = await connect().tickets.delete([seed.oven, "x/y", seed.scale, "4711"])
    assert deleted.done == (seed.oven, seed.scale)
    assert {each.record for each in deleted.refused} == {"x/y", "4711"}


def _finished(vendor: FakeZendesk, status: str, results: Any) -> Fault:
    """Return a fault: a job with this status and these results."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        job = {"id": "8b72", "status": status, "results": results}
        return httpx2.Response(200, json={"job_status": job})

    return answer


@pytest.mark.parametrize(
    ("status", "results", "done"),
    [
        ("completed", [{"id": 7, "success": True}, {"id": 8, "success": True}], ("7", "8")),
        ("completed", [{"id": 8, "success": True}, {"id": 7, "success": False}], ("8",)),
        # One who is refused may have the place instead of the id.
        (
            "completed",
            [{"id": 7, "status": "Updated"}, {"id": 2, "error": "UserUpdateError"}],
            ("7",),
        ),
        ("completed", {"success": True}, ("7", "8")),
        ("completed", None, ("7", "8")),
        ("failed", None, ()),
        ("killed", [{"id": 7, "success": True}], ("7",)),
    ],
)
async def test_how_a_job_ends(
    connect: Connect, vendor: FakeZendesk, status: str, results: Any, done: tuple[str, ...]
) -> None:
    vendor.fail(_finished(vendor, status, results))
    batch = await connect().tickets.update(
        [TicketChange(id=each, priority="low") for each in ("7", "8")]
    )
    assert batch.done == done
    assert [each.record for each in batch.refused] == [each for each in "78" if each not in done]
    assert batch.job is None


async def test_a_job_that_cannot_be_looked_at_is_not_called_a_failure(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    vendor.fail(refused(403), writes=False, times=9)
    changes = [TicketChange(id=each, priority="low") for each in (seed.oven, seed.scale)]
    batch = await connect().tickets.update(changes)
    assert batch.job in vendor.jobs
    assert (batch.done, batch.refused) == ((), ())


async def test_many_whose_answer_was_lost_are_found(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    drafts = [HUMS.model_copy(update={"subject": f"Loaf {n}"}) for n in range(3)]
    assert await connect(is_retry=True).tickets.find_lost_create(drafts) is None
    vendor.fail(timed_out, writes=True, done=True)
    with pytest.raises(OutcomeUnknown):
        await connect().tickets.create(drafts)
    found = await connect(is_retry=True).tickets.find_lost_create(drafts)
    assert found is not None
    assert [vendor.tickets[int(each)]["subject"] for each in found.done] == [
        *("Loaf 0", "Loaf 1", "Loaf 2")
    ]
    vendor.tickets[int(found.done[1])]["deleted"] = True
    some = await connect(is_retry=True).tickets.find_lost_create(drafts)
    assert some is not None
    assert [each.record for each in some.refused] == ["2"]
    assert await connect(is_retry=True, key="b2" * 32).tickets.find_lost_create(drafts) is None
    assert await connect().tickets.find_lost_create(drafts) is None


async def test_users_and_their_organizations(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    ann = UserDraft(name="Ann One", email="ann@example.com", organization="Corner Bakery")
    created = vendor.users[int(await connect().people.create(ann))]
    assert created["organization_id"] == int(seed.organization)
    with pytest.raises(Conflict):
        await connect().people.create(ann)
    with pytest.raises(Rejected, match="no organization"):
        await connect().people.create(UserDraft(name="Bo", organization="Nowhere"))
    number = UserDraft(id=seed.tomasz, organization=seed.organization)
    assert (await connect().people.update([number])).done == (seed.tomasz,)
    assert vendor.users[int(seed.tomasz)]["organization_id"] == int(seed.organization)


async def test_who_has_no_address_is_kept_by_the_number(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    outcome = await connect().people.upsert(
        [
            UserDraft(name="Joao Lima", email="joao@example.org"),
            UserDraft(name="Kathrin Brandt", phone="030 555 01 42"),
            UserDraft(name="Nadia Petrova", phone="+33 1 55500199"),
        ]
    )
    assert len(outcome.done) == 3
    assert outcome.refused == ()
    names = {each["phone"]: each["name"] for each in vendor.list_users()}
    assert names["030 555 01 42"] == "Kathrin Brandt"
    assert names["+33 1 55500199"] == "Nadia Petrova"
    assert vendor.users[int(seed.katherine)]["name"] == "Kathrin Brandt"
    with pytest.raises(OutcomeUnknown):
        await connect(is_retry=True).people.find_lost_create(
            UserDraft(name="Jo", phone="+33 1 55500198")
        )
    nadia = UserDraft(name="Nadia Petrova", phone="+33 1 55500199")
    found = await connect(is_retry=True).people.find_lost_create(nadia)
    assert vendor.users[int(found or 0)]["name"] == "Nadia Petrova"
    # Neither whoever else has the number, nor who has been there for long, is who was lost.
    with pytest.raises(OutcomeUnknown):
        await connect(is_retry=True).people.find_lost_create(
            nadia.model_copy(update={"name": "Jo"})
        )
    tomasz = UserDraft(name="Tomasz Nowak", email="tomasz.nowak@example.net")
    assert await connect(is_retry=True).people.find_lost_create(tomasz) == seed.tomasz
    vendor.users[int(seed.tomasz)]["created_at"] = "2026-01-01T00:00:00Z"
    assert await connect(is_retry=True).people.find_lost_create(tomasz) is None


async def test_a_call_is_a_comment_a_ticket_or_a_call(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    about = CALL.model_copy(update={"ticket": seed.oven})
    comment = await connect().calls.log(about)
    stored = vendor.comments[int(seed.oven)][-1]
    assert (str(stored["id"]), stored["public"]) == (comment, False)
    assert stored["body"] == (
        "Asked for the technician.\n\nCall from +49 30 5550142, 4:01, begun 2026-11-24 09:00 UTC."
    )
    # When it began is taken from the clock, which has gone on.
    later = about.model_copy(update={"started_at": datetime(2026, 11, 24, 9, 1, tzinfo=UTC)})
    assert await connect(is_retry=True).calls.log(later) == comment

    ticket = await connect().calls.log(CALL)
    opened = vendor.tickets[int(ticket)]
    assert (opened["status"], opened["requester_id"]) == ("solved", int(seed.katherine))
    assert [each["public"] for each in vendor.comments[int(ticket)]] == [False]
    assert await connect(is_retry=True).calls.log(CALL) == ticket

    talk = {"talk_app_id": 1352, "talk_line": "+49305550100"}
    outbound = about.model_copy(update={"direction": "outbound"})
    assert await connect(**talk).calls.log(outbound)
    assert vendor.calls[-1]["call"] == {
        "app_id": 1352,
        "from_line": "+49305550100",
        "to_line": "+49 30 5550142",
        "direction": "outbound",
        "call_started_at": "2026-11-24T09:00:05Z",
        "call_ended_at": "2026-11-24T09:04:06Z",
        "ticket_id": int(seed.oven),
    }
    assert vendor.calls[-1]["comment"]["title"] == "Asked for the technician."
    with pytest.raises(OutcomeUnknown):
        await connect(**talk, is_retry=True).calls.log(outbound)
    for elsewhere in ("nowhere", "999999999"):
        with pytest.raises(NotFound):
            await connect().calls.log(about.model_copy(update={"ticket": elsewhere}))
