"""What Jira says of its records: moved and unreadable ones, inactive accounts, and refusals."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import BODY_CANARY
from tests.tickets.double import Seed
from tests.tickets.providers.jira import memory
from tests.tickets.providers.jira.double import FakeJira
from tests.tickets.providers.jira.harness import Connect, provider_factory
from tickets.provider import CallLog, FieldValue, TicketChange, TicketDraft, TicketQuery
from toolkit.errors import Conflict, NotFound, Rejected, ToolFailure, Unavailable

NEW = TicketDraft(subject="Mixer hums", text="It hums.")


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


async def test_a_moved_issue_is_read_by_its_former_key(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    moved, number = jira.memory.move(seed.oven, "OPS"), seed.scale.removeprefix("SUP-")
    tickets = connect().tickets
    (alone,) = await tickets.get([seed.oven])
    assert (alone.id, alone.other_ids) == (moved, (seed.oven,))
    found = await tickets.get([seed.oven, "SUP-98", number, seed.scale])
    assert [(each.id, each.other_ids) for each in found] == [
        (moved, (seed.oven,)),
        (seed.scale, (number,)),
    ]
    comments = await connect().comments.for_ticket(seed.oven)
    assert comments is not None
    assert comments[-1].text == "Good to know."
    assert await connect().comments.for_ticket("SUP-98") is None


async def test_a_moved_issue_is_written_where_it_is(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    moved = jira.memory.move(seed.oven, "OPS")
    issue, provider = jira.memory.get_issue(moved), connect()
    both = [seed.oven, seed.scale]
    batch = await provider.tickets.update([TicketChange(id=each, priority="low") for each in both])
    assert (batch.done, batch.refused) == ((moved, seed.scale), ())
    batch = await provider.tickets.update([TicketChange(id=each, status="solved") for each in both])
    assert (batch.done, batch.refused) == ((moved, seed.scale), ())
    assert issue["fields"]["priority"] == {"name": "Low"}
    assert issue["fields"]["status"]["name"] == "Done"
    one = await provider.tickets.update([TicketChange(id=seed.oven, subject="Oven is warm")])
    assert (one.done, issue["fields"]["summary"]) == ((moved,), "Oven is warm")
    comment = await provider.comments.add(seed.oven, "Soon.", public=True)
    assert comment == issue["comments"][-1]["id"]
    again = connect(is_retry=True).comments
    assert await again.find_lost_create(seed.oven, "Soon.") == comment
    log = CallLog(
        phone="+49305550142",
        direction="inbound",
        started_at=datetime.now(UTC),
        seconds=61,
        summary="Asked.",
        ticket=seed.oven,
    )
    assert await provider.calls.log(log) == issue["worklogs"][-1]["id"]
    assert await connect(is_retry=True).calls.log(log) == issue["worklogs"][-1]["id"]
    deleted = await provider.tickets.delete([seed.oven, seed.scale])
    assert (deleted.done, deleted.refused) == ((moved, seed.scale), ())
    third = jira.memory.move((await provider.tickets.create([NEW])).done[0], "OPS")
    former = next(old for old, new in jira.memory.moved.items() if new == third)
    assert (await provider.tickets.delete([former])).done == (third,)
    assert jira.memory.issues == {}


async def test_an_inactive_account_is_gone(connect: Connect, jira: FakeJira, seed: Seed) -> None:
    """GET /user and /user/bulk return accounts that are not active: User, UserDetails."""
    jira.memory.accounts[seed.katherine]["active"] = False
    people = connect().people
    assert [each.gone for each in await people.get([seed.katherine])] == [True]
    assert [each.gone for each in await people.get([seed.katherine, seed.tomasz])] == [True, False]
    email = jira.memory.accounts[seed.katherine]["emailAddress"]
    caller = NEW.model_copy(update={"requester_email": email})
    (created,) = (await connect().tickets.create([caller])).done
    reporter = jira.memory.get_issue(created)["fields"]["reporter"]
    assert reporter["accountId"] == memory.OWN_ACCOUNT


async def test_who_wrote_a_comment_is_what_jira_says(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    """By the type of the account, which may be unknown, and by `jsdPublic` and `visibility`."""
    issue, accounts = jira.memory.get_issue(seed.scale), jira.memory.accounts
    jira.memory.add_account("5f0-who", "Who", "", "unknown")
    written: list[tuple[str | None, dict[str, Any], str, bool | None]] = [
        (seed.agent, {}, "agent", True),
        (seed.tomasz, {}, "customer", True),
        (memory.OWN_ACCOUNT, {"jsdPublic": False}, "us", False),
        ("5f0-app", {}, "system", True),
        ("5f0-who", {"jsdPublic": None}, "unknown", None),
        (None, {"visibility": {"type": "role", "value": "Administrators"}}, "unknown", False),
    ]
    for author, values, _, _ in written:
        added = jira.memory.add_comment(issue, {"body": memory.to_adf("Well.")}, seed.agent)
        added |= {"author": accounts[author] if author else None, **values}
    comments = await connect().comments.for_ticket(seed.scale)
    assert [(each.by, each.public) for each in comments or []] == [
        (by, public) for _, _, by, public in written
    ]
    assert [each.role for each in await connect().people.get(["5f0-who"])] == [None]


async def test_one_unreadable_record_hides_no_other(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    issue = jira.memory.get_issue(seed.scale)
    issue["fields"]["labels"] = {"is": BODY_CANARY}
    provider = connect()
    assert [each.id for each in await provider.tickets.get([seed.oven, seed.scale])] == [seed.oven]
    page = await provider.tickets.search(TicketQuery())
    assert [each.id for each in page.tickets] == [seed.oven]
    with pytest.raises(Unavailable):
        await provider.tickets.get([seed.scale])
    comments = jira.memory.get_issue(seed.oven)["comments"]
    comments.insert(1, {**comments[0], "created": BODY_CANARY})
    found = await provider.comments.for_ticket(seed.oven)
    assert [each.text for each in found or []] == ["A technician is on the way.", "Good to know."]
    jira.memory.accounts[seed.tomasz]["active"] = {"is": BODY_CANARY}
    people = await provider.people.get([seed.katherine, seed.tomasz])
    assert [each.id for each in people] == [seed.katherine]
    for users in (await provider.people.search(None), await provider.people.search("Katherine")):
        assert seed.katherine in [each.id for each in users.users]


async def test_only_a_refused_reporter_is_left_out(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    """Of a refusal, the keys of `errors` count: its texts are in the account's language."""
    email = jira.memory.accounts[seed.tomasz]["emailAddress"]
    wrong = NEW.model_copy(update={"requester_email": email, "fields": {"no_such_field": "1"}})
    with pytest.raises(Rejected):
        await connect().tickets.create([wrong])
    assert len(jira.written()) == 1
    jira.memory.reporters_forbidden = True
    known = NEW.model_copy(update={"requester_email": email})
    (created,) = (await connect().tickets.create([known])).done
    reporter = jira.memory.get_issue(created)["fields"]["reporter"]
    assert reporter["accountId"] == memory.OWN_ACCOUNT


