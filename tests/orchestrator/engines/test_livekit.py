"""A real LiveKit server, on this machine only."""

from pathlib import Path

import pytest
from livekit import api

from orchestrator.engines.engines import Engines
from orchestrator.engines.livekit import run_livekit
from orchestrator.engines.ports import Port
from orchestrator.engines.valkey import run_valkey

# Where the cache is empty, the first test builds the server.
pytestmark = pytest.mark.timeout(900)


async def test_the_key_opens_rooms(engines: Engines) -> None:
    endpoints = engines.endpoints
    async with api.LiveKitAPI(
        endpoints.livekit_url, endpoints.livekit_api_key, endpoints.livekit_api_secret
    ) as client:
        await client.room.create_room(api.CreateRoomRequest(name="a-room"))
        rooms = await client.room.list_rooms(api.ListRoomsRequest())
        assert [room.name for room in rooms.rooms] == ["a-room"]
        await client.room.delete_room(api.DeleteRoomRequest(room="a-room"))


async def test_another_secret_does_not(engines: Engines) -> None:
    endpoints = engines.endpoints
    assert len(endpoints.livekit_api_secret) >= 32
    async with api.LiveKitAPI(endpoints.livekit_url, endpoints.livekit_api_key, "0" * 32) as client:
        with pytest.raises(api.TwirpError) as refused:
            await client.room.list_rooms(api.ListRoomsRequest())
    assert refused.value.status == 401


async def test_no_engine_has_a_socket_outside_this_machine(engines: Engines) -> None:
    for process in engines.processes:
        sockets = local_addresses(process.pid)
        assert sockets, process.name
        assert all(is_loopback(address) for address in sockets), (process.name, sockets)


async def test_with_redis_it_keeps_sip_trunks(tmp_path: Path, user_cache: Path) -> None:
    free, media = Port(0, "LIVEKIT_PORT"), Port(0, "LIVEKIT_MEDIA_PORT")
    async with (
        run_valkey(tmp_path, Port(0, "VALKEY_PORT"), print, durable=False) as redis,
        run_livekit(tmp_path, user_cache, free, media, print, redis_url=redis.redis_url) as server,
        api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client,
    ):
        trunk = api.SIPInboundTrunkInfo(
            name="a-trunk", numbers=["+15550001"], allowed_addresses=["127.0.0.1/32"]
        )
        await client.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
        trunks = await client.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
        assert [item.name for item in trunks.items] == ["a-trunk"]


def local_addresses(pid: int) -> list[str]:
    """Return the local addresses, in the kernel's notation, of a process's IP sockets."""
    links = [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {str(link)[8:-1] for link in links if str(link).startswith("socket:[")}
    rows = [
        row.split()
        for table in ("tcp", "tcp6", "udp", "udp6")
        for row in Path("/proc/net", table).read_text().splitlines()[1:]
    ]
    return [row[1].partition(":")[0] for row in rows if row[9] in inodes]


def is_loopback(address: str) -> bool:
    """Tell whether an address is within 127.0.0.0/8, which the kernel writes backwards."""
    return len(address) == 8 and address.endswith("7F")
