"""No request reaches an address that is not public, however it is spelled, resolved or led to."""

import asyncio
import socket
import ssl
import traceback
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import httpcore2
import httpx2
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config.security import egress
from config.security.egress import (
    ForbiddenAddressError,
    ForbiddenUrlError,
    check_url,
    guarded_transport,
)

NAME, PUBLIC, PUBLIC_6 = "api.test", "93.184.216.34", "2606:2800::1"
REFUSALS = (ForbiddenAddressError, httpx2.InvalidURL, httpx2.UnsupportedProtocol)
REAL = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
GUARDED, OPEN = (egress.GuardedBackend(REAL, allow_private=allow) for allow in (False, True))

words, PEM = str.split, Encoding.PEM
LEADING = words("""api.test=93.184.216.34 other.test=93.184.216.34 nat64.test=64:ff9b::5db8:d822
    two.test=2606:2800::1&93.184.216.34 rebinding.test=93.184.216.34,127.0.0.1 postgres=10.0.0.5
    six.test=::1 silent.test= 127.0.0.1.nip.io=127.0.0.1 sub.localhost=127.0.0.1 link.test=fe80::1%1
    ula.test=fd12:3456::1 scoped.test=2606:2800::1%1 mapped.test=::ffff:127.0.0.1 api.test.=8.8.8.8
    mixed.test=93.184.216.34&127.0.0.1 mixed6.test=2606:2800::1&93.184.216.34&::1
    xn--bcher-kva.test=192.168.1.1 134744072=8.8.8.8""")
# What the first look-up of a name answers, and what the later ones do.
DNS = {name: answers.split(",") for name, answers in (pair.split("=") for pair in LEADING)}
LOOPBACK = words("""localhost 127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0x7f.0.0.0x1 0
    017700000001 0177.1 0177.0.0.1 0.0.0.0 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1]""")
HOSTS = words("""127.9.9.9 LOCALHOST localhost. sub.localhost 127.0.0.1. 0X7F000001 127.0.0.0x1
    %31%32%37.0.0.1 127%2e1 localhost%00 127\u30020\u30020\u30021 127\uff0e0\uff0e0\uff0e1
    \uff11\uff12\uff17.0.0.1 \u2460\u2461\u2466.\u24ea.\u24ea.\u2460 \uff4cocalhost 0.1.2.3 10.0.0.1
    172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 100.127.255.254 169.254.0.1 169.254.169.254
    2852039166 0xa9fea9fe 169.254.170.2 100.100.100.200 192.0.0.192 168.63.129.16 192.0.0.1
    192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1 240.0.0.1
    239.255.255.250 255.255.255.255 [0:0:0:0:0:0:0:1] [::1%25lo] [::1%lo] [fe80::1] [fe80::1%25eth0]
    [fec0::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254] [ff02::1] [ff0e::1] [100::1] [5f00::1]
    [2001:db8::1] [3fff::1] [2001:2::1] [2001:10::1] [::ffff:10.0.0.1] [::ffff:8.8.8.8] [::7f00:1]
    [::ffff:0:127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [2002:7f00:1::]
    [64:ff9b:1::a00:1] [2002:a00:1::] [2001:0:7f00:1::1] [2001:0:4136:e378:8000:63bf:80ff:fffe]
    [2606:2800::1%25lo] 127.0.0.1.nip.io six.test ula.test link.test scoped.test mapped.test
    mixed.test mixed6.test silent.test postgres b\u00fccher.test api.test. 134744072""")
URLS = words("""http://api.test@127.0.0.1/ http://127.0.0.1@api.test/ http://api.test:80@127.0.0.1/
    http://a@b@127.0.0.1/ http://api.test\\@127.0.0.1/ http://api.test&@127.0.0.1#@api.test/
    http://:@api.test/ http://api.test:22/ https://api.test:25/ http://api.test:5432/
    http://api.test:6379/ http://api.test:\uff16379/ http://api.test:0/ http://api.test:-1/
    http://api.test:65616/ http://127.0.0.1:8080/ http+unix://%2Frun%2Fdocker.sock/info data:x,y
    file://localhost/etc/passwd gopher://127.0.0.1:6379/_INFO ftp://api.test/ ws://api.test/
    wss://127.0.0.1/ dict://127.0.0.1:11211/ ldap://127.0.0.1/ jar:http://127.0.0.1!/""")
BROKEN = words("""file:///etc/passwd unix:///run/docker.sock //127.0.0.1/ 127.0.0.1 http:127.0.0.1
    http:/127.0.0.1/ http:///127.0.0.1/ http:// http://[::1 http://[::1]x/ http://[v1.fe80]/
    http://127.0.0.1:80:443/ http://127.0.0.1\x00.test/""")
HOSTILE = [f"http://{host}/" for host in LOOPBACK + HOSTS] + URLS
PERMITTED = words("""11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.17
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.0.3.1 192.167.255.255
    192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 [2001:200::1] [2003::1] [2606:4700::1111]
    [64:ff9b::808:808] two.test nat64.test""")


