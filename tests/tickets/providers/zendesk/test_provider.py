"""The Zendesk provider: the contract, credentials, responses of unknown form, request counts."""

import logging
import sys
from collections.abc import AsyncGenerator
from importlib import import_module
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest
from pydantic import ValidationError

from config.security.vault import Account
from tests.support.vendors import BODY_CANARY
from tests.tickets.connected_tenant import ConnectedTenant
from tests.tickets.contract import CANARY, TicketsContract
from tests.tickets.double import Seed
from tests.tickets.providers.zendesk.double import SECRETS, FakeZendesk
from tests.tickets.providers.zendesk.harness import (
    CALL,
    HUMS,
    Connect,
    new_claims,
    provider_factory,
    request_lines,
)
from tickets.provider import TicketChange, TicketQuery
from tickets.providers.zendesk.provider import Zendesk
from tickets.registry import PROVIDERS
from toolkit.errors import (
    Disconnected,
    OutcomeUnknown,
    Unavailable,
)
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Runtime, ToolCall


class TestZendesk(TicketsContract):
    provider = "zendesk"
    secrets: ClassVar[dict[str, str]] = SECRETS
    has_jobs = True

    def new_vendor(self) -> FakeZendesk:
        return FakeZendesk()

    async def test_a_deleted_user_is_said_to_be_gone(self, harness: ConnectedTenant) -> None:
        user = {"user": harness.seed.katherine}
        async with harness.caller() as caller:
            assert (await caller.call("delete_user", **user)).error is None
            written = len(harness.vendor.written())
            for tool, values in (
                ("get_user", {}),
                ("update_user", {"name": "Katherine Braun"}),
                ("delete_user", {}),
                ("get_user_requested_tickets", {}),
            ):
                answer = await caller.call(tool, key=str(uuid4()), **user, **values)
                assert answer.error == "not_found", (tool, answer)
                assert "no longer active" in answer.text, (tool, answer)
            both = await caller.call("show_many_users", users=[*user.values(), harness.seed.tomasz])
        assert both.data["missing"] == [harness.seed.katherine]
        assert len(harness.vendor.written()) == written


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


@pytest.mark.parametrize("subdomain", ["", "evil.example/", "a.b", "acme@evil", "-acme", "acme\n"])
def test_a_subdomain_is_a_name_and_no_address(subdomain: str) -> None:
    call = ToolCall(
        new_claims(), Runtime(httpx2.AsyncClient(), SingleAccountVault(Account("zendesk")))
    )
    with pytest.raises(ValidationError) as caught:
        Zendesk(Account("zendesk", None, SECRETS | {"subdomain": subdomain}), call)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(vars(Zendesk(Account("zendesk", None, SECRETS), call)))


async def test_zenpy_is_only_needed_by_those_who_use_it(
    connect: Connect, vendor: FakeZendesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "zenpy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zenpy", None)
    for name in [each for each in sys.modules if each.startswith("tickets.providers.zendesk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "tickets.registry")
    assert "zendesk" in import_module("tickets.registry").PROVIDERS
    with pytest.raises(Disconnected, match=r"antiphon\[zendesk\]"):
        await connect().check()
    assert vendor.requests == []


async def test_an_account_may_be_elsewhere(vendor: FakeZendesk) -> None:
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, json={"tickets": [], "meta": {"has_more": False}})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        runtime = Runtime(client, SingleAccountVault(Account("zendesk")))
        settings = {"base_url": "http://127.0.0.1:8900/zendesk/"}
        account = Account("zendesk", None, SECRETS, settings)
        await Zendesk(account, ToolCall(new_claims(), runtime)).tickets.search(TicketQuery())
        runtime.threads.close()
    (request,) = requests
    assert str(request.url.copy_with(query=None)) == "http://127.0.0.1:8900/zendesk/api/v2/tickets"
    assert request.url.params["sort"] == "-updated_at"
    assert request.headers["Authorization"].startswith("Basic ")


async def test_a_token_that_has_gone_is_nobody_s(connect: Connect, vendor: FakeZendesk) -> None:
    vendor.users[vendor.us] |= {"id": None, "name": "Anonymous user"}
    with pytest.raises(Disconnected):
        await connect().check()


STRANGE: list[Any] = [
    {},
    [],
    [1],
    5,
    "x",
    None,
    {"x": BODY_CANARY},
    {"tickets": 5},
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
    connect: Connect, vendor: FakeZendesk, seed: Seed, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def strange(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=body)

    provider, many = connect(), [HUMS, HUMS.model_copy(update={"subject": "Mixer stops"})]
    vendor.fail(strange, times=9)
    with pytest.raises(Unavailable):
        await provider.tickets.get([seed.oven])
    with pytest.raises(Unavailable):
        await provider.tickets.search(TicketQuery(text="oven"))
    with pytest.raises(OutcomeUnknown):
        await provider.tickets.create([HUMS])
    with pytest.raises(OutcomeUnknown):
        await provider.tickets.create(many)
    assert BODY_CANARY not in caplog.text


async def test_no_call_asks_more_than_it_must(
    connect: Connect, vendor: FakeZendesk, seed: Seed
) -> None:
    provider, oven = connect(), seed.oven
    await provider.tickets.search(TicketQuery(text="oven"))
    await provider.tickets.search(TicketQuery(related_to=seed.katherine, relation="requested"))
    await provider.tickets.get([oven, seed.scale])
    await provider.tickets.create([HUMS.model_copy(update={"requester": seed.katherine})])
    await provider.tickets.update([TicketChange(id=oven, priority="low")])
    await provider.comments.add(oven, "Soon.", public=True)
    await provider.calls.log(CALL.model_copy(update={"ticket": oven}))
    await provider.people.search("Katherine Brandt")
    assert len(vendor.requests) == 8
    await provider.tickets.update([TicketChange(id=oven, status="solved", add_tags=("warm",))])
    assert request_lines(vendor.requests[8:]) == [f"PUT tickets/{oven}", f"PUT tickets/{oven}/tags"]
    await provider.comments.for_ticket(oven)
    await provider.comments.for_ticket(oven)
    assert sorted(request_lines(vendor.requests[10:])) == [
        *(f"GET tickets/{oven}/comments", f"GET tickets/{oven}/comments"),
        *("GET users/me", "GET users/show_many", "GET users/show_many"),
    ]


def test_it_is_registered() -> None:
    assert PROVIDERS["zendesk"] is Zendesk
    assert Zendesk.unsupported == {}
