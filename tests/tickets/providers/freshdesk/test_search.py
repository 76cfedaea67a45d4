"""What only Freshdesk does when tickets and people are looked for, and people are kept."""

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from config.columns import now
from config.database import Database
from tests.conftest import Tenant
from tests.support.vendors import refused
from tests.tickets.double import ORGANIZATION
from tests.tickets.faults import HOSTILE
from tests.tickets.providers.freshdesk.double import PlayedFreshdesk
from tests.tickets.providers.freshdesk.memory import ME, written
from tests.tickets.providers.freshdesk.office import Office
from tickets.provider import Change, UserDraft, Wanted
from toolkit.errors import Conflict, Forbidden, NotFound, OutcomeUnknown, RateLimited, Rejected

PHONE = "+4930555044"
# What somebody could say or send to get out of a query, a parameter or a path.
QUOTES = ("'", '"', "\\'", '\\"', "''", "%22", "%27", "\x00")
ENDINGS = ("", " OR status:2", " AND priority:4", ")", "* ", ":null", "&page=2", "/../agents")
WORDS = [f"Ann{quote}{ending}" for quote in QUOTES for ending in ENDINGS]


@pytest.fixture
def office(database: Database, tenant: Tenant) -> Office:
    return Office(database, tenant)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.http.client._PAUSE", 0.0)


