"""The Jira provider: the contract, credentials, creates, and people."""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, ClassVar

import httpx2
import pytest
import pytest_asyncio

from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import Fault, refused, timed_out
from tests.tickets.connected_tenant import ConnectedTenant
from tests.tickets.contract import TicketsContract
from tests.tickets.double import Seed, TicketVendor
from tests.tickets.providers.jira import memory
from tests.tickets.providers.jira.double import SECRETS, SETTINGS, FakeJira
from tests.tickets.providers.jira.harness import Connect, provider_factory
from tests.tickets.scenario import use_everything
from tests.tickets.tool_session import ToolSession
from tickets.provider import TicketDraft, UserDraft
from tickets.providers.jira.provider import Jira
from toolkit.errors import (
    Conflict,
    Disconnected,
    OutcomeUnknown,
    Rejected,
    ToolFailure,
)

NEW = TicketDraft(subject="Mixer hums", text="It hums.")


class TestJira(TicketsContract):
    provider = "jira"
    secrets: ClassVar[dict[str, str]] = SECRETS
    settings: ClassVar[dict[str, Any]] = SETTINGS
    unsupported = frozenset(Jira.unsupported)
    phones = False

    def new_vendor(self) -> TicketVendor:
        return FakeJira()

    async def test_every_tool_does_what_it_says(self, harness: ConnectedTenant) -> None:
        """Leave out one part: no caller is invited to a site by e-mail because of a ticket.

        A user is known by the address alone, until they have chosen a name.
        """
        people = {"create_user", "delete_user"}
        async with harness.caller() as caller:
            session = ToolSession(harness, caller, self.unsupported | people, self.phones)
            await use_everything(session)
            ines = "ines.moreau@example.org"
            created = await session.call("create_user", name="Ines Moreau", email=ines)
            assert (await session.get_user(created["id"]))["email"] == ines
            await session.call("delete_user", user=created["id"])
            assert ines not in [each["email"] for each in await harness.list_users()]
        assert session.used == self.supported


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


def _body(request: httpx2.Request) -> Any:
    return json.loads(request.content)


