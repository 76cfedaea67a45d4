"""The Freshdesk provider: the contract, and writes of tickets."""

from datetime import timedelta
from typing import ClassVar

import httpx2
import pytest
from pydantic import ValidationError

from config.columns import now
from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import Fault, refused, timed_out
from tests.tickets.contract import CANARY, TicketsContract
from tests.tickets.providers.freshdesk.double import SECRETS, FakeFreshdesk
from tests.tickets.providers.freshdesk.harness import FreshdeskHarness
from tests.tickets.providers.freshdesk.memory import to_timestamp
from tickets.provider import CallLog, TicketChange, TicketDraft
from tickets.providers.freshdesk.client import FreshdeskClient
from tickets.providers.freshdesk.tickets import FreshdeskTickets
from toolkit.errors import NotFound, OutcomeUnknown, RateLimited, Rejected, ToolFailure

ANN = {"requester_name": "Ann One", "requester_email": "ann@example.com"}
HUMS = TicketDraft(
    subject="Mixer hums", text="It hums.\nAll day.", requester_email="ann@example.com"
)
RATE_LIMITED = refused(429, **{"Retry-After": "3600"})


class TestFreshdesk(TicketsContract):
    provider = "freshdesk"
    secrets: ClassVar[dict[str, str]] = SECRETS
    unsupported = frozenset({"get_user_ccd_tickets"})

    def new_vendor(self) -> FakeFreshdesk:
        assert CANARY in SECRETS["api_key"]
        return FakeFreshdesk()


@pytest.fixture
def harness(database: Database, tenant: Tenant) -> FreshdeskHarness:
    return FreshdeskHarness(database, tenant)


@pytest.mark.parametrize("domain", ["", "evil.example/", "a.b", "acme@evil", "-acme", "acme\n"])
def test_a_domain_is_a_name_and_no_address(harness: FreshdeskHarness, domain: str) -> None:
    with pytest.raises(ValidationError) as caught:
        harness.connect(domain=domain)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(vars(harness.connect()))


async def test_another_host_is_asked_where_the_account_names_one(harness: FreshdeskHarness) -> None:
    with pytest.raises(AssertionError, match=r"http://desk\.internal:81/api/v2/agents/me"):
        await harness.connect(settings={"base_url": "http://desk.internal:81/"}).check()


async def test_a_ticket_says_what_freshdesk_has_to_know(harness: FreshdeskHarness) -> None:
    draft = TicketDraft(
        subject="Till <b>jams</b>",
        text="It says <script>no</script> & stops.\nTwice.",
        requester_phone="+4930555044",
        assignee=harness.seed.agent,
        type="task",
        tags=("till", "new"),
        fields={"cf_floor": 2, "cf_old": None, "group_id": 12},
    )
    (opened,) = (await harness.connect().tickets.create([draft])).done
    assert harness.vendor.written_bodies() == [
        {
            "subject": "Till <b>jams</b>",
            "description": "<div>It says &lt;script&gt;no&lt;/script&gt; &amp; stops."
            "<br>Twice.</div>",
            "status": 2,
            "priority": 1,
            "source": 3,
            "name": "+4930555044",
            "phone": "+4930555044",
            "responder_id": int(harness.seed.agent),
            "type": "Task",
            "tags": ["till", "new"],
            "custom_fields": {"cf_floor": 2, "cf_old": None},
            "group_id": 12,
        }
    ]
    (ticket,) = await harness.connect().tickets.get([opened])
    assert ticket.text == "It says <script>no</script> & stops. Twice."
    assert (ticket.type, ticket.priority, ticket.tags) == ("task", "low", ("till", "new"))


async def test_somebody_has_to_ask(harness: FreshdeskHarness) -> None:
    with pytest.raises(Rejected) as caught:
        await harness.connect().tickets.create(
            [TicketDraft(subject="a", text="b", requester_name="Ann")]
        )
    assert "phone number" in caught.value.spoken
    for bad in ("nobody", "0", "../7", "7;8", "9" * 19):
        with pytest.raises(NotFound):
            await harness.connect().tickets.create(
                [TicketDraft(subject="a", text="b", requester=bad)]
            )
    assert harness.vendor.requests == []


async def test_many_are_opened_a_few_at_a_time(harness: FreshdeskHarness) -> None:
    drafts = [HUMS.model_copy(update={"subject": f"No. {n}"}) for n in range(12)]
    drafts[3] = TicketDraft(subject="No. 3", text="Nobody asks.")
    batch = await harness.connect().tickets.create(drafts)
    assert harness.vendor.max_concurrency == 4
    subjects = {each["id"]: each["subject"] for each in harness.vendor.list_tickets()}
    assert [subjects[each] for each in batch.done] == [
        each.subject for each in drafts if each.requester_email
    ]
    assert [each.record for each in batch.refused] == ["4"]


