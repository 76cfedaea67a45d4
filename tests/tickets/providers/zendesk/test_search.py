"""Reads of the Zendesk provider: searches, lists, comments, and availability."""

import re
from collections.abc import AsyncGenerator

import httpx2
import pytest

from tests.tickets.double import Seed
from tests.tickets.providers.zendesk.double import FakeZendesk
from tests.tickets.providers.zendesk.harness import Connect, provider_factory, request_lines
from tests.tickets.providers.zendesk.search import TERM
from tickets.provider import TicketQuery

HOSTILE = [
    *("status:closed", "x status:closed", '"status:closed', 'x" status:"closed', 'x" OR "y'),
    *("-oven", "-type:ticket oven", "type:user ann", "oven OR 1=1", "oven AND NOT scale", "NOT x"),
    *("ov*", "*", "* oven", "oven*scale", "?", "ov?n", "oven~2", "oven^9", "(oven)", "[a TO z]"),
    *("created>2020-01-01", "priority<urgent oven", "updated:1hours", "order_by:created sort:asc"),
    *("tags:none", "requester:me", "assignee:none", "cc:*", "organization:none", "via:mail"),
    *('\\"oven\\"', "\\", '\\\\" type:user "', '"', '""', '"""', "'", "''", "`oven`", "$(oven)"),
    *("oven & scale", "a=b&page[size]=1", "a?b=c#d", "a%22 type%3Auser", "%00", "a+b", "a;b"),
    *("x\ny status:new", "x\ttype:user", "x\x00y", "x\x1fy:z", "x\r\ny", "\u202eoven\u202c"),
    *(
        "Zoë O'Brien-Łuka",
        "café “quoted”",
        "東京 都知事",
        "😀 oven",
        "half \ud800 of it",
        "İstanbul",
    ),
    *("None", "null", "../../users/me", "a" * 300, "name:x phone:*", "phone:*1", 'email:"a@b"'),
]


def test_enough_is_tried() -> None:
    assert len({*HOSTILE}) >= 60


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


async def test_what_is_on_hold_is_pending(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    vendor.tickets[int(seed.oven)]["status"] = "hold"
    page = await connect().tickets.search(
        TicketQuery(status="pending", related_to=seed.katherine, relation="requested")
    )
    assert [(each.id, each.status) for each in page.tickets] == [(seed.oven, "pending")]
    assert (await connect().tickets.search(TicketQuery(status='"'))).tickets == ()
    assert (await connect().tickets.search(TicketQuery(type="problem", text="display"))).tickets[
        0
    ].id == seed.scale
    requests = len(vendor.requests)
    assert (
        await connect().tickets.search(TicketQuery(related_to="x y", relation="assigned"))
    ).tickets == ()
    assert len(vendor.requests) == requests


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_is_searched_for_stays_what_was_said(
    connect: Connect, vendor: FakeZendesk, seed: Seed, text: str
) -> None:
    """The fake vendor refuses anything but quoted words; this looks at what is in them."""
    await connect().tickets.search(TicketQuery(text=text))
    await connect().tickets.search(TicketQuery(status=text))
    await connect().people.search(text)
    await connect().people.search(None, email=text)
    await connect().people.search(None, phone=text)
    bare = re.sub(r'["\\*\x00-\x1f\x7f\ud800]', " ", text).split()
    for request in vendor.requests:
        assert {*request.url.params} <= {
            *("query", "per_page", "filter[type]", "sort_by", "sort_order")
        }
        terms = re.findall(TERM, request.url.params["query"])
        names = {name for name, _ in terms}
        assert names in ({"", "type"}, {"status", "type"}, {"name"}, {"email"}, {"phone"})
        words = [word[1:-1] for name, word in terms if not name]
        assert words in ([], [each for each in bare if any(map(str.isalnum, each))])
        (status,) = [word[1:-1] for name, word in terms if name == "status"] or [" ".join(bare)]
        assert status == " ".join(bare)


async def test_lists_say_whether_there_are_more(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    for wanted in (TicketQuery(limit=1), TicketQuery(limit=1, status="open")):
        page = await connect().tickets.search(wanted)
        assert (len(page.tickets), page.more) == (1, True), wanted
    assert not (await connect().tickets.search(TicketQuery(limit=2))).more
    users = await connect().people.search(None, limit=3)
    assert (len(users.users), users.more) == (3, True)


async def test_of_very_many_comments_the_last_are_told(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    for n in range(130):
        vendor.add_comment(int(seed.oven), -1, f"Note {n}", public=False)
    comments = await connect().comments.for_ticket(seed.oven)
    assert comments is not None
    assert [each.text for each in comments] == [f"Note {n}" for n in range(30, 130)]
    assert {each.by for each in comments} == {"system"}
    assert "users/show_many" not in str(request_lines(vendor.requests))


@pytest.mark.parametrize(
    ("line", "free"),
    [
        ({}, True),
        ({"call_status": "on_call"}, False),
        ({"call_status": "wrap_up"}, False),
        ({"agent_state": "offline"}, False),
        ({"agent_state": "transfers_only"}, False),
    ],
)
async def test_who_is_free(
    connect: Connect, vendor: FakeZendesk, seed: Seed, line: dict[str, str], free: bool
) -> None:
    vendor.users[int(seed.agent)]["line"] = line
    (agent,) = await connect().calls.availability(seed.agent)
    assert (agent.agent, agent.name, agent.available) == (seed.agent, "Mara Lindqvist", free)
    assert await connect().calls.availability(seed.tomasz) == []
    assert await connect().calls.availability("x/y") == []


async def test_an_agent_without_a_line_is_not_free(
    connect: Connect, vendor: FakeZendesk, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = vendor.answer

    def without_lines(request: httpx2.Request) -> httpx2.Response:
        lines = "/availabilities/" in request.url.path
        return httpx2.Response(404, json={}) if lines else answer(request)

    monkeypatch.setattr(vendor, "answer", without_lines)
    assert [each.available for each in await connect().calls.availability(seed.agent)] == [False]
