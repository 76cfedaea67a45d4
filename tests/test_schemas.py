"""Every tool's schema as a client gets it, so that a change of one is seen in review.

`ANTIPHON_UPDATE_SCHEMAS=1 pytest tests/test_schemas.py` writes them anew.
"""

import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.constellation import constellation, load_object
from config.database import Database
from config.security.tokens import Signer
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.support.tenants import list_every_tool

FOLDER = Path(__file__).parent / "schemas"
SERVERS = tuple(constellation().servers)


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    specs = [load_object(dotted) for dotted in constellation().servers.values()]
    async with in_one_task(serve(specs, signer, database, cache)) as servers:
        yield servers


@pytest.mark.parametrize("server", SERVERS)
async def test_the_schemas_are_as_they_were(
    server: str, servers: Servers, database: Database
) -> None:
    tools = await list_every_tool(servers, database, server)
    listed: list[dict[str, Any]] = [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools.values()
    ]
    path = FOLDER / f"{server}.json"
    if os.environ.get("ANTIPHON_UPDATE_SCHEMAS"):
        path.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert listed == json.loads(path.read_text(encoding="utf-8"))


def test_no_server_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SERVERS)
