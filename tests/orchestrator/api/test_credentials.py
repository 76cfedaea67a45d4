"""Who is let in, and to what."""

from uuid import UUID, uuid4

import pytest

from config.database import Database
from config.security.tokens import Claims, Grant, Signer
from orchestrator.api.dependencies import Dependencies
from tests.conftest import Tenant, fetch
from tests.orchestrator.api.conftest import (
    ClientFactory,
    client_factory,
    start_session,
    with_changes,
)

LIST = "/api/conversations"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer ak_nonsense",
        "Bearer ak_" + "x" * 5000,
        "Basic ak_nonsense",
        "ak_nonsense",
        "Bearer a.b.c",
    ],
)
async def test_who_has_no_key_is_asked_for_one(
    client: ClientFactory, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization is not None else {}
    async with client() as http:
        answer = await http.get(LIST, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "ak_" not in answer.text


async def test_a_wrong_key_is_refused_where_none_is_needed(
    client: ClientFactory, tenant: Tenant
) -> None:
    async with client("ak_nonsense") as http:
        answer = await http.post("/api/sessions/start", json={"bot": "bot"})
    assert answer.status_code == 401


async def test_a_key_is_stored_as_a_hash_only(key: str, tenant: Tenant, database: Database) -> None:
    rows = await fetch(database, tenant, "select * from api_key")
    assert rows
    assert key not in str(rows)
    assert all(len(bytes(row["key_hash"])) == 32 for row in rows)


def conversation_claims(tenant: Tenant, conversation_id: UUID) -> Claims:
    """Return what a conversation token of ours claims."""
    return Claims(
        sub="conversation",
        business_id=tenant.business_id,
        bot_id=tenant.bot_id,
        conversation_id=conversation_id,
        grant=Grant(tools=(), write=False),
    )


async def test_only_our_tokens_for_this_audience_count_and_only_in_time(
    client: ClientFactory, key: str, tenant: Tenant, signer: Signer
) -> None:
    conversation_id = (await start_session(client, key))["conversation_id"]
    claims = conversation_claims(tenant, UUID(conversation_id))
    of_no_conversation = claims.model_copy(update={"conversation_id": None})
    tokens = {
        "ours": signer.mint("api", claims, lifetime=3600),
        "expired": signer.mint("api", claims, lifetime=-60),
        "too long": signer.mint("api", claims, lifetime=7200),
        "a server's": signer.mint("mcp:transcripts", claims),
        "of no conversation": signer.mint("api", of_no_conversation),
        "another signer's": Signer.generate().mint("api", claims),
    }
    statuses: dict[str, int] = {}
    for name, token in tokens.items():
        async with client(token) as http:
            answer = await http.get(f"{LIST}/{conversation_id}")
        statuses[name] = answer.status_code
    assert statuses == dict.fromkeys(tokens, 401) | {"ours": 200}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("POST", "/{id}/agent_joined", {"room_sid": "RM_1", "job_id": "AJ_1"}),
        ("POST", "/{id}/turns", {"transcript": "Hello.", "stt_provider": "embedded"}),
        ("POST", "/{id}/turns/0/response", {"response_text": "Hello."}),
        ("POST", "/{id}/end", {}),
    ],
)
async def test_a_conversation_token_only_reads(
    client: ClientFactory, key: str, method: str, path: str, body: dict[str, str] | None
) -> None:
    session = await start_session(client, key)
    url = LIST + path.format(id=session["conversation_id"])
    async with client(session["conversation_token"]) as http:
        answer = await http.request(method, url, json=body)
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


async def test_a_conversation_token_reads_no_other_conversation(
    client: ClientFactory, key: str
) -> None:
    mine, another = await start_session(client, key), await start_session(client, key)
    answers: list[tuple[int, str]] = []
    async with client(mine["conversation_token"]) as http:
        for conversation_id in (another["conversation_id"], str(uuid4())):
            for what in ("", "/turns", "/turns/0", "/transcript", "/export"):
                answer = await http.get(f"{LIST}/{conversation_id}{what}")
                answers.append((answer.status_code, answer.text))
        assert (await http.get(f"{LIST}/{mine['conversation_id']}")).status_code == 200
    assert {status for status, _ in answers} == {404}
    assert len(set(answers)) == 1


async def test_no_refusal_tells_more_without_a_database(
    dependencies: Dependencies, key: str
) -> None:
    database = Database("postgresql+psycopg://nobody:canary@127.0.0.1:9/none")
    client = client_factory(with_changes(dependencies, database=database))
    async with client(key) as http:
        answer = await http.get(LIST)
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert "canary" not in answer.text
    await database.aclose()
