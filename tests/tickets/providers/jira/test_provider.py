"""Jira: what every ticket desk must do, and what only this one does."""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, ClassVar

import httpx2
import pytest
import pytest_asyncio

from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import Fault, refused, timed_out
from tests.tickets.contract import TicketsContract
from tests.tickets.double import Desk, Seed
from tests.tickets.line import Line
from tests.tickets.providers.jira import site
from tests.tickets.providers.jira.double import SECRETS, SETTINGS, PlayedJira, calling
from tests.tickets.scenario import use_everything
from tests.tickets.tour import Tour
from tickets.provider import Draft, UserDraft
from tickets.providers.jira.provider import Jira
from toolkit.errors import (
    Conflict,
    Disconnected,
    OutcomeUnknown,
    Rejected,
    ToolFailure,
)

NEW = Draft(subject="Mixer hums", text="It hums.")
Open = Callable[..., Jira]


class TestJira(TicketsContract):
    provider = "jira"
    secrets: ClassVar[dict[str, str]] = SECRETS
    settings: ClassVar[dict[str, Any]] = SETTINGS
    unsupported = frozenset(Jira.unsupported)
    phones = False

    def new_vendor(self) -> Desk:
        return PlayedJira()

    async def test_every_tool_does_what_it_says(self, line: Line) -> None:
        """Leave one thing out: nobody is invited to a site, by e-mail, because they have called.

        A user is known by the address alone, until they have chosen a name.
        """
        people = {"create_user", "delete_user"}
        async with line.caller() as caller:
            tour = Tour(line, caller, self.unsupported | people, self.phones)
            await use_everything(tour)
            ines = "ines.moreau@example.org"
            created = await tour.use("create_user", name="Ines Moreau", email=ines)
            assert (await tour.person(created["id"]))["email"] == ines
            await tour.use("delete_user", user=created["id"])
            assert ines not in [each["email"] for each in await line.people()]
        assert tour.used == self.supported


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


def _sent(request: httpx2.Request) -> Any:
    return json.loads(request.content)


async def test_who_has_called_is_the_reporter_or_stands_in_the_text(
    desk: Open, jira: PlayedJira, seed: Seed
) -> None:
    tomasz = jira.site.accounts[seed.tomasz]["emailAddress"]
    strangers = {"requester_name": "Nadia Petrova", "requester_phone": "+49305550199"}
    unknown = NEW.model_copy(update=strangers)
    known = NEW.model_copy(update={"requester_email": tomasz.upper()})
    (first,) = (await desk().create([unknown])).done
    (second,) = (await desk().create([known])).done
    jira.site.reporters_forbidden = True
    (third,) = (await desk().create([known])).done
    held = {each["id"]: each for each in jira.held()}
    assert held[first]["text"] == "Caller: Nadia Petrova, +49305550199\n\nIt hums."
    assert [held[each]["requester"] for each in (first, second, third)] == [
        *(site.US, seed.tomasz, site.US)
    ]
    with pytest.raises(Rejected):
        await desk().create([NEW.model_copy(update={"requester": seed.tomasz})])


async def test_what_is_created(desk: Open, jira: PlayedJira, seed: Seed) -> None:
    fields = {"customfield_10010": "Berlin", "project": "OTHER"}
    changes = {"type": "problem", "tags": ("late again", "x"), "fields": fields}
    long = "m" * 300
    draft = NEW.model_copy(update={**changes, "subject": long, "text": "One\ntwo\n\n\nthree"})
    await desk(problem_type="Problem", issue_type="Task").create([draft])
    sent = _sent(jira.written()[-1])
    assert sent["properties"] == [{"key": "antiphon", "value": {"call": "call-1", "part": 0}}]
    assert sent["fields"]["project"] == {"key": "SUP"}
    assert sent["fields"]["issuetype"] == {"name": "Problem"}
    assert sent["fields"]["labels"] == ["late-again", "x"]
    assert sent["fields"]["customfield_10010"] == "Berlin"
    assert sent["fields"]["summary"] == "m" * 254 + "…"
    assert site.said(sent["fields"]["description"]) == "One\ntwo\n\nthree"
    with pytest.raises(Rejected, match="no project"):
        await desk(project=None).create([NEW])