class Site:
    """A server that says which host it was asked for."""

    def __init__(self) -> None:
        self.accepted, self.location, self.names = 0, "", list[str | None]()
        self.reached = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            path = ""
            while path != "/cut":
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path, host = head.split()[1], head.casefold().split("host: ")[1].split()[0]
                body = bytes(10_000_000) if path == "/big" else host.encode()
                if path == "/late":
                    self.reached.set()
                    await reader.read()
                first = f"302 Found\r\nLocation: {self.location}" if path == "/hop" else "200 OK"
                length = len(body) + (path == "/cut")
                head = f"HTTP/1.1 {first}\r\nContent-Length: {length}\r\n\r\n"
                writer.write(head.encode() + body)
        writer.close()

    async def open(self, stack: AsyncExitStack, host: str, port: int = 0, **options: Any) -> int:
        server = await asyncio.start_server(self.answer, host, port, **options)
        await stack.enter_async_context(server)
        return int(server.sockets[0].getsockname()[1])


class World(httpcore2.AsyncNetworkBackend):
    """The internet: three public addresses are the site, and all others lead into the trap."""

    def __init__(self, pem: Path) -> None:
        self.pem, self.site, self.trap = pem, Site(), Site()
        self.lookups, self.asked, self.dead = list[str](), list[tuple[str, float | None]](), ""
        self.real = asyncio.get_running_loop().getaddrinfo

    async def open(self, stack: AsyncExitStack) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self.pem)
        tls.sni_callback = lambda _socket, name, _context: self.site.names.append(name)
        self.plain = await self.site.open(stack, "127.0.0.1")
        self.secure = await self.site.open(stack, "127.0.0.1", ssl=tls)
        self.closed = await self.trap.open(stack, "127.0.0.1")
        await self.trap.open(stack, "::1", self.closed)

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> Any:
        if host == "slow.test":
            await asyncio.Event().wait()
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        if host not in DNS:
            return await self.real(host, port, **options)
        self.lookups.append(host)
        answers = DNS[host][: self.lookups.count(host)][-1].split("&")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in answers if a]

    async def connect_tcp(self, host: str, port: int, *more: Any, **_: Any) -> Any:
        self.asked.append((host, more[0]))
        if host == self.dead:
            raise httpcore2.ConnectError("no route to host")
        site = self.secure if port == 443 else self.plain
        port = site if host in (PUBLIC, PUBLIC_6, "64:ff9b::5db8:d822") else self.closed
        return await REAL.connect_tcp("127.0.0.1", port, *more)

    @property
    def addresses(self) -> list[str]:
        assert all(ip_address(address).is_global for address, _ in self.asked)
        return [address for address, _ in self.asked]

    def client(self) -> httpx2.AsyncClient:
        tls, limits = ssl.create_default_context(cafile=self.pem), httpx2.Limits(max_connections=1)
        return httpx2.AsyncClient(transport=egress.GuardedTransport(self, tls=tls, limits=limits))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key, no_name, now = generate_private_key(SECP256R1()), x509.Name([]), datetime.now(UTC)
    tomorrow = now + timedelta(1)
    names = x509.SubjectAlternativeName([x509.DNSName(NAME)])
    builder = x509.CertificateBuilder(no_name, no_name, key.public_key(), 1, now, tomorrow)
    signed = builder.add_extension(names, critical=True).sign(key, SHA256()).public_bytes(PEM)
    path = tmp_path_factory.mktemp("guard") / "site.pem"
    path.write_bytes(signed + key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest_asyncio.fixture
async def world(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[World]:
    world = World(certificate)
    async with AsyncExitStack() as stack:
        await world.open(stack)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", world.getaddrinfo)
        yield world


@pytest.mark.parametrize("url", [*HOSTILE, *BROKEN])
async def test_a_hostile_url_reaches_nothing(world: World, url: str) -> None:
    async with world.client() as client:
        for spelling in (url, url.replace("http://", "https://")):
            with pytest.raises(REFUSALS):
                await client.get(spelling)
    with pytest.raises(ForbiddenUrlError, match=r": \w.*\.$"):
        await check_url(url)
    assert (world.addresses, world.trap.accepted) == ([], 0)


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_redirect_to_a_hostile_url_is_not_followed(world: World, url: str) -> None:
    world.site.location = url
    async with world.client() as client:
        with pytest.raises((ForbiddenAddressError, httpx2.RemoteProtocolError)):
            await client.get(f"http://{NAME}/hop", follow_redirects=True)
    assert (world.addresses, world.trap.accepted) == ([PUBLIC], 0)


@pytest.mark.parametrize("host", [host.strip("[]") for host in LOOPBACK])
async def test_real_listeners_hear_only_those_who_may(world: World, host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        await GUARDED.connect_tcp(host, world.closed, 5)
    await (await OPEN.connect_tcp(host, world.closed, 5)).aclose()
    async with httpx2.AsyncClient(transport=guarded_transport(allow_private=True)) as client:
        await client.get(f"http://localhost:{world.closed}/")  # the listener has woken up
    assert world.trap.accepted == 2


@pytest.mark.parametrize("host", PERMITTED)
async def test_public_addresses_may_be_configured(world: World, host: str) -> None:
    await check_url(f"https://{host}/v1?key=1")
    await check_url(f"HTTP://{host}:80")


@pytest.mark.parametrize("name", ["unknown.test", "a" * 64 + ".test"])
async def test_a_name_without_an_address_is_reported(world: World, name: str) -> None:
    with pytest.raises(ForbiddenUrlError, match="has no address: check"):
        await check_url(f"https://{name}/")
    with pytest.raises(httpcore2.ConnectError, match="has no address"):
        await OPEN.connect_tcp(name, 443)


async def test_a_name_is_resolved_once_and_pinned(world: World) -> None:
    async with world.client() as client:
        for _ in range(2):
            assert (await client.get("http://rebinding.test/")).text == "rebinding.test"
    assert (len(world.lookups), world.addresses, world.site.accepted) == (1, [PUBLIC], 1)
    async with world.client() as client:
        with pytest.raises(ForbiddenAddressError, match="is not a public address"):
            await client.get("http://rebinding.test/")
    assert (world.addresses, world.trap.accepted) == ([PUBLIC], 0)


async def test_the_certificate_is_checked_against_the_name(world: World) -> None:
    async with world.client() as client:
        assert (await client.get(f"https://{NAME}/")).text == NAME
        with pytest.raises(httpx2.ConnectError, match="certificate is not valid for 'other"):
            await client.get("https://other.test/")
    assert (world.site.names, world.addresses) == ([NAME, "other.test"], [PUBLIC, PUBLIC])


async def test_a_dead_address_leaves_the_next_its_share_of_the_time(world: World) -> None:
    world.dead = PUBLIC_6
    async with world.client() as client:
        await client.get("http://two.test/", timeout=5)
    assert world.addresses == [PUBLIC_6, PUBLIC]
    first, second = (timeout for _, timeout in world.asked)
    assert first and second and 0 < first < 2.5 < second < 5


async def test_failures_are_those_of_httpx2(world: World) -> None:
    async with world.client() as client:
        with pytest.raises(httpx2.ConnectTimeout, match="not found in time"):
            await client.get("http://slow.test/", timeout=httpx2.Timeout(30, connect=0.1))
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(f"http://{NAME}/late", timeout=httpx2.Timeout(30, read=0.1))
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(f"http://{NAME}/cut")


@pytest.mark.parametrize("host", ["127.0.0.1", NAME, "127.0.0.1:99"])
async def test_errors_hold_no_secrets(world: World, host: str) -> None:
    url = f"http://ann:{'hunter'}2@{host}/?key={'hunter'}2"
    async with world.client() as client:
        for call in (client.get(url), check_url(url), check_url(url.replace("/?", "x/?"))):
            with pytest.raises((ForbiddenAddressError, ForbiddenUrlError)) as refused:
                await call
            told = [str(refused.value), repr(refused.value)]
            assert "hunter2" not in "".join(told + traceback.format_exception(refused.value))


async def test_private_addresses_on_request_but_nothing_else(world: World) -> None:
    await check_url("https://postgres:5432/", allow_private=True)
    async with httpx2.AsyncClient(transport=guarded_transport(allow_private=True)) as client:
        for start in ("ftp://", "http://ann:x@", "http://:@"):
            url = f"{start}127.0.0.1:{world.closed}/"
            for call in (client.get(url), check_url(url, allow_private=True)):
                with pytest.raises((ForbiddenAddressError, ForbiddenUrlError)):
                    await call


async def test_connections_come_back(world: World) -> None:
    async with world.client() as client:  # with one connection
        async with client.stream("GET", f"http://{NAME}/big") as answer:
            sizes = [len(part) async for part in answer.aiter_raw()]
        assert (sum(sizes), len(sizes) > 10) == (10_000_000, True)
        async with client.stream("GET", f"http://{NAME}/big"):
            pass  # left early
        cancelled = asyncio.create_task(client.get(f"http://{NAME}/late"))
        await world.site.reached.wait()
        with pytest.raises(httpx2.PoolTimeout):
            await client.get(f"http://{NAME}/", timeout=httpx2.Timeout(30, pool=0.01))
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert (await client.get(f"http://{NAME}/")).text == NAME


async def test_no_proxy_and_no_unix_socket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{world.closed}")
    async with world.client() as client:
        await client.get(f"http://{NAME}/")
    assert (world.addresses, world.trap.accepted) == ([PUBLIC], 0)
    with pytest.raises(ForbiddenAddressError, match="not a public address"):
        await GUARDED.connect_unix_socket("/run/docker.sock")


def test_certificates_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded_transport()
    monkeypatch.delattr(ssl, "create_default_context")
    guarded_transport(allow_private=True)