async def test_who_has_called_is_the_reporter_or_stands_in_the_text(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    tomasz = jira.memory.accounts[seed.tomasz]["emailAddress"]
    contact = {"requester_name": "Nadia Petrova", "requester_phone": "+49305550199"}
    unknown = NEW.model_copy(update=contact)
    known = NEW.model_copy(update={"requester_email": tomasz.upper()})
    (first,) = (await connect().tickets.create([unknown])).done
    (second,) = (await connect().tickets.create([known])).done
    jira.memory.reporters_forbidden = True
    (third,) = (await connect().tickets.create([known])).done
    stored = {each["id"]: each for each in jira.list_tickets()}
    assert stored[first]["text"] == "Caller: Nadia Petrova, +49305550199\n\nIt hums."
    assert [stored[each]["requester"] for each in (first, second, third)] == [
        *(memory.OWN_ACCOUNT, seed.tomasz, memory.OWN_ACCOUNT)
    ]
    with pytest.raises(Rejected):
        await connect().tickets.create([NEW.model_copy(update={"requester": seed.tomasz})])


async def test_what_is_created(connect: Connect, jira: FakeJira, seed: Seed) -> None:
    fields = {"customfield_10010": "Berlin", "project": "OTHER"}
    changes = {"type": "problem", "tags": ("late again", "x"), "fields": fields}
    long = "m" * 300
    draft = NEW.model_copy(update={**changes, "subject": long, "text": "One\ntwo\n\n\nthree"})
    await connect(problem_type="Problem", issue_type="Task").tickets.create([draft])
    body = _body(jira.written()[-1])
    assert body["properties"] == [{"key": "antiphon", "value": {"call": "call-1", "part": 0}}]
    assert body["fields"]["project"] == {"key": "SUP"}
    assert body["fields"]["issuetype"] == {"name": "Problem"}
    assert body["fields"]["labels"] == ["late-again", "x"]
    assert body["fields"]["customfield_10010"] == "Berlin"
    assert body["fields"]["summary"] == "m" * 254 + "…"
    assert memory.to_text(body["fields"]["description"]) == "One\ntwo\n\nthree"
    with pytest.raises(Rejected, match="no project"):
        await connect(project=None).tickets.create([NEW])


def _failing_second(jira: FakeJira, fault: Fault) -> Callable[[httpx2.Request], httpx2.Response]:
    """Return an `answer` of the fake Jira that fails the second bulk create."""
    answer, many = jira.answer, list[httpx2.Request]()

    def answer_or_fail(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/issue/bulk"):
            many.append(request)
        return fault(request) if len(many) == 2 else answer(request)

    return answer_or_fail


async def test_a_hundred_are_created_in_two_requests(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    drafts = [NEW.model_copy(update={"subject": f"Loaf {n}"}) for n in range(100)]
    drafts[3] = drafts[3].model_copy(update={"requester": "nobody"})
    drafts[60] = drafts[60].model_copy(update={"assignee": "nobody"})
    batch = await connect().tickets.create(drafts)
    assert [len(_body(each)["issueUpdates"]) for each in jira.written()] == [50, 50]
    assert [each.record for each in batch.refused] == ["4", "61"]
    subjects = {each["id"]: each["subject"] for each in jira.list_tickets()}
    wanted = [f"Loaf {n}" for n in range(100) if n not in (3, 60)]
    assert [subjects[each] for each in batch.done] == wanted
    jira.fail(refused(429, **{"Retry-After": "3600"}), writes=True)
    with pytest.raises(ToolFailure):
        await connect(key="limited").tickets.create(drafts)


async def test_what_was_created_before_a_failure_is_told(
    connect: Connect, jira: FakeJira, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [NEW.model_copy(update={"subject": f"Loaf {n}"}) for n in range(60)]
    monkeypatch.setattr(jira, "answer", _failing_second(jira, refused(403)))
    batch = await connect(key="a").tickets.create(drafts)
    assert (len(batch.done), len(batch.refused)) == (50, 10)
    assert batch.refused[0].record == "51"
    monkeypatch.setattr(jira, "answer", _failing_second(jira, timed_out))
    with pytest.raises(OutcomeUnknown):
        await connect(key="b").tickets.create(drafts)
    monkeypatch.undo()
    before = await connect(key="b", is_retry=True).tickets.find_lost_create(drafts)
    assert before is not None
    assert (len(before.done), before.refused[0].record, len(before.refused)) == (50, "51", 10)
    subjects = {each["id"]: each["subject"] for each in jira.list_tickets()}
    assert [subjects[each] for each in before.done] == [f"Loaf {n}" for n in range(50)]
    assert await connect(key="c", is_retry=True).tickets.find_lost_create(drafts) is None
    for n in range(100):
        jira.memory.create(_fields(f"Roll {n}"))
    with pytest.raises(OutcomeUnknown, match="Too much"):
        await connect(key="c", is_retry=True).tickets.find_lost_create(drafts)


def _fields(summary: str) -> dict[str, Any]:
    return {
        "project": {"key": "SUP"},
        "issuetype": {"name": "Task"},
        "summary": summary,
        "description": memory.to_adf("."),
    }


async def test_people_may_hide_and_have_only_an_address(
    connect: Connect, jira: FakeJira, seed: Seed
) -> None:
    katherine, provider = jira.memory.accounts[seed.katherine], connect()
    email = katherine["emailAddress"]
    with pytest.raises(Conflict):
        await provider.people.create(UserDraft(name="K", email=email.upper()))
    assert (
        await connect(is_retry=True).people.find_lost_create(UserDraft(email=email))
        == seed.katherine
    )
    with pytest.raises(Rejected, match="e-mail"):
        await provider.people.create(UserDraft(name="K", phone="+49305550142"))
    assert (await provider.people.search(None, phone="+49305550142")).users == ()
    katherine["emailAddress"] = ""
    (shown,) = await provider.people.get([seed.katherine])
    assert (shown.email, shown.name, shown.role) == (None, "Katherine Brandt", "customer")
    found = await provider.people.search("Katharyna Brand")
    assert [each.id for each in found.users] == [seed.katherine]
    misheard = await provider.people.search("Caterin Braun")
    assert seed.katherine in [each.id for each in misheard.users]
    katherine["active"] = False
    assert (await provider.people.search("Katherine Brandt")).users == ()
    everybody = await provider.people.search(None)
    assert "5f0-app" not in [each.id for each in everybody.users]


@pytest.mark.parametrize("site_name", ["evil.example/#", "a b", "", "-a", "acme.atlassian.net@x"])
async def test_a_site_is_a_name(connect: Connect, site_name: str) -> None:
    with pytest.raises(Disconnected):
        connect(secrets={**SECRETS, "site": site_name})