def _second(jira: PlayedJira, fault: Fault) -> Callable[[httpx2.Request], httpx2.Response]:
    """Return answers of which the second one that creates many is a fault."""
    answer, many = jira.answer, list[httpx2.Request]()

    def answered(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/issue/bulk"):
            many.append(request)
        return fault(request) if len(many) == 2 else answer(request)

    return answered


async def test_a_hundred_are_created_in_two_requests(
    desk: Open, jira: PlayedJira, seed: Seed
) -> None:
    drafts = [NEW.model_copy(update={"subject": f"Loaf {n}"}) for n in range(100)]
    drafts[3] = drafts[3].model_copy(update={"requester": "nobody"})
    drafts[60] = drafts[60].model_copy(update={"assignee": "nobody"})
    batch = await desk().create(drafts)
    assert [len(_sent(each)["issueUpdates"]) for each in jira.written()] == [50, 50]
    assert [each.which for each in batch.refused] == ["4", "61"]
    subjects = {each["id"]: each["subject"] for each in jira.held()}
    wanted = [f"Loaf {n}" for n in range(100) if n not in (3, 60)]
    assert [subjects[each] for each in batch.done] == wanted
    jira.fail(refused(429, **{"Retry-After": "3600"}), writes=True)
    with pytest.raises(ToolFailure):
        await desk(key="limited").create(drafts)


async def test_what_was_created_before_a_failure_is_told(
    desk: Open, jira: PlayedJira, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [NEW.model_copy(update={"subject": f"Loaf {n}"}) for n in range(60)]
    monkeypatch.setattr(jira, "answer", _second(jira, refused(403)))
    batch = await desk(key="a").create(drafts)
    assert (len(batch.done), len(batch.refused)) == (50, 10)
    assert batch.refused[0].which == "51"
    monkeypatch.setattr(jira, "answer", _second(jira, timed_out))
    with pytest.raises(OutcomeUnknown):
        await desk(key="b").create(drafts)
    monkeypatch.undo()
    before = await desk(key="b", again=True).find_lost_create(drafts)
    assert before is not None
    assert (len(before.done), before.refused[0].which, len(before.refused)) == (50, "51", 10)
    subjects = {each["id"]: each["subject"] for each in jira.held()}
    assert [subjects[each] for each in before.done] == [f"Loaf {n}" for n in range(50)]
    assert await desk(key="c", again=True).find_lost_create(drafts) is None
    for n in range(100):
        jira.site.create(_fields(f"Roll {n}"))
    with pytest.raises(OutcomeUnknown, match="Too much"):
        await desk(key="c", again=True).find_lost_create(drafts)


def _fields(summary: str) -> dict[str, Any]:
    return {
        "project": {"key": "SUP"},
        "issuetype": {"name": "Task"},
        "summary": summary,
        "description": site.adf("."),
    }


async def test_people_may_hide_and_have_only_an_address(
    desk: Open, jira: PlayedJira, seed: Seed
) -> None:
    katherine, provider = jira.site.accounts[seed.katherine], desk()
    email = katherine["emailAddress"]
    with pytest.raises(Conflict):
        await provider.create_user(UserDraft(name="K", email=email.upper()))
    assert await desk(again=True).find_lost_user(UserDraft(email=email)) == seed.katherine
    with pytest.raises(Rejected, match="e-mail"):
        await provider.create_user(UserDraft(name="K", phone="+49305550142"))
    assert (await provider.find_users(None, phone="+49305550142")).users == ()
    katherine["emailAddress"] = ""
    (shown,) = await provider.users([seed.katherine])
    assert (shown.email, shown.name, shown.role) == (None, "Katherine Brandt", "customer")
    found = await provider.find_users("Katharyna Brand")
    assert [each.id for each in found.users] == [seed.katherine]
    misheard = await provider.find_users("Caterin Braun")
    assert seed.katherine in [each.id for each in misheard.users]
    katherine["active"] = False
    assert (await provider.find_users("Katherine Brandt")).users == ()
    everybody = await provider.find_users(None)
    assert "5f0-app" not in [each.id for each in everybody.users]


@pytest.mark.parametrize("site_name", ["evil.example/#", "a b", "", "-a", "acme.atlassian.net@x"])
async def test_a_site_is_a_name(desk: Open, site_name: str) -> None:
    with pytest.raises(Disconnected):
        desk(secrets={**SECRETS, "site": site_name})
