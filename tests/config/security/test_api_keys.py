"""API keys: found by their hash, until they are revoked."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import NoResultFound

from config.database import Database
from config.security import api_keys
from config.security.api_keys import (
    CACHE_SECONDS,
    PREFIX,
    FoundKey,
    Rights,
    create_key,
    find_key,
    list_keys,
    revoke_key,
)
from config.security.tokens import Grant
from orchestrator.engines.postgres import Postgres
from tests.conftest import Tenant, fetch

_REVOKE = text("update api_key set revoked_at = now() where id = :id")


async def _revoke(database: Database, found: FoundKey) -> None:
    async with database.tenant(found.business_id) as session:
        await session.execute(_REVOKE, {"id": found.api_key_id})


async def test_a_key_finds_its_business_and_its_row(database: Database, tenant: Tenant) -> None:
    key = await create_key(database, tenant.business_id, "kiosk")
    found = await find_key(database, key)
    assert found is not None
    assert found.business_id == tenant.business_id
    [row] = await fetch(
        database, tenant, "select name from api_key where id = :id", id=found.api_key_id
    )
    assert row["name"] == "kiosk"


async def test_keys_are_long_and_all_different(database: Database, tenant: Tenant) -> None:
    made = [await create_key(database, tenant.business_id, "one of many") for _ in range(3)]
    assert len(set(made)) == 3
    for key in made:
        assert key.startswith("ak_")
        assert len(key) == len("ak_") + 43  # 32 bytes


def shortened(key: str) -> str:
    """Return all but the end."""
    return key[:-1]


def lengthened(key: str) -> str:
    """Return more than the key."""
    return key + "x"


@pytest.mark.parametrize("change", [str.upper, shortened, lengthened])
async def test_what_is_almost_a_key_is_none(
    database: Database, tenant: Tenant, change: Callable[[str], str]
) -> None:
    key = await create_key(database, tenant.business_id, "kiosk")
    assert await find_key(database, change(key)) is None


async def test_a_revoked_key_is_forgotten_in_time(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await create_key(database, tenant.business_id, "lost")
    found = await find_key(database, key)
    assert found is not None
    await _revoke(database, found)
    assert await find_key(database, key) == found
    later = time.monotonic() + CACHE_SECONDS + 1
    monkeypatch.setattr(api_keys, "monotonic", lambda: later)
    assert await find_key(database, key) is None


async def test_another_process_hears_of_it_at_once(
    database: Database, postgres_server: Postgres, tenant: Tenant
) -> None:
    key = await create_key(database, tenant.business_id, "lost")
    found = await find_key(database, key)
    assert found is not None
    await _revoke(database, found)
    elsewhere = Database(postgres_server.database_url, pool_size=1)
    assert await find_key(elsewhere, key) is None
    await elsewhere.aclose()


@pytest.mark.parametrize("key", ["", "ak_", "ak_" + "x" * 43, "ak_" + "x" * 1_000_000, "ak_é\0"])
async def test_what_was_never_a_key_is_none(database: Database, key: str) -> None:
    assert await find_key(database, key) is None


async def test_only_a_hash_is_stored(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    secret = (await create_key(database, tenant.business_id, "hashed")).removeprefix(PREFIX)
    query = "select a::text as everything, key_hash from api_key a where name = 'hashed'"
    [row] = await fetch(database, tenant, query)
    assert len(row["key_hash"]) == 32
    assert secret not in row["everything"]
    assert secret.encode().hex() not in row["everything"]
    assert await fetch(database, other_tenant, query) == []


async def test_a_key_brings_its_rights(database: Database, tenant: Tenant) -> None:
    rights = Rights(
        bots=(tenant.bot_id,), servers=("erp",), tools=("erp_get_lead",), read_only=True
    )
    key = await create_key(database, tenant.business_id, "brings", rights)
    found = await find_key(database, key)
    assert found is not None
    assert found.rights == rights
    listed = await list_keys(database, tenant.business_id)
    stored = [each for each in listed if each.name == "brings"]
    assert [(each.id, each.rights) for each in stored] == [(found.api_key_id, rights)]


async def test_a_key_is_revoked_at_once_where_that_is_done(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    key = await create_key(database, tenant.business_id, "lost")
    found = await find_key(database, key)
    assert found is not None
    with pytest.raises(NoResultFound):
        await revoke_key(database, other_tenant.business_id, found.api_key_id)
    assert await find_key(database, key) == found
    await revoke_key(database, tenant.business_id, found.api_key_id)
    assert await find_key(database, key) is None


ALL = Grant(integration="main", confirm=("book", "cancel"))
NOTHING = Grant(tools=(), write=False)


@pytest.mark.parametrize(
    ("rights", "grant", "left"),
    [
        (Rights(), ALL, ALL),
        (Rights(servers=("erp",)), ALL, NOTHING),
        (Rights(servers=("desk",)), ALL, ALL),
        (Rights(read_only=True), ALL, ALL.model_copy(update={"write": False})),
        (
            Rights(tools=("desk_book", "desk_look", "erp_cancel")),
            ALL,
            Grant(tools=("book", "look"), integration="main", confirm=("book",)),
        ),
        (Rights(tools=("desk_book",)), Grant(tools=("look",)), Grant(tools=())),
        (Rights(tools=("desk_book", "desk_look")), Grant(denied=("book",)), Grant(tools=("look",))),
        (Rights(tools=("erp_book",)), ALL, Grant(tools=(), integration="main")),
        (Rights(), Grant(write=False), Grant(write=False)),
        (Rights(), Grant(profile="voice"), Grant(profile="voice")),
    ],
)
def test_rights_only_ever_narrow_a_grant(rights: Rights, grant: Grant, left: Grant) -> None:
    assert rights.narrow("desk", grant) == left


def test_a_key_is_limited_by_any_of_its_rights() -> None:
    limits = [Rights(bots=()), Rights(servers=()), Rights(tools=()), Rights(read_only=True)]
    assert all(rights.is_limited for rights in limits)
    assert not Rights().is_limited
    bot_id = uuid4()
    assert Rights().includes_bot(bot_id)
    assert Rights(bots=(bot_id,)).includes_bot(bot_id)
    assert not Rights(bots=(uuid4(),)).includes_bot(bot_id)
