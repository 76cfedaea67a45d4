"""Starting a conversation, and coming back to it."""

import json
from uuid import UUID, uuid4

import httpx2
import pytest
from livekit.api import TokenVerifier

from config.cache import connect
from config.database import Database
from config.security.tokens import Verifier
from orchestrator.agent.job import Dispatch
from orchestrator.api.dependencies import Dependencies
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant, fetch
from tests.orchestrator.api.conftest import (
    OWN_ORIGIN,
    SECRET,
    ClientFactory,
    Json,
    client_factory,
    new_bot,
    slug,
    start_session,
    with_changes,
)

START = "/api/sessions/start"


def decode_token(token: str) -> Json:
    """Return what LiveKit reads in a token."""
    claims = TokenVerifier("APIkey", SECRET).verify(token)
    assert claims.video is not None
    assert claims.room_config is not None
    [agent] = claims.room_config.agents
    return {
        "identity": claims.identity,
        "video": claims.video,
        "agent": agent.agent_name,
        "job": json.loads(agent.metadata),
    }


async def test_a_key_starts_a_conversation(
    client: ClientFactory, key: str, tenant: Tenant, database: Database
) -> None:
    answer = await start_session(
        client, key, identifier="customer 7", language="en", metadata={"device": "kiosk"}
    )
    conversation_id = answer["conversation_id"]
    assert answer["room_name"] == f"call-{conversation_id}"
    assert answer["livekit_url"] == "ws://127.0.0.1:9"
    assert answer["ice_servers"] == [{"urls": "stun:127.0.0.1:3478"}]
    assert answer["bot"] == {"name": "bot"}
    [row] = await fetch(
        database,
        tenant,
        "select c.*, s.identifier, s.language_preference from conversation c"
        " join session s on s.id = c.session_id where c.id = :id",
        id=UUID(conversation_id),
    )
    assert (row["status"], row["direction"]) == ("active", "inbound")
    assert (row["room_name"], row["agent_config_id"]) == (answer["room_name"], tenant.bot_id)
    assert (row["identifier"], row["language_preference"]) == ("customer 7", "en")
    for token in (key, answer["conversation_token"]):
        async with client(token) as http:
            seen = (await http.get(f"/api/conversations/{conversation_id}")).json()
        assert (seen["language"], seen["metadata"]) == ("en", {"device": "kiosk"})
        assert seen["detected_language"] is None


async def test_the_token_opens_exactly_this_room_and_brings_the_agent(
    client: ClientFactory, key: str, tenant: Tenant
) -> None:
    metadata = {"device": "kiosk", "floor": 2, "vip": True}
    answer = await start_session(
        client,
        key,
        identifier="customer 7",
        direction="outbound",
        language="de",
        metadata=metadata,
    )
    token = decode_token(answer["token"])
    video = token["video"]
    assert token["identity"] == f"caller-{answer['conversation_id']}"
    assert (video.room_join, video.room) == (True, answer["room_name"])
    assert (video.can_publish, video.can_publish_sources) == (True, ["microphone"])
    assert (video.can_subscribe, video.can_publish_data) == (True, True)
    for right in ("room_create", "room_list", "room_admin", "room_record", "agent", "hidden"):
        assert not getattr(video, right)
    assert token["agent"] == "voice"
    assert token["job"] == {
        "business_id": str(tenant.business_id),
        "bot_id": str(tenant.bot_id),
        "conversation_id": answer["conversation_id"],
        "config_version": 1,
        "direction": "outbound",
        "identifier": "customer 7",
        "language": "de",
        "metadata": metadata,
    }
    dispatch = Dispatch.model_validate(token["job"])
    assert (dispatch.identifier, dispatch.language) == ("customer 7", "de")
    assert dispatch.metadata == metadata


