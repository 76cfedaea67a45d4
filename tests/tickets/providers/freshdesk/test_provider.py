"""Freshdesk: what every desk does, and what only it does when tickets are written."""

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
from tests.tickets.providers.freshdesk.double import SECRETS, PlayedFreshdesk
from tests.tickets.providers.freshdesk.memory import written
from tests.tickets.providers.freshdesk.office import Office
from tickets.provider import CallLog, Change, Draft
from toolkit.errors import NotFound, OutcomeUnknown, RateLimited, Rejected, ToolFailure

ANN = {"requester_name": "Ann One", "requester_email": "ann@example.com"}
HUMS = Draft(subject="Mixer hums", text="It hums.\nAll day.", requester_email="ann@example.com")
PATIENCE = refused(429, **{"Retry-After": "3600"})


class TestFreshdesk(TicketsContract):
    provider = "freshdesk"
    secrets: ClassVar[dict[str, str]] = SECRETS
    unsupported = frozenset({"get_user_ccd_tickets"})

    def new_vendor(self) -> PlayedFreshdesk:
        assert CANARY in SECRETS["api_key"]
        return PlayedFreshdesk()


@pytest.fixture
def office(database: Database, tenant: Tenant) -> Office:
    return Office(database, tenant)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.http.client._PAUSE", 0.0)
    monkeypatch.setattr("toolkit.http.polling._FIRST", 0.0)


@pytest.mark.parametrize("domain", ["", "evil.example/", "a.b", "acme@evil", "-acme", "acme\n"])
def test_a_domain_is_a_name_and_no_address(office: Office, domain: str) -> None:
    with pytest.raises(ValidationError) as caught:
        office.open(domain=domain)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(vars(office.open()))


async def test_another_host_is_asked_where_the_account_names_one(office: Office) -> None:
    with pytest.raises(AssertionError, match=r"http://desk\.internal:81/api/v2/agents/me"):
        await office.open(settings={"base_url": "http://desk.internal:81/"}).check()


async def test_a_ticket_says_what_freshdesk_has_to_know(office: Office) -> None:
    draft = Draft(
        subject="Till <b>jams</b>",
        text="It says <script>no</script> & stops.\nTwice.",
        requester_phone="+4930555044",
        assignee=office.seed.agent,
        type="task",
        tags=("till", "new"),
        fields={"cf_floor": 2, "cf_old": None, "group_id": 12},
    )
    (opened,) = (await office.open().create([draft])).done
    assert office.vendor.bodies() == [
        {
            "subject": "Till <b>jams</b>",
            "description": "<div>It says &lt;script&gt;no&lt;/script&gt; &amp; stops."
            "<br>Twice.</div>",
            "status": 2,
            "priority": 1,
            "source": 3,
            "name": "+4930555044",
            "phone": "+4930555044",
            "responder_id": int(office.seed.agent),
            "type": "Task",
            "tags": ["till", "new"],
            "custom_fields": {"cf_floor": 2, "cf_old": None},
            "group_id": 12,
        }
    ]
    (ticket,) = await office.open().tickets([opened])
    assert ticket.text == "It says <script>no</script> & stops. Twice."
    assert (ticket.type, ticket.priority, ticket.tags) == ("task", "low", ("till", "new"))


async def test_somebody_has_to_ask(office: Office) -> None:
    with pytest.raises(Rejected) as caught:
        await office.open().create([Draft(subject="a", text="b", requester_name="Ann")])
    assert "phone number" in caught.value.spoken
    for bad in ("nobody", "0", "../7", "7;8", "9" * 19):
        with pytest.raises(NotFound):
            await office.open().create([Draft(subject="a", text="b", requester=bad)])
    assert office.vendor.requests == []


async def test_many_are_opened_a_few_at_a_time(office: Office) -> None:
    drafts = [HUMS.model_copy(update={"subject": f"No. {n}"}) for n in range(12)]
    drafts[3] = Draft(subject="No. 3", text="Nobody asks.")
    batch = await office.open().create(drafts)
    assert office.vendor.most_at_once == 4
    subjects = {each["id"]: each["subject"] for each in office.vendor.held()}
    assert [subjects[each] for each in batch.done] == [
        each.subject for each in drafts if each.requester_email
    ]
    assert [each.which for each in batch.refused] == ["4"]


