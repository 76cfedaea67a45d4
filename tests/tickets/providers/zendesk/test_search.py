"""What is read of Zendesk: searches, lists, comments, and who is free."""

import re
from collections.abc import AsyncGenerator

import httpx2
import pytest

from tests.tickets.double import Seed
from tests.tickets.providers.zendesk.calls import Open, calling, paths
from tests.tickets.providers.zendesk.double import Zendesk as Played
from tests.tickets.providers.zendesk.search import TERM
from tickets.provider import Wanted

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
def vendor() -> Played:
    return Played()


@pytest.fixture
def seed(vendor: Played) -> Seed:
    return vendor.seed()


@pytest.fixture
async def desk(vendor: Played, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Open]:
    async with calling(vendor, monkeypatch) as opened:
        yield opened


async def test_what_is_on_hold_is_pending(desk: Open, vendor: Played, seed: Seed) -> None:
    vendor.tickets[int(seed.oven)]["status"] = "hold"
    page = await desk().find(Wanted(status="pending", of=seed.katherine, part="requested"))
    assert [(each.id, each.status) for each in page.tickets] == [(seed.oven, "pending")]
    assert (await desk().find(Wanted(status='"'))).tickets == ()
    assert (await desk().find(Wanted(type="problem", text="display"))).tickets[0].id == seed.scale
    asked = len(vendor.requests)
    assert (await desk().find(Wanted(of="x y", part="assigned"))).tickets == ()
    assert len(vendor.requests) == asked


@pytest.mark.parametrize("said", HOSTILE)
async def test_what_is_searched_for_stays_what_was_said(
    desk: Open, vendor: Played, seed: Seed, said: str
) -> None:
    """The played vendor refuses what is not made of quoted words; here is what is in them."""
    await desk().find(Wanted(text=said))
    await desk().find(Wanted(status=said))
    await desk().find_users(said)
    await desk().find_users(None, email=said)
    await desk().find_users(None, phone=said)
    bare = re.sub(r'["\\*\x00-\x1f\x7f\ud800]', " ", said).split()
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


async def test_lists_say_whether_there_are_more(desk: Open, vendor: Played, seed: Seed) -> None:
    for wanted in (Wanted(limit=1), Wanted(limit=1, status="open")):
        page = await desk().find(wanted)
        assert (len(page.tickets), page.more) == (1, True), wanted
    assert not (await desk().find(Wanted(limit=2))).more
    users = await desk().find_users(None, limit=3)
    assert (len(users.users), users.more) == (3, True)


async def test_of_very_many_comments_the_last_are_told(
    desk: Open, vendor: Played, seed: Seed
) -> None:
    for n in range(130):
        vendor.say(int(seed.oven), -1, f"Note {n}", public=False)
    told = await desk().comments(seed.oven)
    assert told is not None
    assert [each.text for each in told] == [f"Note {n}" for n in range(30, 130)]
    assert {each.by for each in told} == {"customer"}
    assert "users/show_many" not in str(paths(vendor.requests))


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
    desk: Open, vendor: Played, seed: Seed, line: dict[str, str], free: bool
) -> None:
    vendor.users[int(seed.agent)]["line"] = line
    (told,) = await desk().availability(seed.agent)
    assert (told.agent, told.name, told.available) == (seed.agent, "Mara Lindqvist", free)
    assert await desk().availability(seed.tomasz) == []
    assert await desk().availability("x/y") == []


async def test_an_agent_without_a_line_is_not_free(
    desk: Open, vendor: Played, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = vendor.answer

    def without(request: httpx2.Request) -> httpx2.Response:
        lines = "/availabilities/" in request.url.path
        return httpx2.Response(404, json={}) if lines else answer(request)

    monkeypatch.setattr(vendor, "answer", without)
    assert [each.available for each in await desk().availability(seed.agent)] == [False]