async def test_a_key_is_worth_nothing_at_another_business(
    client: ClientFactory, key: str, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with client(key) as http:
        own = await http.post(START, json={"bot": "bot", "business": slug(tenant)})
        assert own.status_code == 201
        answers = [
            await http.post(START, json={"bot": "bot", "business": business})
            for business in (slug(other_tenant), "nobody")
        ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].text == answers[1].text


async def test_an_unknown_bot_is_not_found(client: ClientFactory, key: str) -> None:
    async with client(key) as http:
        answer = await http.post(START, json={"bot": "nobody"})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_anybody_may_call_a_bot_that_allows_it(
    client: ClientFactory, tenant: Tenant, address: str
) -> None:
    async with client(address=address) as http:
        answer = await http.post(START, json={"business": slug(tenant), "bot": "bot"})
    assert answer.status_code == 201
    body = answer.json()
    job = decode_token(body["token"])["job"]
    assert job["business_id"] == str(tenant.business_id)
    assert job["identifier"] == f"anonymous-{body['conversation_id']}"


async def test_nobody_learns_which_bots_there_are(
    client: ClientFactory, tenant: Tenant, database: Database
) -> None:
    closed = await new_bot(database, tenant, allow_anonymous=False)
    asked = [
        {"business": slug(tenant), "bot": closed.name},
        {"business": slug(tenant), "bot": "nobody"},
        {"business": "nobody", "bot": "bot"},
    ]
    async with client() as http:
        answers = [await http.post(START, json=body) for body in asked]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


async def test_only_a_business_says_who_its_caller_is(
    client: ClientFactory, tenant: Tenant, address: str
) -> None:
    body = {"business": slug(tenant), "bot": "bot", "identifier": "the owner"}
    async with client(address=address) as http:
        answer = await http.post(START, json=body)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ([], None, 201),
        ([], OWN_ORIGIN, 201),
        ([], "http://127.0.0.1:9090", 403),
        ([], "null", 403),
        (["https://shop.example"], "https://shop.example", 201),
        (["https://shop.example"], "https://shop.example.evil.example", 403),
        (["https://shop.example"], "http://shop.example", 403),
        (["https://shop.example"], OWN_ORIGIN, 403),
    ],
)
async def test_a_page_may_call_where_the_bot_allows_it(
    client: ClientFactory,
    tenant: Tenant,
    database: Database,
    allowed: list[str],
    origin: str | None,
    status: int,
) -> None:
    bot = await new_bot(database, tenant, allowed_origins=allowed)
    async with client(origin=origin) as http:
        answer = await http.post(START, json={"business": slug(tenant), "bot": bot.name})
    assert answer.status_code == status
    readable = answer.headers.get("access-control-allow-origin")
    assert readable == (origin if status == 201 else None)