@pytest.mark.parametrize(("fault", "wrong"), [(PATIENCE, RateLimited), (timed_out, OutcomeUnknown)])
async def test_what_goes_wrong_at_once_ends_it(
    office: Office, fault: Fault, wrong: type[ToolFailure]
) -> None:
    office.vendor.fail(fault, writes=True, times=9)
    with pytest.raises(wrong):
        await office.open().create([HUMS] * 7)
    assert len(office.vendor.written()) == 1


async def test_what_goes_wrong_later_leaves_the_rest_undone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = office.vendor.answer

    def limited(request: httpx2.Request) -> httpx2.Response:
        return (PATIENCE if len(office.vendor.written()) == 4 else answer)(request)

    monkeypatch.setattr(office.vendor, "answer", limited)
    batch = await office.open().create([HUMS] * 9)
    assert len(batch.done) == 4
    assert [each.which for each in batch.refused] == ["4", "6", "7", "8", "9"]
    assert len(office.vendor.written()) == 5


async def test_nothing_is_begun_when_the_time_is_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.providers.freshdesk.client._SPREAD", 0.0)
    batch = await office.open().create([HUMS] * 3)
    assert (batch.done, len(batch.refused)) == ((), 3)
    assert office.vendor.requests == []


async def test_a_lost_ticket_is_known_by_all_that_was_sent(office: Office) -> None:
    ann = office.vendor.contact("Ann One", email="Ann@example.com", phone="+49 30 555 0 44")
    bob = office.vendor.contact("Bob Two", email="bob@example.com", phone="+49 30 555 0 55")
    same = {"subject": "Mixer  hums", "text": "It hums. All day."}
    office.vendor.ticket(**same, requester_id=bob)
    office.vendor.ticket(**{**same, "text": "It sings."}, requester_id=ann)
    office.vendor.ticket(**{**same, "subject": "Mixer stops"}, requester_id=ann)
    old = office.vendor.ticket(**same, requester_id=ann)
    office.vendor.tickets[old]["created_at"] = written(now() - timedelta(days=2))
    assert await office.open().find_lost_create([HUMS]) is None
    assert office.vendor.requests == []
    assert await office.open(again=True).find_lost_create([HUMS]) is None
    mine = office.vendor.ticket(**same, requester_id=ann)
    by_phone = HUMS.model_copy(update={"requester_email": None, "requester_phone": "+4930555044"})
    by_id = HUMS.model_copy(update={"requester_email": None, "requester": str(ann)})
    for draft in (HUMS, by_phone, by_id):
        found = await office.open(again=True).find_lost_create([draft])
        assert found is not None
        assert found.done == (str(mine),)
    some = await office.open(again=True).find_lost_create([HUMS, HUMS])
    assert some is not None
    assert (some.done, [each.which for each in some.refused]) == ((str(mine),), ["2"])


async def test_a_lost_ticket_among_very_many_is_not_called_unopened(office: Office) -> None:
    ann = office.vendor.contact("Ann One", email="ann@example.com")
    lost = office.vendor.ticket("Mixer hums", "It hums. All day.", requester_id=ann)
    for n in range(300):
        office.vendor.ticket(f"No. {n}", "x", requester_id=ann)
    with pytest.raises(OutcomeUnknown):
        await office.open(again=True).find_lost_create([HUMS])
    # Once what comes is older than the try, all that is newer has been seen.
    for n in office.vendor.tickets:
        if n != lost and n % 100:
            office.vendor.tickets[n]["created_at"] = written(now() - timedelta(days=3))
    found = await office.open(again=True).find_lost_create([HUMS])
    assert found is not None
    assert found.done == (str(lost),)


async def test_tags_are_set_as_a_whole(office: Office) -> None:
    change = Change(id=office.seed.oven, add_tags=("Oven", "hot"), remove_tags=("COLD",))
    office.vendor.tickets[int(office.seed.oven)]["tags"] = ["oven", "cold", "big"]
    await office.open().update([change])
    assert office.vendor.bodies() == [{"tags": ["oven", "big", "hot"]}]
    for bad in ("x", "0", "999999999"):
        with pytest.raises(NotFound):
            await office.open().update([change.model_copy(update={"id": bad})])
    assert len(office.vendor.written()) == 1


