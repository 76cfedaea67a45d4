"""API keys: found by their hash, until they are revoked."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from config.database import Database
from config.keys import REMEMBERED, create_key, find_key
from tests.conftest import Tenant, fetch


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
    keys = [await create_key(database, tenant.business_id, "one of many") for _ in range(3)]
    assert len(set(keys)) == 3
    for key in keys:
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
    async with database.business(tenant.business_id) as session:
        await session.execute(
            text("update api_key set revoked_at = now() where id = :id"), {"id": found.api_key_id}
        )
    assert await find_key(database, key) == found
    later = time.monotonic() + REMEMBERED + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert await find_key(database, key) is None