async def test_a_page_of_another_origin_may_ask_first(client: ClientFactory) -> None:
    origin = "https://shop.example"
    asked = {"Access-Control-Request-Method": "POST"}
    async with client(origin=origin) as http:
        answer = await http.options(START, headers=asked)
        closed = await http.options("/api/tools/execute", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in answer.headers
    assert closed.status_code == 405


async def test_strangers_are_limited_by_address_and_bot(
    client: ClientFactory, tenant: Tenant, database: Database, address: str, key: str
) -> None:
    bot = await new_bot(database, tenant)
    body = {"business": slug(tenant), "bot": bot.name}
    async with client(address=address) as http:
        for _ in range(3):
            assert (await http.post(START, json=body)).status_code == 201
        refused = await http.post(START, json=body)
        elsewhere = await http.post(START, json=body | {"bot": "bot"})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert elsewhere.status_code == 201
    async with client(address="10.255.0.1") as http:
        assert (await http.post(START, json=body)).status_code == 201
    async with client(key, address=address) as http:
        assert (await http.post(START, json=body)).status_code == 201


async def test_one_network_of_ipv6_is_one_caller(
    client: ClientFactory, tenant: Tenant, database: Database
) -> None:
    bot = await new_bot(database, tenant)
    body = {"business": slug(tenant), "bot": bot.name}
    statuses: list[int] = []
    for number in range(4):
        async with client(address=f"2001:db8:1:2::{number:x}") as http:
            statuses.append((await http.post(START, json=body)).status_code)
    async with client(address="2001:db8:1:3::1") as http:
        statuses.append((await http.post(START, json=body)).status_code)
    assert statuses == [201, 201, 201, 429, 201]


async def test_without_a_cache_strangers_wait_and_businesses_go_on(
    dependencies: Dependencies, tenant: Tenant, key: str
) -> None:
    cache = connect("redis://127.0.0.1:9/0")
    client = client_factory(with_changes(dependencies, cache=cache))
    body = {"business": slug(tenant), "bot": "bot"}
    async with client() as stranger, client(key) as business:
        assert (await stranger.post(START, json=body)).status_code == 503
        assert (await business.post(START, json=body)).status_code == 201
    await cache.aclose()


async def test_a_server_that_is_down_is_said_so(dependencies: Dependencies, key: str) -> None:
    nowhere = Router(dependencies.signer, lambda name: f"http://127.0.0.1:9/{name}/mcp")
    client = client_factory(with_changes(dependencies, router=nowhere))
    async with client(key) as http:
        answer = await http.post(START, json={"bot": "bot"})
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    await nowhere.aclose()


async def test_who_was_in_the_room_may_come_back(client: ClientFactory, key: str) -> None:
    session = await start_session(
        client, key, identifier="customer 7", language="en", metadata={"device": "kiosk"}
    )
    asked = {"conversation_id": session["conversation_id"]}
    for token in (key, session["conversation_token"]):
        async with client(token) as http:
            answer = await http.get("/api/token", params=asked)
        assert answer.status_code == 200
        fresh = decode_token(answer.json()["token"])
        assert fresh["video"].room == session["room_name"]
        assert fresh["job"] == decode_token(session["token"])["job"]


async def test_nobody_comes_back_to_what_is_over(client: ClientFactory, key: str) -> None:
    session = await start_session(client, key)
    conversation_id = session["conversation_id"]
    async with client(key) as http:
        await http.post(f"/api/conversations/{conversation_id}/end")
        answer = await http.get("/api/token", params={"conversation_id": conversation_id})
    assert (answer.status_code, answer.json()["error"]) == (409, "rejected")


async def test_the_conversation_token_names_one_conversation_and_no_tool(
    client: ClientFactory, key: str, dependencies: Dependencies, tenant: Tenant
) -> None:
    session = await start_session(client, key)
    verifier = Verifier(dependencies.signer.public_key(), "api", max_lifetime=3600)
    claims = verifier.verify(session["conversation_token"])
    assert str(claims.conversation_id) == session["conversation_id"]
    assert claims.business_id == tenant.business_id
    assert claims.grant.tools == ()
    assert not claims.grant.write


async def test_metadata_has_a_size(client: ClientFactory, key: str) -> None:
    largest = {"a": "x" * (4096 - len('{"a": ""}'))}
    for metadata, status in (
        (largest, 201),
        ({"a": largest["a"] + "x"}, 422),
        ({"a": "é" * 700}, 422),
    ):
        async with client(key) as http:
            answer = await http.post(START, json={"bot": "bot", "metadata": metadata})
        assert answer.status_code == status
    assert "metadata" in answer.json()["message"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": {"b": "c"}},
        {"a": ["b"]},
        {"a": None},
        {"": "b"},
        {"a\x00": "b"},
        {"a": "b\x00"},
        {str(number): number for number in range(21)},
    ],
)
async def test_metadata_is_flat(client: ClientFactory, key: str, metadata: Json) -> None:
    async with client(key) as http:
        answer = await http.post(START, json={"bot": "bot", "metadata": metadata})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


async def test_metadata_changes_nothing_else(client: ClientFactory, key: str) -> None:
    hostile = {
        "end_reason": "other",
        "bot_id": str(uuid4()),
        "__class__": "x",
        "\u202e": "\U0001f600",
    }
    session = await start_session(client, key, metadata=hostile)
    job = decode_token(session["token"])["job"]
    assert (job["metadata"], job["bot_id"] == hostile["bot_id"]) == (hostile, False)
    async with client(key) as http:
        seen = (await http.get(f"/api/conversations/{session['conversation_id']}")).json()
    assert (seen["metadata"], seen["end_reason"]) == (hostile, None)


async def test_a_page_reads_its_conversation_where_the_bot_allows_it(
    client: ClientFactory, tenant: Tenant, database: Database
) -> None:
    bot = await new_bot(database, tenant, allowed_origins=["https://shop.example"])
    async with client(origin="https://shop.example") as http:
        session = await http.post(START, json={"business": slug(tenant), "bot": bot.name})
    token, conversation_id = session.json()["conversation_token"], session.json()["conversation_id"]
    seen: list[str | None] = []
    for origin in ("https://shop.example", "https://other.example"):
        async with client(token, origin=origin) as http:
            answer: httpx2.Response = await http.get(
                f"/api/conversations/{conversation_id}/transcript"
            )
            seen.append(answer.headers.get("access-control-allow-origin"))
    assert seen == ["https://shop.example", None]
