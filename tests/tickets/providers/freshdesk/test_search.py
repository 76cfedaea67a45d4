"""The Freshdesk provider: searches for tickets and people, comments, and writes of people."""

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from config.columns import now
from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import refused
from tests.tickets.double import ORGANIZATION
from tests.tickets.providers.freshdesk.double import FakeFreshdesk
from tests.tickets.providers.freshdesk.harness import FreshdeskHarness
from tests.tickets.providers.freshdesk.memory import OWN_AGENT, to_timestamp
from tests.tickets.tool_cases import HOSTILE_IDS
from tickets.provider import TicketChange, TicketQuery, UserDraft
from toolkit.errors import Conflict, Forbidden, NotFound, OutcomeUnknown, RateLimited, Rejected

PHONE = "+4930555044"
# Texts that try to get out of a query, a parameter or a path.
QUOTES = ("'", '"', "\\'", '\\"', "''", "%22", "%27", "\x00")
ENDINGS = ("", " OR status:2", " AND priority:4", ")", "* ", ":null", "&page=2", "/../agents")
WORDS = [f"Ann{quote}{ending}" for quote in QUOTES for ending in ENDINGS]


@pytest.fixture
def harness(database: Database, tenant: Tenant) -> FreshdeskHarness:
    return FreshdeskHarness(database, tenant)