@pytest.mark.parametrize(
    ("fault", "wrong"), [(RATE_LIMITED, RateLimited), (timed_out, OutcomeUnknown)]
)
async def test_what_goes_wrong_at_once_ends_it(
    harness: FreshdeskHarness, fault: Fault, wrong: type[ToolFailure]
) -> None:
    harness.vendor.fail(fault, writes=True, times=9)
    with pytest.raises(wrong):
        await harness.connect().tickets.create([HUMS] * 7)
    assert len(harness.vendor.written()) == 1


async def test_what_goes_wrong_later_leaves_the_rest_undone(
    harness: FreshdeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = harness.vendor.answer

    def limited(request: httpx2.Request) -> httpx2.Response:
        return (RATE_LIMITED if len(harness.vendor.written()) == 4 else answer)(request)

    monkeypatch.setattr(harness.vendor, "answer", limited)
    batch = await harness.connect().tickets.create([HUMS] * 9)
    assert len(batch.done) == 4
    assert [each.record for each in batch.refused] == ["4", "6", "7", "8", "9"]
    assert len(harness.vendor.written()) == 5


async def test_nothing_is_begun_when_the_time_is_over(
    harness: FreshdeskHarness,
) -> None:
    client = FreshdeskClient(harness.account(), harness.call(), bulk_budget=0.0)
    batch = await FreshdeskTickets(client).create([HUMS] * 3)
    assert (batch.done, len(batch.refused)) == ((), 3)
    assert harness.vendor.requests == []


async def test_a_lost_ticket_is_known_by_all_that_was_sent(harness: FreshdeskHarness) -> None:
    ann = harness.vendor.add_contact("Ann One", email="Ann@example.com", phone="+49 30 555 0 44")
    bob = harness.vendor.add_contact("Bob Two", email="bob@example.com", phone="+49 30 555 0 55")
    same = {"subject": "Mixer  hums", "text": "It hums. All day."}
    harness.vendor.add_ticket(**same, requester_id=bob)
    harness.vendor.add_ticket(**{**same, "text": "It sings."}, requester_id=ann)
    harness.vendor.add_ticket(**{**same, "subject": "Mixer stops"}, requester_id=ann)
    old = harness.vendor.add_ticket(**same, requester_id=ann)
    harness.vendor.tickets[old]["created_at"] = to_timestamp(now() - timedelta(days=2))
    assert await harness.connect().tickets.find_lost_create([HUMS]) is None
    assert harness.vendor.requests == []
    assert await harness.connect(is_retry=True).tickets.find_lost_create([HUMS]) is None
    mine = harness.vendor.add_ticket(**same, requester_id=ann)
    by_phone = HUMS.model_copy(update={"requester_email": None, "requester_phone": "+4930555044"})
    by_id = HUMS.model_copy(update={"requester_email": None, "requester": str(ann)})
    for draft in (HUMS, by_phone, by_id):
        found = await harness.connect(is_retry=True).tickets.find_lost_create([draft])
        assert found is not None
        assert found.done == (str(mine),)
    some = await harness.connect(is_retry=True).tickets.find_lost_create([HUMS, HUMS])
    assert some is not None
    assert (some.done, [each.record for each in some.refused]) == ((str(mine),), ["2"])


async def test_a_lost_ticket_among_very_many_is_not_called_unopened(
    harness: FreshdeskHarness,
) -> None:
    ann = harness.vendor.add_contact("Ann One", email="ann@example.com")
    lost = harness.vendor.add_ticket("Mixer hums", "It hums. All day.", requester_id=ann)
    for n in range(300):
        harness.vendor.add_ticket(f"No. {n}", "x", requester_id=ann)
    with pytest.raises(OutcomeUnknown):
        await harness.connect(is_retry=True).tickets.find_lost_create([HUMS])
    # Once what comes is older than the try, all that is newer has been seen.
    for n in harness.vendor.tickets:
        if n != lost and n % 100:
            harness.vendor.tickets[n]["created_at"] = to_timestamp(now() - timedelta(days=3))
    found = await harness.connect(is_retry=True).tickets.find_lost_create([HUMS])
    assert found is not None
    assert found.done == (str(lost),)


async def test_tags_are_set_as_a_whole(harness: FreshdeskHarness) -> None:
    change = TicketChange(id=harness.seed.oven, add_tags=("Oven", "hot"), remove_tags=("COLD",))
    harness.vendor.tickets[int(harness.seed.oven)]["tags"] = ["oven", "cold", "big"]
    await harness.connect().tickets.update([change])
    assert harness.vendor.written_bodies() == [{"tags": ["oven", "big", "hot"]}]
    for bad in ("x", "0", "999999999"):
        with pytest.raises(NotFound):
            await harness.connect().tickets.update([change.model_copy(update={"id": bad})])
    assert len(harness.vendor.written()) == 1


async def test_the_same_change_of_many_is_a_job(harness: FreshdeskHarness) -> None:
    oven, scale = harness.seed.oven, harness.seed.scale
    changes = [
        TicketChange(id=each, status="solved", fields={"cf_a": 1})
        for each in (oven, "999", "x", scale)
    ]
    batch = await harness.connect().tickets.update(changes)
    properties = {"status": 4, "custom_fields": {"cf_a": 1}}
    ids = [int(oven), 999, int(scale)]
    assert harness.vendor.written_bodies() == [
        {"bulk_action": {"ids": ids, "properties": properties}}
    ]
    assert batch.done == (oven, scale)
    assert {each.record for each in batch.refused} == {"999", "x"}
    harness.vendor.job_lists_records = False
    assert (await harness.connect().tickets.delete([oven, scale])).done == (oven, scale)
    assert harness.vendor.list_tickets() == []


@pytest.mark.parametrize("different", [{"subject": "New"}, {"priority": "low"}])
async def test_different_changes_are_made_one_by_one(
    harness: FreshdeskHarness, different: dict[str, str]
) -> None:
    """So is a subject, the same or not: Freshdesk's job changes none."""
    ids = [harness.seed.oven, harness.seed.scale]
    changes = [TicketChange(id=each, status="solved") for each in ids]
    changes[0] = TicketChange.model_validate({**changes[0].model_dump(), **different})
    batch = await harness.connect().tickets.update(changes)
    assert batch.done == (*ids,)
    assert [each.method for each in harness.vendor.written()] == ["PUT", "PUT"]
    assert {each["status"] for each in harness.vendor.list_tickets()} == {"solved"}


async def test_a_job_that_cannot_be_followed_is_named(harness: FreshdeskHarness) -> None:
    changes = [
        TicketChange(id=each, priority="low") for each in (harness.seed.oven, harness.seed.scale)
    ]
    harness.vendor.fail(refused(403), writes=False)
    batch = await harness.connect().tickets.update(changes)
    assert (batch.done, batch.refused) == ((), ())
    assert batch.job in harness.vendor.jobs
    # With time for one request for the job's state, and none for a second.
    slow = harness.connect(first_poll_pause=99.0)
    harness.vendor.slow_jobs = True
    assert (await slow.tickets.update(changes)).job in harness.vendor.jobs


async def test_merging_says_why_and_what_there_is_not(harness: FreshdeskHarness) -> None:
    oven, scale = harness.seed.oven, harness.seed.scale
    batch = await harness.connect().tickets.merge(oven, [scale, "999", "x"], "The <same>.")
    note = {"body": "<div>The &lt;same&gt;.</div>", "private": True}
    (body,) = harness.vendor.written_bodies()
    assert body == {"primary_id": int(oven), "ticket_ids": [int(scale)], "note_in_primary": note}
    assert (batch.done, [each.record for each in batch.refused]) == ((scale,), ["999", "x"])
    await harness.connect().tickets.merge(oven, [scale], None)
    assert "note_in_primary" not in harness.vendor.written_bodies()[-1]
    with pytest.raises(OutcomeUnknown):
        await harness.connect(is_retry=True).tickets.merge(oven, [scale], None)


async def test_a_call_is_time_spent_on_a_ticket(harness: FreshdeskHarness) -> None:
    start = now().replace(microsecond=0) - timedelta(minutes=9)
    log = CallLog(
        phone="+4930555044",
        direction="outbound",
        started_at=start,
        seconds=3725,
        summary="Came to nothing.",
        ticket=harness.seed.oven,
    )
    entry = await harness.connect().calls.log(log)
    assert harness.vendor.written_bodies() == [
        {
            "note": "Outbound call, +4930555044, 62:05 minutes. Came to nothing.",
            "time_spent": "01:03",
            "executed_at": to_timestamp(start),
            "billable": False,
        }
    ]
    # When a call that has just ended began is another moment at each try.
    later = log.model_copy(update={"started_at": now()})
    assert await harness.connect(is_retry=True).calls.log(later) == entry
    other = later.model_copy(update={"summary": "Another."})
    assert await harness.connect(is_retry=True).calls.log(other) != entry
    with pytest.raises(Rejected) as caught:
        await harness.connect().calls.log(log.model_copy(update={"ticket": None}))
    assert "ticket" in caught.value.advice