async def test_of_many_that_are_all_refused_each_is(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    """POST /issue/bulk answers 400 if none could be created, with each one's errors."""
    nobody = NEW.model_copy(update={"assignee": "nobody"})
    batch = await connect().tickets.create([nobody] * 51)
    assert (batch.done, len(batch.refused)) == ((), 51)
    batch = await connect().tickets.create([*[nobody] * 50, NEW])
    assert (len(batch.done), [each.record for each in batch.refused][-1]) == (1, "50")


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, {"errors": {"duedate": BODY_CANARY}}, Rejected),
        (400, {"errorMessages": [BODY_CANARY], "errors": {}}, Rejected),
        (413, {"errorMessages": [BODY_CANARY]}, Rejected),
        (422, {"errors": {"summary": BODY_CANARY}}, Rejected),
        (409, {"errors": {"summary": BODY_CANARY}}, Conflict),
        (404, {"errorMessages": [BODY_CANARY]}, NotFound),
        (400, {"errors": [BODY_CANARY]}, Rejected),
        (400, [BODY_CANARY], Rejected),
    ],
)
async def test_a_refusal_is_an_answer(
    connect: Connect,
    jira: FakeJira,
    seed: Seed,
    status: int,
    body: object,
    failure: type[ToolFailure],
) -> None:
    jira.fail(lambda _: httpx2.Response(status, json=body), writes=True, times=9)
    for _ in range(9):
        with pytest.raises(failure) as refused:
            await connect().tickets.update([TicketChange(id=seed.oven, priority="low")])
        assert BODY_CANARY not in str(refused.value)
    jira.recover()
    assert await connect().tickets.get([seed.oven])


async def test_a_due_date_is_a_day(connect: Connect, jira: FakeJira, seed: Seed) -> None:
    """Jira's system field `duedate` is a date: of a moment, the day where it was written."""
    issue = jira.memory.get_issue(seed.oven)
    for due, sent in (
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01T23:30:00-05:00", "2026-12-01"),
        ("2026-12-01T00:30:00+05:30", "2026-12-01"),
        (None, None),
    ):
        await connect().tickets.update([TicketChange(id=seed.oven, fields={"duedate": due})])
        assert issue["fields"]["duedate"] == sent
    written = len(jira.written())
    wrong: tuple[FieldValue, ...] = ("soon", "2026-12-01T12:00:00", 20261201.5, True)
    for bad in wrong:
        draft = NEW.model_copy(update={"fields": {"duedate": bad}})
        with pytest.raises(Rejected, match="duedate is a day"):
            await connect().tickets.create([draft])
    assert len(jira.written()) == written
