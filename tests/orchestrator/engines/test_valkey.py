"""Valkey answers who knows its password, and nobody else."""

from pathlib import Path

import pytest
from redis.exceptions import AuthenticationError

from config.cache import connect
from orchestrator.engines.engines import Engines
from orchestrator.engines.ports import Port
from orchestrator.engines.valkey import run_valkey

PORT = Port(0, "VALKEY_PORT")


async def test_with_the_password_it_answers(engines: Engines) -> None:
    async with connect(engines.endpoints.redis_url) as client:
        assert await client.get("unknown") is None


async def test_without_the_password_it_refuses(engines: Engines) -> None:
    address = engines.endpoints.redis_url.rpartition("@")[2]
    async with connect(f"redis://{address}") as client:
        with pytest.raises(AuthenticationError):
            await client.get("unknown")


async def test_durable_data_outlives_the_process(tmp_path: Path) -> None:
    async with run_valkey(tmp_path, PORT, print) as first, connect(first.redis_url) as client:
        await client.set("kept", "yes")
    async with run_valkey(tmp_path, PORT, print) as second, connect(second.redis_url) as client:
        assert await client.get("kept") == "yes"