async def test_nobody_s_words_get_into_a_query(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The specification takes any text there.
    monkeypatch.setattr(PlayedFreshdesk, "specification", None)
    assert len(WORDS) >= 60
    office.vendor.fields = [{"type": "default_status", "choices": {"6": ["Waiting"]}}]
    for text in WORDS:
        desk = office.open()
        for asked in (Wanted(text=text, type="problem"), Wanted(of=text, part="assigned")):
            assert (await desk.find(asked)).tickets == ()
        with pytest.raises(Rejected):
            await desk.find(Wanted(status=text))
        assert (await desk.find_users(text)).users == ()
        assert (await desk.find_users(None, phone=text)).users == ()
        assert not await desk.tickets([text])
        assert not await desk.users([text])
        assert await desk.organization(text) is None
        with pytest.raises(Rejected):
            await desk.create_user(UserDraft(name="Ann", organization=text))
    assert {each["query"] for each in office.vendor.asked("search/tickets")} == {
        "\"type:'Problem'\""
    }
    assert {each["name"] for each in office.vendor.asked("companies/autocomplete")} == {*WORDS}
    assert {each["phone"] for each in office.vendor.asked("contacts") if "phone" in each} == {
        *WORDS
    }
    paths = {each.url.raw_path.decode().partition("?")[0] for each in office.vendor.requests}
    assert all(re.fullmatch(r"/api/v2(/[a-z_]+)+", path) for path in paths), paths
    assert office.vendor.written() == []


async def test_old_tickets_are_listed_too_and_whether_there_are_more(office: Office) -> None:
    for n in range(3):
        added = office.vendor.ticket(f"Old {n}", "x", requester_id=int(office.seed.tomasz))
        long_ago = written(now() - timedelta(days=400 + n))
        office.vendor.tickets[added].update(created_at=long_ago, updated_at=long_ago)
    page = await office.open().find(Wanted(limit=5))
    subjects = [each.subject for each in page.tickets]
    assert subjects == ["Scale shows nothing", "Oven stays cold", "Old 0", "Old 1", "Old 2"]
    assert not page.more
    assert page.tickets[0].text == "Its display is dark."
    page = await office.open().find(Wanted(of=office.seed.tomasz, part="requested", limit=2))
    assert [each.subject for each in page.tickets] == ["Scale shows nothing", "Old 0"]
    assert page.more
    assert [each["per_page"] for each in office.vendor.asked("tickets")] == ["6", "3"]


async def test_a_search_is_sorted_by_the_last_change_over_its_pages(office: Office) -> None:
    requester = int(office.seed.tomasz)
    added = [office.vendor.ticket(f"No. {n}", "x", requester_id=requester) for n in range(70)]
    await office.open().update([Change(id=str(added[40]), priority="urgent")])
    page = await office.open().find(Wanted(status="open", limit=3))
    assert [each.subject for each in page.tickets] == ["No. 40", "No. 69", "No. 68"]
    assert page.more
    assert [each["page"] for each in office.vendor.asked("search/tickets")] == ["1", "2", "3"]
    both = Wanted(of=office.seed.agent, part="assigned", status="new", type="incident", limit=3)
    page = await office.open().find(both)
    assert ([each.id for each in page.tickets], page.more) == ([office.seed.oven], False)
    assert office.vendor.asked("search/tickets")[-1]["query"] == (
        f"\"agent_id:{office.seed.agent} AND status:2 AND type:'Incident'\""
    )
    with pytest.raises(Rejected):
        await office.open().find(Wanted(of=office.seed.tomasz, part="copied"))


async def test_words_are_looked_for_in_what_has_changed_last(office: Office) -> None:
    requester = int(office.seed.tomasz)
    for n in range(150):
        office.vendor.ticket(f"No. {n}", "x", requester_id=requester, tags=["bulk"])
    for text in ("HEAT monday", "display dark", "Ovn stays cold", office.seed.oven):
        page = await office.open().find(Wanted(text=text))
        assert page.tickets, text
    page = await office.open().find(Wanted(text="bulk", limit=2))
    assert [each.subject for each in page.tickets] == ["No. 149", "No. 148"]
    assert page.more
    assert len(office.vendor.asked("tickets")) == 4 * 2 + 1
    known = await office.open().find(Wanted(text=office.seed.oven))
    assert [each.id for each in known.tickets] == [office.seed.oven]


async def test_the_tenant_s_own_statuses_have_their_names(office: Office) -> None:
    oven = office.seed.oven
    office.vendor.fields = [
        {"type": "default_priority", "choices": {"Low": 1}},
        {"type": "default_status", "choices": {"2": ["Open"], "6": ["On Hold", "Wait"], "x": []}},
    ]
    await office.open().update([Change(id=oven, status="on hold")])
    assert office.vendor.bodies() == [{"status": 6}]
    (ticket,) = await office.open().tickets([oven])
    assert ticket.status == "On Hold"
    page = await office.open().find(Wanted(status="On hold"))
    assert [each.id for each in page.tickets] == [oven]
    with pytest.raises(Rejected):
        await office.open().update([Change(id=oven, status="lost")])
    assert len(office.vendor.asked("ticket_fields")) == 1


async def test_a_key_that_may_not_see_the_fields_still_sees_tickets(office: Office) -> None:
    office.vendor.admin = False
    office.vendor.tickets[int(office.seed.oven)]["status"] = 7
    (ticket,) = await office.open().tickets([office.seed.oven])
    assert ticket.status == "status 7"


async def test_what_is_in_the_trash_is_gone(office: Office) -> None:
    await office.open().delete([office.seed.oven])
    assert await office.open().tickets([office.seed.oven]) == []
    assert await office.open().comments(office.seed.oven) is None
    await office.open().delete_user(office.seed.tomasz)
    assert await office.open().users([office.seed.tomasz]) == []
    for bad in (*HOSTILE, "999"):
        with pytest.raises(NotFound):
            await office.open().delete_user(bad)


async def test_comments_begin_with_the_description_and_tell_who_wrote_them(office: Office) -> None:
    oven, desk = office.seed.oven, office.open()
    for n in range(120):
        office.vendor.comment(int(oven), f"<div>No. {n}</div>", ME, private=True)
    await desk.comment(oven, "Is it <b>hot</b>?", public=True)
    comments = await desk.comments(oven)
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
    assert office.vendor.bodies() == [{"body": "<div>Is it &lt;b&gt;hot&lt;/b&gt;?</div>"}]
    lost = office.open(again=True)
    assert await lost.find_lost_comment(oven, " Is it <b>hot</b>?") == comments[-1].id
    assert await lost.find_lost_comment(oven, "Good to know.") is None
    for each in office.vendor.conversations.values():
        each["created_at"] = written(now() - timedelta(days=2))
    assert await lost.find_lost_comment(oven, "Is it <b>hot</b>?") is None


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
    office: Office, stored: Mapping[str, str]
) -> None:
    for n in range(120):
        office.vendor.contact(f"No. {n}", phone=f"+4930556{n:03}")
    ann = office.vendor.contact("Ann One", **stored)
    (found,) = (await office.open().find_users(None, phone=PHONE)).users
    assert found.id == str(ann)
    assert found.phone == [*stored.values()][-1]  # the one that was meant


async def test_names_are_found_by_their_beginnings_and_else_by_looking_through(
    office: Office,
) -> None:
    for n in range(120):
        office.vendor.contact(f"Other {n}")
    names = ["Jos\u00e9 Alvarez", "Xaviera Quint"]
    jose, xaviera = (str(office.vendor.contact(name)) for name in names)
    for text, wanted in (("jose alvares", jose), ("Saviera Kuint", xaviera), ("Mara", "agent")):
        page = await office.open().find_users(text)
        expected = office.seed.agent if wanted == "agent" else wanted
        assert [each.id for each in page.users] == [expected], text
    email = (await office.open().find_users(None, email="MARA.lindqvist@desk.example")).users
    assert [(each.id, each.role) for each in email] == [(office.seed.agent, "agent")]
    page = await office.open().find_users(None, limit=5)
    assert (len(page.users), page.more) == (5, True)