async def test_nobody_s_words_get_into_a_query(
    harness: FreshdeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The specification takes any text there.
    monkeypatch.setattr(FakeFreshdesk, "specification", None)
    assert len(WORDS) >= 60
    harness.vendor.fields = [{"type": "default_status", "choices": {"6": ["Waiting"]}}]
    for text in WORDS:
        provider = harness.connect()
        for asked in (
            TicketQuery(text=text, type="problem"),
            TicketQuery(related_to=text, relation="assigned"),
        ):
            assert (await provider.tickets.search(asked)).tickets == ()
        with pytest.raises(Rejected):
            await provider.tickets.search(TicketQuery(status=text))
        assert (await provider.people.search(text)).users == ()
        assert (await provider.people.search(None, phone=text)).users == ()
        assert not await provider.tickets.get([text])
        assert not await provider.people.get([text])
        assert await provider.people.get_organization(text) is None
        with pytest.raises(Rejected):
            await provider.people.create(UserDraft(name="Ann", organization=text))
    assert {each["query"] for each in harness.vendor.queries_of("search/tickets")} == {
        "\"type:'Problem'\""
    }
    assert {each["name"] for each in harness.vendor.queries_of("companies/autocomplete")} == {
        *WORDS
    }
    assert {each["phone"] for each in harness.vendor.queries_of("contacts") if "phone" in each} == {
        *WORDS
    }
    paths = {each.url.raw_path.decode().partition("?")[0] for each in harness.vendor.requests}
    assert all(re.fullmatch(r"/api/v2(/[a-z_]+)+", path) for path in paths), paths
    assert harness.vendor.written() == []


async def test_old_tickets_are_listed_too_and_whether_there_are_more(
    harness: FreshdeskHarness,
) -> None:
    for n in range(3):
        added = harness.vendor.add_ticket(f"Old {n}", "x", requester_id=int(harness.seed.tomasz))
        long_ago = to_timestamp(now() - timedelta(days=400 + n))
        harness.vendor.tickets[added].update(created_at=long_ago, updated_at=long_ago)
    page = await harness.connect().tickets.search(TicketQuery(limit=5))
    subjects = [each.subject for each in page.tickets]
    assert subjects == ["Scale shows nothing", "Oven stays cold", "Old 0", "Old 1", "Old 2"]
    assert not page.more
    assert page.tickets[0].text == "Its display is dark."
    page = await harness.connect().tickets.search(
        TicketQuery(related_to=harness.seed.tomasz, relation="requested", limit=2)
    )
    assert [each.subject for each in page.tickets] == ["Scale shows nothing", "Old 0"]
    assert page.more
    assert [each["per_page"] for each in harness.vendor.queries_of("tickets")] == ["6", "3"]


async def test_a_search_is_sorted_by_the_last_change_over_its_pages(
    harness: FreshdeskHarness,
) -> None:
    requester = int(harness.seed.tomasz)
    added = [harness.vendor.add_ticket(f"No. {n}", "x", requester_id=requester) for n in range(70)]
    await harness.connect().tickets.update([TicketChange(id=str(added[40]), priority="urgent")])
    page = await harness.connect().tickets.search(TicketQuery(status="open", limit=3))
    assert [each.subject for each in page.tickets] == ["No. 40", "No. 69", "No. 68"]
    assert page.more
    assert [each["page"] for each in harness.vendor.queries_of("search/tickets")] == ["1", "2", "3"]
    both = TicketQuery(
        related_to=harness.seed.agent, relation="assigned", status="new", type="incident", limit=3
    )
    page = await harness.connect().tickets.search(both)
    assert ([each.id for each in page.tickets], page.more) == ([harness.seed.oven], False)
    assert harness.vendor.queries_of("search/tickets")[-1]["query"] == (
        f"\"agent_id:{harness.seed.agent} AND status:2 AND type:'Incident'\""
    )
    with pytest.raises(Rejected):
        await harness.connect().tickets.search(
            TicketQuery(related_to=harness.seed.tomasz, relation="copied")
        )


async def test_words_are_looked_for_in_what_has_changed_last(harness: FreshdeskHarness) -> None:
    requester = int(harness.seed.tomasz)
    for n in range(150):
        harness.vendor.add_ticket(f"No. {n}", "x", requester_id=requester, tags=["bulk"])
    for text in ("HEAT monday", "display dark", "Ovn stays cold", harness.seed.oven):
        page = await harness.connect().tickets.search(TicketQuery(text=text))
        assert page.tickets, text
    page = await harness.connect().tickets.search(TicketQuery(text="bulk", limit=2))
    assert [each.subject for each in page.tickets] == ["No. 149", "No. 148"]
    assert page.more
    assert len(harness.vendor.queries_of("tickets")) == 4 * 2 + 1
    known = await harness.connect().tickets.search(TicketQuery(text=harness.seed.oven))
    assert [each.id for each in known.tickets] == [harness.seed.oven]


async def test_the_tenant_s_own_statuses_have_their_names(harness: FreshdeskHarness) -> None:
    oven = harness.seed.oven
    harness.vendor.fields = [
        {"type": "default_priority", "choices": {"Low": 1}},
        {"type": "default_status", "choices": {"2": ["Open"], "6": ["On Hold", "Wait"], "x": []}},
    ]
    await harness.connect().tickets.update([TicketChange(id=oven, status="on hold")])
    assert harness.vendor.written_bodies() == [{"status": 6}]
    (ticket,) = await harness.connect().tickets.get([oven])
    assert ticket.status == "On Hold"
    page = await harness.connect().tickets.search(TicketQuery(status="On hold"))
    assert [each.id for each in page.tickets] == [oven]
    with pytest.raises(Rejected):
        await harness.connect().tickets.update([TicketChange(id=oven, status="lost")])
    assert len(harness.vendor.queries_of("ticket_fields")) == 1


async def test_a_key_that_may_not_see_the_fields_still_sees_tickets(
    harness: FreshdeskHarness,
) -> None:
    harness.vendor.admin = False
    harness.vendor.tickets[int(harness.seed.oven)]["status"] = 7
    (ticket,) = await harness.connect().tickets.get([harness.seed.oven])
    assert ticket.status == "status 7"


async def test_what_is_in_the_trash_is_gone(harness: FreshdeskHarness) -> None:
    await harness.connect().tickets.delete([harness.seed.oven])
    assert await harness.connect().tickets.get([harness.seed.oven]) == []
    assert await harness.connect().comments.for_ticket(harness.seed.oven) is None
    await harness.connect().people.delete(harness.seed.tomasz)
    (gone,) = await harness.connect().people.get([harness.seed.tomasz])
    assert gone.gone
    for bad in (*HOSTILE_IDS, "999"):
        with pytest.raises(NotFound):
            await harness.connect().people.delete(bad)


async def test_comments_begin_with_the_description_and_tell_who_wrote_them(
    harness: FreshdeskHarness,
) -> None:
    oven, provider = harness.seed.oven, harness.connect()
    for n in range(120):
        harness.vendor.add_comment(int(oven), f"<div>No. {n}</div>", OWN_AGENT, private=True)
    await provider.comments.add(oven, "Is it <b>hot</b>?", public=True)
    comments = await provider.comments.for_ticket(oven)
    assert comments is not None
    by = [(each.by, each.public) for each in comments]
    assert by == [
        ("customer", True),
        ("agent", True),
        ("customer", True),
        *[("us", False)] * 120,
        ("us", True),
    ]
    assert comments[0].text == "The big oven does not heat since Monday."
    assert comments[-1].text == "Is it <b>hot</b>?"
    assert harness.vendor.written_bodies() == [{"body": "<div>Is it &lt;b&gt;hot&lt;/b&gt;?</div>"}]
    lost = harness.connect(is_retry=True)
    assert await lost.comments.find_lost_create(oven, " Is it <b>hot</b>?") == comments[-1].id
    assert await lost.comments.find_lost_create(oven, "Good to know.") is None
    for each in harness.vendor.conversations.values():
        each["created_at"] = to_timestamp(now() - timedelta(days=2))
    assert await lost.comments.find_lost_create(oven, "Is it <b>hot</b>?") is None


@pytest.mark.parametrize(
    "stored",
    [
        {"phone": PHONE},
        {"mobile": "+49 30 555044"},
        {"phone": "030 555044"},
        {"phone": "+1 212 5550100", "mobile": "0049-30/55 50 44"},
    ],
)
async def test_a_number_is_found_in_whatever_form(
    harness: FreshdeskHarness, stored: Mapping[str, str]
) -> None:
    for n in range(120):
        harness.vendor.add_contact(f"No. {n}", phone=f"+4930556{n:03}")
    ann = harness.vendor.add_contact("Ann One", **stored)
    (found,) = (await harness.connect().people.search(None, phone=PHONE)).users
    assert found.id == str(ann)
    assert found.phone == [*stored.values()][-1]  # the one that was meant


async def test_names_are_found_by_their_beginnings_and_else_by_looking_through(
    harness: FreshdeskHarness,
) -> None:
    for n in range(120):
        harness.vendor.add_contact(f"Other {n}")
    names = ["Jos\u00e9 Alvarez", "Xaviera Quint"]
    jose, xaviera = (str(harness.vendor.add_contact(name)) for name in names)
    for text, wanted in (("jose alvares", jose), ("Saviera Kuint", xaviera), ("Mara", "agent")):
        page = await harness.connect().people.search(text)
        expected = harness.seed.agent if wanted == "agent" else wanted
        assert [each.id for each in page.users] == [expected], text
    email = (await harness.connect().people.search(None, email="MARA.lindqvist@desk.example")).users
    assert [(each.id, each.role) for each in email] == [(harness.seed.agent, "agent")]
    page = await harness.connect().people.search(None, limit=5)
    assert (len(page.users), page.more) == (5, True)


async def test_a_key_that_may_not_see_agents_still_sees_customers(
    harness: FreshdeskHarness,
) -> None:
    harness.vendor.admin = False
    provider, seed = harness.connect(), harness.seed
    assert [each.id for each in await provider.people.get([seed.agent, seed.tomasz])] == [
        seed.tomasz
    ]
    assert len((await provider.people.search("Katherine")).users) == 1
    with pytest.raises(Forbidden):
        await provider.calls.availability(None)


async def test_who_is_available_is_what_agents_say_of_themselves(harness: FreshdeskHarness) -> None:
    provider = harness.connect()
    assert [each.agent for each in await provider.calls.availability(None)] == [harness.seed.agent]
    (mine,) = await provider.calls.availability(str(OWN_AGENT))
    assert (mine.name, mine.available) == ("Our Account", False)
    for unknown in (*HOSTILE_IDS, "999"):
        assert await provider.calls.availability(unknown) == []


async def test_a_person_is_kept_once_by_address_and_else_by_number_and_name(
    harness: FreshdeskHarness,
) -> None:
    ann = str(harness.vendor.add_contact("Ann One", phone="+49 30 555044"))
    bob = str(harness.vendor.add_contact("Bob One", phone="+49 30 555044", email="bob@example.com"))
    provider = harness.connect()
    for draft, user_id in (
        (UserDraft(name="Ann Onne", phone=PHONE, email="ann@example.com"), ann),
        (UserDraft(name="Ann Two", email="ann@example.com"), ann),
        (UserDraft(name="Bob Won", email="bob@example.com"), bob),
        (UserDraft(name="Anne Two", phone="+49 (30) 555044"), ann),
    ):
        assert (await provider.people.upsert([draft])).done == (user_id,)
    for nameless in (UserDraft(phone=PHONE), UserDraft(email="new@example.com")):
        with pytest.raises(Rejected):
            await provider.people.upsert([nameless])
    # The number is his, but the address is another's.
    (new,) = (
        await provider.people.upsert(
            [UserDraft(name="Bob One", phone=PHONE, email="b@example.org")]
        )
    ).done
    assert new not in (ann, bob)
    with pytest.raises(Conflict):
        await provider.people.upsert([UserDraft(name="Mara", email="mara.lindqvist@desk.example")])


async def test_an_organization_is_named_or_numbered(harness: FreshdeskHarness) -> None:
    provider, company = harness.connect(), int(harness.seed.organization)
    await provider.people.create(UserDraft(name="Ann", organization=ORGANIZATION.upper()))
    await provider.people.update([UserDraft(id=harness.seed.tomasz, organization=str(company))])
    assert [each["company_id"] for each in harness.vendor.written_bodies()] == [company, company]
    found = await provider.people.get_organization(str(company))
    assert found is not None
    assert (found.name, found.notes) == (ORGANIZATION, "Bread.")
    for unknown in ("Corner", "Nowhere"):
        with pytest.raises(Rejected):
            await provider.people.create(UserDraft(name="Ann", organization=unknown))


async def test_a_lost_person_is_known_by_all_that_was_sent(harness: FreshdeskHarness) -> None:
    draft, lost = UserDraft(name="Ann One", phone=PHONE), harness.connect(is_retry=True)
    harness.vendor.add_contact("Ann One", phone=PHONE, email="another@example.com")
    harness.vendor.add_contact("Ann Two", phone=PHONE)
    old = harness.vendor.add_contact("Ann One", phone=PHONE)
    harness.vendor.contacts[old]["created_at"] = to_timestamp(now() - timedelta(days=2))
    assert await harness.connect().people.find_lost_create(draft) is None
    assert harness.vendor.requests == []
    assert await lost.people.find_lost_create(draft) is None
    mine = harness.vendor.add_contact("Ann One", phone="+49 (30) 555044")
    assert await lost.people.find_lost_create(draft) == str(mine)
    assert (
        await lost.people.find_lost_create(draft.model_copy(update={"email": "x@y.example"}))
        is None
    )
    for n in range(300):
        harness.vendor.add_contact(f"No. {n}")
    with pytest.raises(OutcomeUnknown):
        await lost.people.find_lost_create(draft.model_copy(update={"name": "Ann Three"}))


async def test_people_are_changed_until_something_is_wrong(harness: FreshdeskHarness) -> None:
    ids = [harness.seed.katherine, "x", "999", harness.seed.agent, harness.seed.tomasz]
    drafts = [UserDraft(id=each, name="New Name") for each in ids]
    batch = await harness.connect().people.update(drafts)
    assert batch.done == (harness.seed.katherine, harness.seed.tomasz)
    assert [each.record for each in batch.refused] == ["x", "999", harness.seed.agent]
    harness.vendor.fail(refused(429, **{"Retry-After": "3600"}), writes=True)
    with pytest.raises(RateLimited):
        await harness.connect().people.update(drafts)
