"""Jira's issues: how they are found, moved on, deleted, and what calls and comments are there."""

from collections.abc import AsyncGenerator, Callable
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
from tests.tickets.providers.jira import site
from tests.tickets.providers.jira.double import PlayedJira, calling
from tickets.provider import CallLog, Change, Draft, Wanted
from tickets.providers.jira.provider import Jira
from toolkit.errors import NotFound, OutcomeUnknown, Rejected, Unavailable

NEW = Draft(subject="Mixer hums", text="It hums.")
CALL = CallLog(
    phone="+49 30 5550142",
    direction="inbound",
    started_at=datetime(2026, 11, 24, 9, 0, 5, 20_000, timezone(timedelta(hours=5, minutes=30))),
    seconds=41,
    summary="Asked for the technician.",
)
Open = Callable[..., Jira]


@pytest.fixture
def jira() -> PlayedJira:
    return PlayedJira()


@pytest.fixture
def seed(jira: PlayedJira) -> Seed:
    return jira.seed()


@pytest_asyncio.fixture
async def desk(jira: PlayedJira, database: Database, tenant: Tenant) -> AsyncGenerator[Open]:
    """Opens the provider."""
    async with calling(jira, database, tenant) as of:
        yield of


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.http.polling._FIRST", 0.0)


async def test_a_status_is_reached_by_a_step_of_the_workflow(
    desk: Open, jira: PlayedJira, seed: Seed
) -> None:
    async def status(wanted: str) -> str:
        await desk().update([Change(id=seed.oven, status=wanted)])
        return str(jira.site.known(seed.oven)["fields"]["status"]["name"])

    assert await status("closed") == "Done"  # not "Won't do", which is listed first
    assert await status("solved") == "Done"
    assert await status("WAITING FOR PARTS") == "Waiting for parts"
    (shown,) = await desk().tickets([seed.oven])
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
            await desk().update([Change(id=seed.oven, status=wanted, subject="Half done")])
    assert len(jira.written()) == written
    both = [Change(id=each, status="open") for each in (seed.oven, "SUP-99", seed.scale)]
    batch = await desk().update(both)
    assert (batch.done, [each.which for each in batch.refused]) == (
        (seed.scale,),
        [seed.oven, "SUP-99"],
    )
    with pytest.raises(NotFound):
        await desk().update([Change(id="SUP-99", status="open")])


async def test_many_are_deleted_in_a_task_of_jira_s(
    desk: Open, jira: PlayedJira, seed: Seed
) -> None:
    made = (await desk().create([NEW, NEW, NEW])).done
    jira.site.stuck = {jira.site.known(made[0])["id"]}
    jira.site.blind_tasks = True
    batch = await desk().delete([*made, "SUP-99", "nowhere"])
    assert batch.done == made[1:]
    assert [each.which for each in batch.refused] == ["SUP-99", "nowhere", made[0]]
    looks = [each for each in jira.requests if "/bulk/queue/" in each.url.path]
    assert len(looks) == 3
    assert (await desk().delete(["SUP-98", "SUP-99"])).done == ()
    jira.slow_jobs = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.http.polling._FIRST", 99.0)
        slow = await desk().delete([made[0], seed.oven])
    assert slow.job
    assert slow.done == ()


async def test_a_number_alone_is_of_the_project(desk: Open, jira: PlayedJira, seed: Seed) -> None:
    number = seed.oven.removeprefix("SUP-")
    for said in (number, f"0{number}", seed.oven.lower(), f"sup {number}", f" SUP - {number} "):
        (found,) = await desk().tickets([said])
        assert found.id == seed.oven
    assert await desk(project=None).tickets([number]) == []


