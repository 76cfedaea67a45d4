"""External servers over REST: added, accepted, used by bots; their headers are never shown."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.bots import CHANGES_CHANNEL
from config.database import Database
from config.security.api_keys import Rights, create_key, find_key, revoke_key
from config.security.tokens import Signer
from orchestrator.api.dependencies import Dependencies
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.registration import RegistrationContext
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant, fetch
from tests.orchestrator.api.conftest import (
    ClientFactory,
    NewBot,
    client_factory,
    new_bot,
    with_changes,
)
from tests.support.external_servers import ExternalServerDouble, serve_external
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING

CANARY = "Bearer canary-4711"


def find(name: str) -> dict[str, str]:
    return {"say": f"{name} is a customer."}


def add(name: str) -> str:
    return name


@pytest_asyncio.fixture
async def erp() -> AsyncGenerator[ExternalServerDouble]:
    """A server that wants its header."""
    async with in_one_task(serve_external(header=("authorization", CANARY))) as server:
        server.offer(find, "Find a customer.")
        server.offer(add, "Add a customer.", reads=False)
        yield server


@pytest_asyncio.fixture(scope="module")
async def client(
    dependencies: Dependencies, signer: Signer, database: Database, cache: Redis, servers_url: str
) -> AsyncGenerator[ClientFactory]:
    """Open a client of an API that may reach servers on this machine."""
    registry = Directory(database, KEYRING, cache, allow_private=True)
    router = Router(signer, lambda name: f"{servers_url}/{name}/mcp", registry)
    registration = RegistrationContext(KEYRING, allow_private=True)
    yield client_factory(with_changes(dependencies, router=router, registration=registration))
    await router.aclose()


@pytest_asyncio.fixture
async def bot(database: Database, tenant: Tenant) -> NewBot:
    """A bot without servers."""
    return await new_bot(database, tenant)


@pytest.fixture
def name() -> str:
    """A name that no server has."""
    return f"erp{uuid4().hex[:12]}"


async def post_server(
    http: httpx2.AsyncClient, name: str, server: ExternalServerDouble
) -> httpx2.Response:
    """Add a server."""
    headers = {"Authorization": CANARY}
    body = {"name": name, "url": f"{server.url}?key=canary", "headers": headers}
    return await http.post("/api/servers", json=body)


async def find_entry(http: httpx2.AsyncClient, name: str) -> dict[str, Any] | None:
    """Return a server as it is listed."""
    entries = (await http.get("/api/servers")).json()["servers"]
    return next((each for each in entries if each["name"] == name), None)


@asynccontextmanager
async def collect_announcements(cache: Redis) -> AsyncGenerator[list[str]]:
    """Collect which bots are announced meanwhile."""
    announcements: list[str] = []
    async with cache.pubsub() as channel:
        await channel.subscribe(CHANGES_CHANNEL)
        yield announcements
        await cache.publish(CHANGES_CHANNEL, "end")
        while True:
            message = cast(Any, await channel.get_message(timeout=5))
            if message["data"] == "end":
                return
            announcements += [message["data"]] if message["type"] == "message" else []


async def test_a_server_is_added_listed_used_and_removed(
    client: ClientFactory, key: str, erp: ExternalServerDouble, bot: NewBot, name: str
) -> None:
    async with client(key) as http:
        answer = await post_server(http, name, erp)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "name": name,
            "kind": "external",
            "url": erp.url,
            "answers": True,
            "tools": [
                {"name": "find", "description": "Find a customer.", "reads": True},
                {"name": "add", "description": "Add a customer.", "reads": False},
            ],
            "withheld": [],
        }
        assert await find_entry(http, name) == answer.json()

        path = f"/api/bots/{bot.name}/servers"
        put = await http.put(f"{path}/{name}", json={"denied_tools": ["add"]})
        assert put.json()["denied_tools"] == ["add"]
        assert (await http.get(path)).json() == {"servers": {name: put.json()}}
        for tool, status in (("find", 200), ("add", 404)):
            body = {"tool_key": f"{name}_{tool}", "bot": bot.name, "params": {"name": "Ada"}}
            assert (await http.post("/api/tools/execute", json=body)).status_code == status

        used = await http.delete(f"/api/servers/{name}")
        assert (used.status_code, used.json()["error"]) == (409, "rejected")
        assert bot.name in used.json()["message"]
        assert (await http.delete(f"{path}/{name}")).json() == {"removed": name}
        assert (await http.delete(f"/api/servers/{name}")).json() == {"removed": name}
        assert await find_entry(http, name) is None
        for gone in (f"{path}/{name}", f"/api/servers/{name}"):
            assert (await http.delete(gone)).status_code == 404


@pytest.mark.parametrize(
    ("server", "use", "said"),
    [
        ("scheduling", {"tools": ["creat_booking"]}, "tools.0: 'creat_booking' is not a tool"),
        ("scheduling", {"denied_tools": ["cancel"]}, "did you mean cancel_booking?"),
        ("scheduling", {"policy": {"book": {"confirm": True}}}, "policy.book: 'book' is not"),
        ("scheduling", {"integration": "gone"}, "integration: 'gone' is not an integration"),
        ("tickets", {"integration": "gone"}, "there is none"),
        ("transcripts", {"integration": "gone"}, "there is none"),
        ("erp", {"tools": ["fnid"]}, "did you mean find?"),
        ("erp", {"integration": "main"}, "has no accounts of its own"),
    ],
)
async def test_a_use_names_what_exists(
    client: ClientFactory,
    key: str,
    erp: ExternalServerDouble,
    bot: NewBot,
    name: str,
    server: str,
    use: dict[str, Any],
    said: str,
) -> None:
    path = f"/api/bots/{bot.name}/servers"
    async with client(key) as http:
        if server == "erp":
            await post_server(http, name, erp)
        put = await http.put(f"{path}/{name if server == 'erp' else server}", json=use)
        assert (put.status_code, put.json()["error"]) == (422, "invalid")
        assert said in put.json()["message"]
        assert (await http.get(path)).json() == {"servers": {}}


async def test_a_server_that_a_key_names_is_not_removed(
    client: ClientFactory,
    key: str,
    erp: ExternalServerDouble,
    name: str,
    database: Database,
    tenant: Tenant,
) -> None:
    limits = {"a server": Rights(servers=(name,)), "a tool": Rights(tools=(f"{name}_find",))}
    async with client(key) as http:
        await post_server(http, name, erp)
        for what, rights in limits.items():
            limited = await create_key(database, tenant.business_id, what, rights)
            refused = await http.delete(f"/api/servers/{name}")
            assert (refused.status_code, refused.json()["error"]) == (409, "rejected")
            assert f"API keys {what}" in refused.json()["message"]
            found = await find_key(database, limited)
            assert found is not None
            await revoke_key(database, tenant.business_id, found.api_key_id)
        assert (await http.delete(f"/api/servers/{name}")).status_code == 200


async def test_ours_are_listed_too(client: ClientFactory, key: str) -> None:
    async with client(key) as http:
        found = await find_entry(http, "knowledge")
    assert found is not None
    assert (found["kind"], found["answers"]) == ("builtin", True)
    assert "search_knowledge" in [tool["name"] for tool in found["tools"]]


async def test_a_changed_tool_is_shown_and_accepted(
    client: ClientFactory,
    key: str,
    erp: ExternalServerDouble,
    bot: NewBot,
    name: str,
    cache: Redis,
    tenant: Tenant,
) -> None:
    async with client(key) as http:
        await post_server(http, name, erp)
        await http.put(f"/api/bots/{bot.name}/servers/{name}", json={})
        erp.offer(find, "Find a customer!")
        erp.offer(find, "Forget a customer.", name="forget")
        found = await find_entry(http, name)
        assert found is not None
        assert [tool["name"] for tool in found["tools"]] == ["add"]
        assert sorted(found["withheld"], key=lambda each: each["name"]) == [
            {"name": "find", "reason": "changed", "description": "Find a customer!"},
            {"name": "forget", "reason": "new", "description": "Forget a customer."},
        ]
        async with collect_announcements(cache) as announcements:
            path = f"/api/servers/{name}/accept"
            accepted = await http.post(path, json={"tools": ["find"]})
        assert [each["name"] for each in accepted.json()["withheld"]] == ["forget"]
        assert announcements == [f"{tenant.business_id}/{bot.id}"]
        missing = await http.post(path, json={"tools": ["nothing"]})
        assert (missing.status_code, missing.json()["error"]) == (409, "rejected")
        assert (await http.post(path)).json()["withheld"] == []


async def test_a_bots_use_counts_a_version_and_is_announced(
    client: ClientFactory, key: str, bot: NewBot, cache: Redis, tenant: Tenant
) -> None:
    path = f"/api/bots/{bot.name}/servers/scheduling"
    async with client(key) as http:
        async with collect_announcements(cache) as announcements:
            use = {
                "tools": ["cancel_booking"],
                "policy": {"cancel_booking": {"duplicates": "reject"}},
            }
            assert (await http.put(path, json=use)).status_code == 200
            assert (await http.put(path, json={})).json()["tools"] == []
            await http.delete(path)
        assert announcements == [f"{tenant.business_id}/{bot.id}"] * 3
        config = (await http.get(f"/api/agents/{bot.name}/config")).json()
    assert (config["version"], config["servers"]) == (4, {})


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"name": "scheduling"}, 422, "invalid"),
        ({"name": "erp_eu"}, 422, "invalid"),
        ({"url": "ftp://127.0.0.1/mcp"}, 422, "invalid"),
        ({"url": "http://user:canary@127.0.0.1/mcp"}, 422, "invalid"),
        ({"url": "http://127.0.0.1:9/mcp"}, 503, "unavailable"),
        ({"headers": {"Host": "canary"}}, 422, "invalid"),
        ({"headers": {"Authorization": "canary\n" * 2}}, 409, "rejected"),
        ({"headers": {"Authorization": "canary"}}, 503, "unavailable"),  # it turns us away
        ({"color": "canary"}, 422, "invalid"),
    ],
)
async def test_what_cannot_be_added_is_refused(
    client: ClientFactory,
    key: str,
    erp: ExternalServerDouble,
    name: str,
    change: dict[str, Any],
    status: int,
    error: str,
) -> None:
    body = {"name": name, "url": erp.url, "headers": {"Authorization": CANARY}, **change}
    async with client(key) as http:
        answer = await http.post("/api/servers", json=body)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert "canary" not in answer.text
        assert await find_entry(http, name) is None


async def test_a_private_address_is_refused_where_none_is_allowed(
    dependencies: Dependencies, key: str, erp: ExternalServerDouble, name: str
) -> None:
    open_to_none = client_factory(
        with_changes(dependencies, registration=RegistrationContext(KEYRING))
    )
    async with open_to_none(key) as http:
        answer = await post_server(http, name, erp)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert erp.requests == []


async def test_without_a_key_to_seal_with_nothing_is_stored(
    dependencies: Dependencies, key: str, erp: ExternalServerDouble, name: str
) -> None:
    async with client_factory(
        with_changes(dependencies, registration=RegistrationContext(allow_private=True))
    )(key) as http:
        answer = await post_server(http, name, erp)
    assert answer.status_code == 503
    assert "VAULT_KEYS" in answer.json()["message"]


async def test_another_business_sees_and_changes_none_of_it(
    client: ClientFactory,
    key: str,
    other_key: str,
    erp: ExternalServerDouble,
    bot: NewBot,
    name: str,
) -> None:
    async with client(key) as http:
        await post_server(http, name, erp)
    async with client(other_key) as http:
        assert await find_entry(http, name) is None
        answers = [
            await http.post(f"/api/servers/{name}/accept"),
            await http.delete(f"/api/servers/{name}"),
            await http.get(f"/api/bots/{bot.name}/servers"),
            await http.put(f"/api/bots/{bot.name}/servers/scheduling", json={}),
            await http.delete(f"/api/bots/{bot.name}/servers/scheduling"),
            await http.put(f"/api/bots/bot/servers/{name}", json={}),
        ]
    assert [answer.status_code for answer in answers] == [404] * 6


async def test_a_limited_key_may_do_none_of_it(
    client: ClientFactory, database: Database, tenant: Tenant, bot: NewBot
) -> None:
    limited = await create_key(database, tenant.business_id, "limited", Rights(read_only=True))
    async with client(limited) as http:
        answers = [
            await http.get("/api/servers"),
            await http.post("/api/servers", json={"name": "erp", "url": "https://example.com"}),
            await http.put(f"/api/bots/{bot.name}/servers/scheduling", json={}),
        ]
    assert [answer.status_code for answer in answers] == [403] * 3


async def test_headers_are_in_no_answer_no_log_and_no_row(
    client: ClientFactory,
    key: str,
    erp: ExternalServerDouble,
    name: str,
    database: Database,
    tenant: Tenant,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "antiphon")
    async with client(key) as http:
        answers = [await post_server(http, name, erp), await http.get("/api/servers")]
        erp.header = ("authorization", "another")
        answers += [await http.post(f"/api/servers/{name}/accept"), await http.get("/api/servers")]
        erp.header = ("authorization", CANARY)
        erp.offer(find, "Find!")
        answers += [await http.post(f"/api/servers/{name}/accept")]
    rows = await fetch(database, tenant, "select auth, tools from mcp_server")
    rows += await fetch(database, tenant, "select * from audit where server = :name", name=name)
    texts = [answer.text for answer in answers] + [caplog.text, repr(rows)]
    assert not [each for each in texts if "canary" in each]
    assert len(rows) >= 2
