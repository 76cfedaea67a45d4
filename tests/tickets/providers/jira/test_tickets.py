"""The Jira provider's issues, comments and calls."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import timed_out
from tests.tickets.double import Seed
from tests.tickets.providers.jira import jql as reader
from tests.tickets.providers.jira import memory
from tests.tickets.providers.jira.double import FakeJira
from tests.tickets.providers.jira.harness import Connect, provider_factory
from tickets.provider import CallLog, TicketChange, TicketDraft, TicketQuery
from toolkit.errors import NotFound, OutcomeUnknown, Rejected, Unavailable

NEW = TicketDraft(subject="Mixer hums", text="It hums.")
CALL = CallLog(
    phone="+49 30 5550142",
    direction="inbound",
    started_at=datetime(2026, 11, 24, 9, 0, 5, 20_000, timezone(timedelta(hours=5, minutes=30))),
    seconds=41,
    summary="Asked for the technician.",
)


@pytest.fixture
def jira() -> FakeJira:
    return FakeJira()


@pytest.fixture
def seed(jira: FakeJira) -> Seed:
    return jira.seed()


@pytest_asyncio.fixture
async def connect(jira: FakeJira, database: Database, tenant: Tenant) -> AsyncGenerator[Connect]:
    async with provider_factory(jira, database, tenant) as factory:
        yield factory


async def test_a_status_is_reached_by_a_step_of_the_workflow(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    async def status(wanted: str) -> str:
        await connect().tickets.update([TicketChange(id=seed.oven, status=wanted)])
        return str(jira.memory.get_issue(seed.oven)["fields"]["status"]["name"])

    assert await status("closed") == "Done"  # not "Won't do", which is listed first
    assert await status("solved") == "Done"
    assert await status("WAITING FOR PARTS") == "Waiting for parts"
    (shown,) = await connect().tickets.get([seed.oven])
    assert shown.status == "Waiting for parts"
    assert await status("open") == "In Progress"
    written = len(jira.written())
    assert await status("open") == "In Progress"
    assert await status("pending") == "In Progress"  # all that this workflow knows of it
    assert len(jira.written()) == written
    assert await status("Won't do") == "Won't do"
    written = len(jira.written())
    for wanted in ("open", "nonsense"):
        with pytest.raises(Rejected, match="workflow"):
            await connect().tickets.update(
                [TicketChange(id=seed.oven, status=wanted, subject="Half done")]
            )
    assert len(jira.written()) == written
    both = [TicketChange(id=each, status="open") for each in (seed.oven, "SUP-99", seed.scale)]
    batch = await connect().tickets.update(both)
    assert (batch.done, [each.record for each in batch.refused]) == (
        (seed.scale,),
        [seed.oven, "SUP-99"],
    )
    with pytest.raises(NotFound):
        await connect().tickets.update([TicketChange(id="SUP-99", status="open")])


async def test_many_are_deleted_in_a_task_of_jira_s(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    created = (await connect().tickets.create([NEW, NEW, NEW])).done
    jira.memory.stuck = {jira.memory.get_issue(created[0])["id"]}
    jira.memory.blind_tasks = True
    batch = await connect().tickets.delete([*created, "SUP-99", "nowhere"])
    assert batch.done == created[1:]
    assert [each.record for each in batch.refused] == ["SUP-99", "nowhere", created[0]]
    progress = [each for each in jira.requests if "/bulk/queue/" in each.url.path]
    assert len(progress) == 3
    assert (await connect().tickets.delete(["SUP-98", "SUP-99"])).done == ()
    jira.slow_jobs = True
    # With time for one request for the task's progress, and none for a second.
    slow = await connect(first_poll_pause=99.0).tickets.delete([created[0], seed.oven])
    assert slow.job
    assert slow.done == ()


async def test_a_number_alone_is_of_the_project(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    number = seed.oven.removeprefix("SUP-")
    for id in (number, f"0{number}", seed.oven.lower(), f"sup {number}", f" SUP - {number} "):
        (found,) = await connect().tickets.get([id])
        assert found.id == seed.oven
    assert await connect(project=None).tickets.get([number]) == []


async def test_calls_are_worklogs_of_a_ticket(connect: Connect, jira: FakeJira, seed: Seed) -> None:
    with pytest.raises(Rejected) as refusal:
        await connect().calls.log(CALL)
    assert "Which ticket" in refusal.value.spoken
    about = CALL.model_copy(update={"ticket": seed.oven, "started_at": datetime.now(UTC)})
    earlier = CALL.model_copy(update={"ticket": seed.oven})
    await connect(key="other").calls.log(about)
    await connect(key="long ago").calls.log(earlier)
    jira.fail(timed_out, writes=True, done=True)
    with pytest.raises(OutcomeUnknown):
        await connect().calls.log(about)
    retried = await connect(is_retry=True).calls.log(about)
    logged = jira.memory.get_issue(seed.oven)["worklogs"]
    assert retried == logged[-1]["id"]
    assert len(logged) == 3
    assert logged[1]["started"] == "2026-11-24T09:00:05.020+0530"
    assert logged[1]["timeSpentSeconds"] == 60
    assert memory.to_text(logged[1]["comment"]) == (
        "Inbound call, +49 30 5550142, 0:00:41\n\nAsked for the technician."
    )


async def test_the_last_of_very_many_comments_are_read(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    issue = jira.memory.get_issue(seed.scale)
    for n in range(250):
        jira.memory.add_comment(issue, {"body": memory.to_adf(f"Note {n}")}, seed.agent)
    found = await connect().comments.for_ticket(seed.scale)
    assert found is not None
    assert [each.text for each in found] == [f"Note {n}" for n in range(250)]
    assert {each.author for each in found} == {"Mara Lindqvist"}
    assert await connect().comments.for_ticket("nowhere") is None


async def test_queries_are_bounded_and_of_what_was_asked(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    provider = connect(problem_type="Known error")
    await provider.tickets.search(
        TicketQuery(text='late" OR project = "X', status="closed", type="problem")
    )
    await provider.tickets.search(
        TicketQuery(status='Won"t', related_to=seed.tomasz, relation="copied", limit=1)
    )
    await connect(project=None).tickets.search(TicketQuery())
    queries = [reader.query(each.url.params["jql"]) for each in jira.requests]
    assert [[(c.field, c.operator, c.value.text) for c in each.clauses] for each in queries] == [
        [
            ("project", "=", "SUP"),
            ("text", "~", "late or project x"),
            ("statusCategory", "=", "Done"),
            ("issuetype", "=", "Known error"),
        ],
        [("project", "=", "SUP"), ("status", "=", 'Won"t'), ("watcher", "=", seed.tomasz)],
        [("updated", ">=", "-365d")],
    ]
    assert {each.url.path for each in jira.requests} == {"/rest/api/3/search/jql"}
    assert (await provider.tickets.search(TicketQuery(text="?!"))).tickets == ()
    assert (
        await provider.tickets.search(TicketQuery(related_to="1", relation="organization"))
    ).tickets == ()
    assert len(jira.requests) == 3
    page = await connect().tickets.search(TicketQuery(limit=1))
    assert (len(page.tickets), page.more) == (1, True)


@pytest.mark.parametrize("strange", [[], 7, {"fields": 7}, {"id": "1", "key": ["SUP-1"]}])
async def test_an_answer_of_another_form_is_none(
    connect: Connect, jira: FakeJira, seed: Seed, strange: Any
) -> None:
    jira.fail(lambda _: httpx2.Response(200, json=strange), times=2)
    with pytest.raises(Unavailable):
        await connect().tickets.get([seed.oven])
    with pytest.raises(OutcomeUnknown):
        await connect().tickets.create([NEW.model_copy(update={"requester": seed.tomasz})])


async def test_no_call_asks_more_than_it_must(connect: Connect, jira: FakeJira, seed: Seed) -> None:
    provider, oven = connect(), seed.oven
    await provider.tickets.search(TicketQuery(text="oven"))
    await provider.tickets.get([oven])
    await provider.tickets.get([oven, seed.scale])
    await provider.tickets.create(
        [TicketDraft(subject="Mixer hums", text="It hums.", requester=seed.katherine)]
    )
    await provider.tickets.update([TicketChange(id=oven, priority="low")])
    await provider.comments.add(oven, "Soon.", public=True)
    await provider.calls.log(CALL.model_copy(update={"ticket": oven}))
    await provider.people.get([seed.katherine, seed.tomasz])
    assert len(jira.requests) == 8
    await provider.tickets.update([TicketChange(id=oven, status="solved", subject="Oven is warm")])
    assert [each.method for each in jira.requests[8:]] == ["GET", "PUT", "POST"]
    await provider.comments.for_ticket(oven)
    await provider.comments.for_ticket(oven)
    assert [each.url.path.split("/")[-1] for each in jira.requests[11:]] == [
        *("comment", "myself", "comment")
    ]