async def test_calls_are_worklogs_of_a_ticket(desk: Open, jira: PlayedJira, seed: Seed) -> None:
    with pytest.raises(Rejected) as refusal:
        await desk().log_call(CALL)
    assert "Which ticket" in refusal.value.spoken
    about = CALL.model_copy(update={"ticket": seed.oven, "started_at": datetime.now(UTC)})
    earlier = CALL.model_copy(update={"ticket": seed.oven})
    await desk(key="other").log_call(about)
    await desk(key="long ago").log_call(earlier)
    jira.fail(timed_out, writes=True, done=True)
    with pytest.raises(OutcomeUnknown):
        await desk().log_call(about)
    again = await desk(again=True).log_call(about)
    logged = jira.site.known(seed.oven)["worklogs"]
    assert again == logged[-1]["id"]
    assert len(logged) == 3
    assert logged[1]["started"] == "2026-11-24T09:00:05.020+0530"
    assert logged[1]["timeSpentSeconds"] == 60
    assert site.said(logged[1]["comment"]) == (
        "Inbound call, +49 30 5550142, 0:00:41\n\nAsked for the technician."
    )


async def test_the_last_of_very_many_comments_are_read(
    desk: Open, jira: PlayedJira, seed: Seed
) -> None:
    issue = jira.site.known(seed.scale)
    for n in range(250):
        jira.site.comment(issue, {"body": site.adf(f"Note {n}")}, seed.agent)
    found = await desk().comments(seed.scale)
    assert found is not None
    assert [each.text for each in found] == [f"Note {n}" for n in range(250)]
    assert {each.author for each in found} == {"Mara Lindqvist"}
    assert await desk().comments("nowhere") is None


async def test_queries_are_bounded_and_of_what_was_asked(
    desk: Open, jira: PlayedJira, seed: Seed
) -> None:
    provider = desk(problem_type="Known error")
    await provider.find(Wanted(text='late" OR project = "X', status="closed", type="problem"))
    await provider.find(Wanted(status='Won"t', of=seed.tomasz, part="copied", limit=1))
    await desk(project=None).find(Wanted())
    asked = [reader.query(each.url.params["jql"]) for each in jira.requests]
    assert [[(c.field, c.operator, c.value.text) for c in each.clauses] for each in asked] == [
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
    assert (await provider.find(Wanted(text="?!"))).tickets == ()
    assert (await provider.find(Wanted(of="1", part="organization"))).tickets == ()
    assert len(jira.requests) == 3
    page = await desk().find(Wanted(limit=1))
    assert (len(page.tickets), page.more) == (1, True)


@pytest.mark.parametrize("strange", [[], 7, {"fields": 7}, {"id": "1", "key": ["SUP-1"]}])
async def test_an_answer_of_another_form_is_none(
    desk: Open, jira: PlayedJira, seed: Seed, strange: Any
) -> None:
    jira.fail(lambda _: httpx2.Response(200, json=strange), times=2)
    with pytest.raises(Unavailable):
        await desk().tickets([seed.oven])
    with pytest.raises(OutcomeUnknown):
        await desk().create([NEW.model_copy(update={"requester": seed.tomasz})])


async def test_no_call_asks_more_than_it_must(desk: Open, jira: PlayedJira, seed: Seed) -> None:
    provider, oven = desk(), seed.oven
    await provider.find(Wanted(text="oven"))
    await provider.tickets([oven])
    await provider.tickets([oven, seed.scale])
    await provider.create([Draft(subject="Mixer hums", text="It hums.", requester=seed.katherine)])
    await provider.update([Change(id=oven, priority="low")])
    await provider.comment(oven, "Soon.", public=True)
    await provider.log_call(CALL.model_copy(update={"ticket": oven}))
    await provider.users([seed.katherine, seed.tomasz])
    assert len(jira.requests) == 8
    await provider.update([Change(id=oven, status="solved", subject="Oven is warm")])
    assert [each.method for each in jira.requests[8:]] == ["GET", "PUT", "POST"]
    await provider.comments(oven)
    await provider.comments(oven)
    assert [each.url.path.split("/")[-1] for each in jira.requests[11:]] == [
        *("comment", "myself", "comment")
    ]
