"""Only a token of this minute, from our key, for this server, and complete, is let in."""

import time
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import ValidationError
from redis.asyncio import Redis

from config.bot_settings import ServerUse
from config.constellation import constellation, load_object
from config.database import Database
from config.security.tokens import (
    LIFETIME,
    Claims,
    Grant,
    InvalidTokenError,
    Signer,
    Verifier,
    server_audience,
)
from tests.config.security.forged_tokens import FORGED, body, signed
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve

AUDIENCE = "mcp:desk"
SERVERS = tuple(constellation().servers)


@pytest.fixture(scope="module")
def verifier(signer: Signer) -> Verifier:
    return Verifier(signer.public_key(), AUDIENCE)


def test_a_minted_token_carries_its_claims(signer: Signer, verifier: Verifier) -> None:
    grant = Grant(tools=("read",), write=False, integration="main", confirm=("cancel",))
    claims = Claims(
        sub="bot:1", business_id=uuid4(), bot_id=uuid4(), conversation_id=uuid4(), grant=grant
    )
    assert verifier.verify(signer.mint(AUDIENCE, claims)) == claims


@pytest.mark.parametrize(
    ("grant", "granted"),
    [
        (Grant(), {"look", "book", "count"}),
        (Grant(profile="voice"), {"look", "book"}),
        (Grant(write=False), {"look", "count"}),
        (Grant(profile="voice", write=False), {"look"}),
        (Grant(denied=("book",)), {"look", "count"}),
        (Grant(profile="voice", denied=("book", "dig")), {"look"}),
        (Grant(tools=("count", "dig")), {"count", "dig"}),
        (Grant(tools=("count", "dig"), profile="voice", denied=("dig",)), {"count"}),
        (Grant(tools=("book",), write=False), set[str]()),
        (Grant(tools=()), set[str]()),
    ],
)
def test_a_grant_is_of_the_named_tools_or_of_its_profile(grant: Grant, granted: set[str]) -> None:
    allowed = {
        "look": grant.allows("look", reads=True, voice=True),
        "book": grant.allows("book", reads=False, voice=True),
        "count": grant.allows("count", reads=True, voice=False),
        "dig": grant.allows("dig", reads=True, voice=False, named_only=True),
    }
    assert {name for name, is_allowed in allowed.items() if is_allowed} == granted


def test_the_longest_use_of_a_server_fits_a_token(signer: Signer, verifier: Verifier) -> None:
    names = tuple(f"tool_{n:058}" for n in range(28))
    with pytest.raises(ValidationError, match="more tools than the token"):
        ServerUse(tools=names, denied_tools=names)
    use = ServerUse(denied_tools=names, integration="x" * 63)
    grant = Grant(denied=use.denied_tools, integration=use.integration)
    claims = Claims(
        sub=f"key:{uuid4()}",
        business_id=uuid4(),
        bot_id=uuid4(),
        conversation_id=uuid4(),
        grant=grant,
    )
    assert verifier.verify(signer.mint(AUDIENCE, claims)) == claims


def test_what_the_forged_tokens_start_from_is_right(signer: Signer, verifier: Verifier) -> None:
    assert verifier.verify(signed(signer, body(AUDIENCE))).sub == "bot:1"


@pytest.mark.parametrize("name", FORGED)
def test_every_other_token_is_refused(name: str, signer: Signer, verifier: Verifier) -> None:
    token = FORGED[name](signer, AUDIENCE)
    with pytest.raises(InvalidTokenError) as refused:
        verifier.verify(token)
    assert str(refused.value) == ""  # which rule it broke would help only a forger
    assert refused.value.__cause__ is None


def test_clocks_may_differ_by_five_seconds(signer: Signer, verifier: Verifier) -> None:
    now = int(time.time())
    late = body(AUDIENCE, iat=now - LIFETIME - 2, exp=now - 2)
    assert verifier.verify(signed(signer, late))


def test_a_longer_life_has_to_be_allowed(signer: Signer, verifier: Verifier) -> None:
    claims = Claims(sub="bot:1", business_id=uuid4())
    token = signer.mint(AUDIENCE, claims, lifetime=LIFETIME + 1)
    with pytest.raises(InvalidTokenError):
        verifier.verify(token)
    patient = Verifier(signer.public_key(), AUDIENCE, max_lifetime=LIFETIME + 1)
    assert patient.verify(token) == claims


def test_the_private_key_is_not_shown(signer: Signer) -> None:
    assert "PRIVATE" not in repr(signer)


def test_no_two_tokens_are_alike(signer: Signer) -> None:
    claims = Claims(sub="bot:1", business_id=uuid4())
    assert signer.mint(AUDIENCE, claims) != signer.mint(AUDIENCE, claims)


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    specs = [load_object(dotted) for dotted in constellation().servers.values()]
    async with in_one_task(serve(specs, signer, database, cache)) as servers:
        yield servers


async def _status(servers: Servers, server: str, token: str | None) -> int:
    """Return how a server answers the first request of a client."""
    headers = {"Accept": "application/json, text/event-stream"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    async with servers.http(headers) as client:
        response = await client.post(f"/{server}/mcp", json=request)
    assert response.status_code == 200 or "business" not in response.text
    return response.status_code


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_lets_its_own_token_in(server: str, servers: Servers) -> None:
    token = signed(servers.signer, body(server_audience(server)))
    assert await _status(servers, server, token) == 200


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_wants_a_token(server: str, servers: Servers) -> None:
    assert await _status(servers, server, None) == 401


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_refuses_forged_tokens(server: str, name: str, servers: Servers) -> None:
    token = FORGED[name](servers.signer, server_audience(server))
    assert await _status(servers, server, token) == 401


@pytest.mark.parametrize("token_for", SERVERS)
@pytest.mark.parametrize("server", SERVERS)
async def test_a_token_opens_one_server_only(server: str, token_for: str, servers: Servers) -> None:
    token = signed(servers.signer, body(server_audience(token_for)))
    expected = 200 if token_for == server else 401
    assert await _status(servers, server, token) == expected
