"""Zendesk: what every ticket desk must do, and what only this one does."""

import json
import logging
import re
import sys
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest
from pydantic import ValidationError

from config.tokens import Claims
from config.vault import Account
from tests.tickets.contract import CANARY, TicketsContract
from tests.tickets.played import Seed
from tests.tickets.played_zendesk import SECRETS, TERM
from tests.tickets.played_zendesk import Zendesk as Played
from tests.vendors import BODY_CANARY, Fault, refused, timed_out
from tickets.provider import CallLog, Change, Draft, UserDraft, Wanted
from tickets.providers.zendesk import Zendesk
from tickets.registry import PROVIDERS
from toolkit.errors import (
    Conflict,
    Disconnected,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Unavailable,
)
from toolkit.standalone import OneAccount
from toolkit.tenancy import Attempt, Call, Runtime

KEY = "a1" * 32
HUMS = Draft(subject="Mixer hums", text="It hums.")
CALL = CallLog(
    phone="+49 30 5550142",
    direction="inbound",
    started_at=datetime(2026, 11, 24, 9, 0, 5, tzinfo=UTC),
    seconds=241,
    summary="Asked for the technician.",
)
Open = Callable[..., Zendesk]


class TestZendesk(TicketsContract):
    provider = "zendesk"
    secrets: ClassVar[dict[str, str]] = SECRETS
    has_jobs = True

    def new_vendor(self) -> Played:
        return Played()


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
    """Opens the provider: `again` says that the write is tried again."""
    monkeypatch.setattr("toolkit.jobs._FIRST", 0.0)
    monkeypatch.setattr("toolkit.vendor._PAUSE", 0.0)
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime, claims = Runtime(client, OneAccount(Account("zendesk"))), _claims()

        def of(*, again: bool = False, key: str = KEY, **settings: Any) -> Zendesk:
            account = Account("zendesk", None, SECRETS, settings)
            return Zendesk(account, Call(claims, runtime, Attempt(key, again)))

        yield of
        runtime.threads.close()


def _claims() -> Claims:
    return Claims(sub="test", business_id=uuid4())


def _sent(request: httpx2.Request) -> Any:
    return json.loads(request.content)


def _paths(requests: list[httpx2.Request]) -> list[str]:
    return [f"{each.method} {each.url.path.removeprefix('/api/v2/')}" for each in requests]


@pytest.mark.parametrize("subdomain", ["", "evil.example/", "a.b", "acme@evil", "-acme", "acme\n"])
def test_a_subdomain_is_a_name_and_no_address(subdomain: str) -> None:
    call = Call(_claims(), Runtime(httpx2.AsyncClient(), OneAccount(Account("zendesk"))))
    with pytest.raises(ValidationError) as caught:
        Zendesk(Account("zendesk", None, SECRETS | {"subdomain": subdomain}), call)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(vars(Zendesk(Account("zendesk", None, SECRETS), call)))