async def test_a_key_that_may_not_see_agents_still_sees_customers(office: Office) -> None:
    office.vendor.admin = False
    desk, seed = office.open(), office.seed
    assert [each.id for each in await desk.users([seed.agent, seed.tomasz])] == [seed.tomasz]
    assert len((await desk.find_users("Katherine")).users) == 1
    with pytest.raises(Forbidden):
        await desk.availability(None)


async def test_who_is_available_is_what_agents_say_of_themselves(office: Office) -> None:
    desk = office.open()
    assert [each.agent for each in await desk.availability(None)] == [office.seed.agent]
    (mine,) = await desk.availability(str(ME))
    assert (mine.name, mine.available) == ("Our Account", False)
    for unknown in (*HOSTILE, "999"):
        assert await desk.availability(unknown) == []


async def test_a_person_is_kept_once_by_address_and_else_by_number_and_name(
    office: Office,
) -> None:
    ann = str(office.vendor.contact("Ann One", phone="+49 30 555044"))
    bob = str(office.vendor.contact("Bob One", phone="+49 30 555044", email="bob@example.com"))
    desk = office.open()
    for draft, kept in (
        (UserDraft(name="Ann Onne", phone=PHONE, email="ann@example.com"), ann),
        (UserDraft(name="Ann Two", email="ann@example.com"), ann),
        (UserDraft(name="Bob Won", email="bob@example.com"), bob),
        (UserDraft(name="Ann Too", phone="+49 (30) 555044"), ann),
    ):
        assert (await desk.upsert_users([draft])).done == (kept,)
    for nameless in (UserDraft(phone=PHONE), UserDraft(email="new@example.com")):
        with pytest.raises(Rejected):
            await desk.upsert_users([nameless])
    # The number is his, but the address is another's.
    (new,) = (
        await desk.upsert_users([UserDraft(name="Bob One", phone=PHONE, email="b@example.org")])
    ).done
    assert new not in (ann, bob)
    with pytest.raises(Conflict):
        await desk.upsert_users([UserDraft(name="Mara", email="mara.lindqvist@desk.example")])


async def test_an_organization_is_named_or_numbered(office: Office) -> None:
    desk, company = office.open(), int(office.seed.organization)
    await desk.create_user(UserDraft(name="Ann", organization=ORGANIZATION.upper()))
    await desk.update_users([UserDraft(id=office.seed.tomasz, organization=str(company))])
    assert [each["company_id"] for each in office.vendor.bodies()] == [company, company]
    found = await desk.organization(str(company))
    assert found is not None
    assert (found.name, found.notes) == (ORGANIZATION, "Bread.")
    for unknown in ("Corner", "Nowhere"):
        with pytest.raises(Rejected):
            await desk.create_user(UserDraft(name="Ann", organization=unknown))


async def test_a_lost_person_is_known_by_all_that_was_sent(office: Office) -> None:
    draft, lost = UserDraft(name="Ann One", phone=PHONE), office.open(again=True)
    office.vendor.contact("Ann One", phone=PHONE, email="another@example.com")
    office.vendor.contact("Ann Two", phone=PHONE)
    old = office.vendor.contact("Ann One", phone=PHONE)
    office.vendor.contacts[old]["created_at"] = written(now() - timedelta(days=2))
    assert await office.open().find_lost_user(draft) is None
    assert office.vendor.requests == []
    assert await lost.find_lost_user(draft) is None
    mine = office.vendor.contact("Ann One", phone="+49 (30) 555044")
    assert await lost.find_lost_user(draft) == str(mine)
    assert await lost.find_lost_user(draft.model_copy(update={"email": "x@y.example"})) is None
    for n in range(300):
        office.vendor.contact(f"No. {n}")
    with pytest.raises(OutcomeUnknown):
        await lost.find_lost_user(draft.model_copy(update={"name": "Ann Three"}))


async def test_people_are_changed_until_something_is_wrong(office: Office) -> None:
    ids = [office.seed.katherine, "x", "999", office.seed.agent, office.seed.tomasz]
    drafts = [UserDraft(id=each, name="New Name") for each in ids]
    batch = await office.open().update_users(drafts)
    assert batch.done == (office.seed.katherine, office.seed.tomasz)
    assert [each.which for each in batch.refused] == ["x", "999", office.seed.agent]
    office.vendor.fail(refused(429, **{"Retry-After": "3600"}), writes=True)
    with pytest.raises(RateLimited):
        await office.open().update_users(drafts)