async def test_the_same_change_of_many_is_a_job(office: Office) -> None:
    oven, scale = office.seed.oven, office.seed.scale
    changes = [
        Change(id=each, status="solved", fields={"cf_a": 1}) for each in (oven, "999", "x", scale)
    ]
    batch = await office.open().update(changes)
    properties = {"status": 4, "custom_fields": {"cf_a": 1}}
    ids = [int(oven), 999, int(scale)]
    assert office.vendor.bodies() == [{"bulk_action": {"ids": ids, "properties": properties}}]
    assert batch.done == (oven, scale)
    assert {each.which for each in batch.refused} == {"999", "x"}
    office.vendor.tells_of_each = False
    assert (await office.open().delete([oven, scale])).done == (oven, scale)
    assert office.vendor.held() == []


@pytest.mark.parametrize("different", [{"subject": "New"}, {"priority": "low"}])
async def test_different_changes_are_made_one_by_one(
    office: Office, different: dict[str, str]
) -> None:
    """So is a subject, the same or not: Freshdesk's job changes none."""
    ids = [office.seed.oven, office.seed.scale]
    changes = [Change(id=each, status="solved") for each in ids]
    changes[0] = Change.model_validate({**changes[0].model_dump(), **different})
    batch = await office.open().update(changes)
    assert batch.done == (*ids,)
    assert [each.method for each in office.vendor.written()] == ["PUT", "PUT"]
    assert {each["status"] for each in office.vendor.held()} == {"solved"}


async def test_a_job_that_cannot_be_followed_is_named(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [Change(id=each, priority="low") for each in (office.seed.oven, office.seed.scale)]
    office.vendor.fail(refused(403), writes=False)
    batch = await office.open().update(changes)
    assert (batch.done, batch.refused) == ((), ())
    assert batch.job in office.vendor.jobs
    monkeypatch.setattr("toolkit.http.polling._FIRST", 99.0)
    office.vendor.slow_jobs = True
    assert (await office.open().update(changes)).job in office.vendor.jobs


async def test_merging_says_why_and_what_there_is_not(office: Office) -> None:
    oven, scale = office.seed.oven, office.seed.scale
    batch = await office.open().merge(oven, [scale, "999", "x"], "The <same>.")
    note = {"body": "<div>The &lt;same&gt;.</div>", "private": True}
    (body,) = office.vendor.bodies()
    assert body == {"primary_id": int(oven), "ticket_ids": [int(scale)], "note_in_primary": note}
    assert (batch.done, [each.which for each in batch.refused]) == ((scale,), ["999", "x"])
    await office.open().merge(oven, [scale], None)
    assert "note_in_primary" not in office.vendor.bodies()[-1]
    with pytest.raises(OutcomeUnknown):
        await office.open(again=True).merge(oven, [scale], None)


async def test_a_call_is_time_spent_on_a_ticket(office: Office) -> None:
    start = now().replace(microsecond=0) - timedelta(minutes=9)
    log = CallLog(
        phone="+4930555044",
        direction="outbound",
        started_at=start,
        seconds=3725,
        summary="Came to nothing.",
        ticket=office.seed.oven,
    )
    entry = await office.open().log_call(log)
    assert office.vendor.bodies() == [
        {
            "note": "Outbound call, +4930555044, 62:05 minutes. Came to nothing.",
            "time_spent": "01:03",
            "executed_at": written(start),
            "billable": False,
        }
    ]
    # When a call that has just ended began is another moment at each try.
    later = log.model_copy(update={"started_at": now()})
    assert await office.open(again=True).log_call(later) == entry
    other = later.model_copy(update={"summary": "Another."})
    assert await office.open(again=True).log_call(other) != entry
    with pytest.raises(Rejected) as caught:
        await office.open().log_call(log.model_copy(update={"ticket": None}))
    assert "ticket" in caught.value.advice