async def test_zenpy_is_only_needed_by_those_who_use_it(
    desk: Open, vendor: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "zenpy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zenpy", None)
    for name in [each for each in sys.modules if each.startswith("tickets.providers.zendesk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "tickets.registry")
    assert "zendesk" in import_module("tickets.registry").PROVIDERS
    with pytest.raises(Disconnected, match=r"antiphon\[zendesk\]"):
        await desk().check()
    assert vendor.requests == []


async def test_an_account_may_be_elsewhere(vendor: Played) -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={"tickets": [], "meta": {"has_more": False}})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        runtime = Runtime(client, OneAccount(Account("zendesk")))
        there = {"base_url": "http://127.0.0.1:8900/zendesk/"}
        account = Account("zendesk", None, SECRETS, there)
        await Zendesk(account, Call(_claims(), runtime)).find(Wanted())
        runtime.threads.close()
    (request,) = asked
    assert str(request.url.copy_with(query=None)) == "http://127.0.0.1:8900/zendesk/api/v2/tickets"
    assert request.url.params["sort"] == "-updated_at"
    assert request.headers["Authorization"].startswith("Basic ")


async def test_a_token_that_has_gone_is_nobody_s(desk: Open, vendor: Played) -> None:
    vendor.users[vendor.us] |= {"id": None, "name": "Anonymous user"}
    with pytest.raises(Disconnected):
        await desk().check()


STRANGE: list[Any] = [
    {},
    [],
    [1],
    5,
    "x",
    None,
    {"x": BODY_CANARY},
    {"tickets": 5},
    {"tickets": [5]},
    {"tickets": [{"id": BODY_CANARY}]},
    {"results": [5]},
    {"ticket": 5},
    {"ticket": {"id": BODY_CANARY}},
    {"ticket": {}, "audit": 5},
    {"job_status": None},
    {"job_status": {"id": "../users/1", "status": "completed"}},
    {"count": 3},
]


@pytest.mark.parametrize("body", STRANGE, ids=str)
async def test_an_answer_of_an_unknown_form_is_none(
    desk: Open, vendor: Played, seed: Seed, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def strange(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=body)

    provider, many = desk(), [HUMS, HUMS.model_copy(update={"subject": "Mixer stops"})]
    vendor.fail(strange, times=9)
    with pytest.raises(Unavailable):
        await provider.tickets([seed.oven])
    with pytest.raises(Unavailable):
        await provider.find(Wanted(text="oven"))
    with pytest.raises(OutcomeUnknown):
        await provider.create([HUMS])
    with pytest.raises(OutcomeUnknown):
        await provider.create(many)
    assert BODY_CANARY not in caplog.text


async def test_no_call_asks_more_than_it_must(desk: Open, vendor: Played, seed: Seed) -> None:
    provider, oven = desk(), seed.oven
    await provider.find(Wanted(text="oven"))
    await provider.find(Wanted(of=seed.katherine, part="requested"))
    await provider.tickets([oven, seed.scale])
    await provider.create([HUMS.model_copy(update={"requester": seed.katherine})])
    await provider.update([Change(id=oven, priority="low")])
    await provider.comment(oven, "Soon.", public=True)
    await provider.log_call(CALL.model_copy(update={"ticket": oven}))
    await provider.find_users("Katherine Brandt")
    assert len(vendor.requests) == 8
    await provider.update([Change(id=oven, status="solved", add_tags=("warm",))])
    assert _paths(vendor.requests[8:]) == [f"PUT tickets/{oven}", f"PUT tickets/{oven}/tags"]
    await provider.comments(oven)
    await provider.comments(oven)
    assert sorted(_paths(vendor.requests[10:])) == [
        *(f"GET tickets/{oven}/comments", f"GET tickets/{oven}/comments"),
        *("GET users/me", "GET users/show_many", "GET users/show_many"),
    ]


async def test_what_is_created(
    desk: Open, vendor: Played, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"custom_field_36": "Berlin", "custom_field_37": None, "group_id": 12}
    draft = HUMS.model_copy(
        update={"fields": fields, "type": "task", "tags": ("late",), "assignee": seed.agent}
    )
    # Of an own field the specification demands, when it is set, all that describes it.
    monkeypatch.setattr(Played, "specification", None)
    await desk().create([draft])
    (request,) = vendor.written()
    assert request.headers["Idempotency-Key"] == KEY
    assert request.headers["Content-Type"] == "application/json"
    assert _sent(request) == {
        "ticket": {
            "subject": "Mixer hums",
            "comment": {"body": "It hums."},
            "type": "task",
            "tags": ["late"],
            "assignee_id": int(seed.agent),
            "external_id": f"antiphon:{KEY}",
            "group_id": 12,
            "custom_fields": [{"id": 36, "value": "Berlin"}, {"id": 37, "value": None}],
        }
    }
    for name in (
        "id",
        "comment",
        "status",
        "requester_id",
        "to_dict",
        "api",
        "custom_field_",
        "x.y",
    ):
        with pytest.raises(Rejected):
            await desk().create([HUMS.model_copy(update={"fields": {name: "1"}})])
    for wrong in ({"requester": "nobody"}, {"assignee": "../1"}):
        with pytest.raises(NotFound):
            await desk().create([HUMS.model_copy(update=wrong)])
    assert len(vendor.written()) == 1


async def test_who_has_called_is_who_the_ticket_is_for(
    desk: Open, vendor: Played, seed: Seed
) -> None:
    async def whose(**values: str) -> dict[str, Any]:
        (ticket,) = (await desk(key=uuid4().hex * 2).create([HUMS.model_copy(update=values)])).done
        return vendor.users[vendor.tickets[int(ticket)]["requester_id"]]

    brandt = {"requester_name": "Catherine Brandt", "requester_phone": "030 5550142"}
    assert (await whose(**brandt))["id"] == int(seed.katherine)
    # Another one at the same number, such as a colleague, is somebody else.
    other = await whose(requester_name="Jo Li", requester_phone="030 5550142")
    assert (other["name"], other["phone"]) == ("Jo Li", "030 5550142")
    number = await whose(requester_phone="+49 89 5550111")
    assert (number["name"], number["phone"]) == ("+49 89 5550111", "+49 89 5550111")
    assert (await whose())["id"] == vendor.us
    before = len(vendor.requests)
    many = [HUMS.model_copy(update={**brandt, "subject": f"Loaf {n}"}) for n in range(30)]
    batch = await desk().create(many)
    assert _paths(vendor.requests[before:])[:2] == ["GET users/search", "POST tickets/create_many"]
    assert {vendor.tickets[int(each)]["requester_id"] for each in batch.done} == {
        int(seed.katherine)
    }


async def test_of_many_each_is_refused_for_itself(desk: Open, vendor: Played, seed: Seed) -> None:
    drafts = [HUMS.model_copy(update={"subject": f"Loaf {n}"}) for n in range(4)]
    drafts[1] = drafts[1].model_copy(update={"requester": "nobody"})
    drafts[2] = drafts[2].model_copy(update={"requester": "4711"})
    batch = await desk().create(drafts)
    subjects = [vendor.tickets[int(each)]["subject"] for each in batch.done]
    assert subjects == ["Loaf 0", "Loaf 3"]
    assert {each.which for each in batch.refused} == {"2", "3"}
    assert BODY_CANARY not in str(batch)
    gone = await desk().delete([seed.oven, "x/y", seed.scale, "4711"])
    assert gone.done == (seed.oven, seed.scale)
    assert {each.which for each in gone.refused} == {"x/y", "4711"}


def _ended(vendor: Played, status: str, results: Any) -> Fault:
    """Return a fault: a job that has ended so, with whatever it did."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        job = {"id": "8b72", "status": status, "results": results}
        return httpx2.Response(200, json={"job_status": job})

    return answer


@pytest.mark.parametrize(
    ("status", "results", "done"),
    [
        ("completed", [{"id": 7, "success": True}, {"id": 8, "success": True}], ("7", "8")),
        ("completed", [{"id": 8, "success": True}, {"id": 7, "success": False}], ("8",)),
        # One who is refused may have the place instead of the id.
        (
            "completed",
            [{"id": 7, "status": "Updated"}, {"id": 2, "error": "UserUpdateError"}],
            ("7",),
        ),
        ("completed", {"success": True}, ("7", "8")),
        ("completed", None, ("7", "8")),
        ("failed", None, ()),
        ("killed", [{"id": 7, "success": True}], ("7",)),
    ],
)
async def test_how_a_job_ends(
    desk: Open, vendor: Played, status: str, results: Any, done: tuple[str, ...]
) -> None:
    vendor.fail(_ended(vendor, status, results))
    batch = await desk().update([Change(id=each, priority="low") for each in ("7", "8")])
    assert batch.done == done
    assert [each.which for each in batch.refused] == [each for each in "78" if each not in done]
    assert batch.job is None


async def test_a_job_that_cannot_be_looked_at_is_not_called_a_failure(
    desk: Open, vendor: Played, seed: Seed
) -> None:
    vendor.fail(refused(403), writes=False, times=9)
    changes = [Change(id=each, priority="low") for each in (seed.oven, seed.scale)]
    batch = await desk().update(changes)
    assert batch.job in vendor.jobs
    assert (batch.done, batch.refused) == ((), ())


async def test_many_whose_answer_was_lost_are_found(desk: Open, vendor: Played, seed: Seed) -> None:
    drafts = [HUMS.model_copy(update={"subject": f"Loaf {n}"}) for n in range(3)]
    assert await desk(again=True).created_before(drafts) is None
    vendor.fail(timed_out, writes=True, done=True)
    with pytest.raises(OutcomeUnknown):
        await desk().create(drafts)
    found = await desk(again=True).created_before(drafts)
    assert found is not None
    assert [vendor.tickets[int(each)]["subject"] for each in found.done] == [
        *("Loaf 0", "Loaf 1", "Loaf 2")
    ]
    vendor.tickets[int(found.done[1])]["deleted"] = True
    some = await desk(again=True).created_before(drafts)
    assert some is not None
    assert [each.which for each in some.refused] == ["2"]
    assert await desk(again=True, key="b2" * 32).created_before(drafts) is None
    assert await desk().created_before(drafts) is None


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
    assert "users/show_many" not in str(_paths(vendor.requests))


async def test_users_and_their_organizations(desk: Open, vendor: Played, seed: Seed) -> None:
    ann = UserDraft(name="Ann One", email="ann@example.com", organization="Corner Bakery")
    created = vendor.users[int(await desk().create_user(ann))]
    assert created["organization_id"] == int(seed.organization)
    with pytest.raises(Conflict):
        await desk().create_user(ann)
    with pytest.raises(Rejected, match="no organization"):
        await desk().create_user(UserDraft(name="Bo", organization="Nowhere"))
    number = UserDraft(id=seed.tomasz, organization=seed.organization)
    assert (await desk().update_users([number])).done == (seed.tomasz,)
    assert vendor.users[int(seed.tomasz)]["organization_id"] == int(seed.organization)


async def test_who_has_no_address_is_kept_by_the_number(
    desk: Open, vendor: Played, seed: Seed
) -> None:
    kept = await desk().upsert_users(
        [
            UserDraft(name="Joao Lima", email="joao@example.org"),
            UserDraft(name="Kathrin Brandt", phone="030 555 01 42"),
            UserDraft(name="Nadia Petrova", phone="+33 1 55500199"),
        ]
    )
    assert len(kept.done) == 3
    assert kept.refused == ()
    names = {each["phone"]: each["name"] for each in vendor.people()}
    assert names["030 555 01 42"] == "Kathrin Brandt"
    assert names["+33 1 55500199"] == "Nadia Petrova"
    assert vendor.users[int(seed.katherine)]["name"] == "Kathrin Brandt"
    with pytest.raises(OutcomeUnknown):
        await desk(again=True).user_created_before(UserDraft(name="Jo", phone="+33 1 55500198"))
    again = UserDraft(name="Nadia Petrova", phone="+33 1 55500199")
    found = await desk(again=True).user_created_before(again)
    assert vendor.users[int(found or 0)]["name"] == "Nadia Petrova"
    # Neither whoever else has the number, nor who has been there for long, is who was lost.
    with pytest.raises(OutcomeUnknown):
        await desk(again=True).user_created_before(again.model_copy(update={"name": "Jo"}))
    tomasz = UserDraft(name="Tomasz Nowak", email="tomasz.nowak@example.net")
    assert await desk(again=True).user_created_before(tomasz) == seed.tomasz
    vendor.users[int(seed.tomasz)]["created_at"] = "2026-01-01T00:00:00Z"
    assert await desk(again=True).user_created_before(tomasz) is None


async def test_a_call_is_a_comment_a_ticket_or_a_call(
    desk: Open, vendor: Played, seed: Seed
) -> None:
    about = CALL.model_copy(update={"ticket": seed.oven})
    comment = await desk().log_call(about)
    said = vendor.comments[int(seed.oven)][-1]
    assert (str(said["id"]), said["public"]) == (comment, False)
    assert said["body"] == (
        "Asked for the technician.\n\nCall from +49 30 5550142, 4:01, begun 2026-11-24 09:00 UTC."
    )
    # When it began is taken from the clock, which has gone on.
    later = about.model_copy(update={"started_at": datetime(2026, 11, 24, 9, 1, tzinfo=UTC)})
    assert await desk(again=True).log_call(later) == comment

    ticket = await desk().log_call(CALL)
    opened = vendor.tickets[int(ticket)]
    assert (opened["status"], opened["requester_id"]) == ("solved", int(seed.katherine))
    assert [each["public"] for each in vendor.comments[int(ticket)]] == [False]
    assert await desk(again=True).log_call(CALL) == ticket

    talk = {"talk_app_id": 1352, "talk_line": "+49305550100"}
    outbound = about.model_copy(update={"direction": "outbound"})
    assert await desk(**talk).log_call(outbound)
    assert vendor.calls[-1]["call"] == {
        "app_id": 1352,
        "from_line": "+49305550100",
        "to_line": "+49 30 5550142",
        "direction": "outbound",
        "call_started_at": "2026-11-24T09:00:05Z",
        "call_ended_at": "2026-11-24T09:04:06Z",
        "ticket_id": int(seed.oven),
    }
    assert vendor.calls[-1]["comment"]["title"] == "Asked for the technician."
    with pytest.raises(OutcomeUnknown):
        await desk(**talk, again=True).log_call(outbound)
    for elsewhere in ("nowhere", "999999999"):
        with pytest.raises(NotFound):
            await desk().log_call(about.model_copy(update={"ticket": elsewhere}))


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


def test_it_is_registered() -> None:
    assert PROVIDERS["zendesk"] is Zendesk
    assert Zendesk.unsupported == {}
