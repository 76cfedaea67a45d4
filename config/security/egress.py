"""The egress guard: HTTP requests to URLs that users configure reach public addresses only.

A host name is resolved once, all its addresses are checked, and the connection goes to one of
them, so that a name cannot resolve differently for the check and for the request. The URL keeps
the name, which the pool, the certificate and the Host header need.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Generator, Iterable, Mapping
from contextlib import aclosing, contextmanager, suppress
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Never, cast

import httpcore2
import httpx2

from config.errors import UserError
from config.security.network_stream import PolledStream

LIMITS = httpx2.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=60)
_LOOKUP_TIMEOUT = 5  # seconds, when a URL is checked
_DEFAULT_PORTS = {"https": 443, "http": 80}
_ANY_PORT = range(1, 65536)

# Not with a number at the end: resolvers read 2130706433, 0x7f.1 and 0177.1 as addresses.
_NAME = re.compile(r"([a-z0-9_-]+\.)*[a-z][a-z0-9-]*")

# Lists of our own, because `is_global` differs between the Pythons that we support.
_NOT_PUBLIC = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT, and Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16",  # Azure's host
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]
# Where a network has no IPv4, DNS64 gives this to every name that has no IPv6.
_NAT64 = IPv6Network("64:ff9b::/96")

_ERRORS: Mapping[type[Exception], type[httpx2.TransportError]] = {
    httpcore2.ConnectTimeout: httpx2.ConnectTimeout,
    httpcore2.ReadTimeout: httpx2.ReadTimeout,
    httpcore2.WriteTimeout: httpx2.WriteTimeout,
    httpcore2.PoolTimeout: httpx2.PoolTimeout,
    httpcore2.ConnectError: httpx2.ConnectError,
    httpcore2.ReadError: httpx2.ReadError,
    httpcore2.WriteError: httpx2.WriteError,
    httpcore2.LocalProtocolError: httpx2.LocalProtocolError,
    httpcore2.RemoteProtocolError: httpx2.RemoteProtocolError,
}


class ForbiddenAddressError(httpx2.ConnectError):
    """The request would go to an address that is not public."""


class ForbiddenUrlError(UserError):
    """A configured URL cannot be used; the message says how to fix it."""


def load_ca_certificates() -> None:
    """Read the system's CA certificates before the first request needs them."""
    _ssl_context()


def guarded_transport(
    *, allow_private: bool = False, limits: httpx2.Limits | None = None
) -> httpx2.AsyncBaseTransport:
    """Return a transport that connects to public addresses only, unless `allow_private` is set.

    Its requests raise ForbiddenAddressError, besides the usual errors of a transport.
    """
    # httpcore2 declares this name twice, for installations without anyio.
    backend = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
    return GuardedTransport(
        backend, tls=_ssl_context(), allow_private=allow_private, limits=limits or LIMITS
    )


async def check_url(url: str, *, allow_private: bool = False) -> None:
    """Check that the guard lets requests to a URL through; this may resolve its host.

    Raises:
        ForbiddenUrlError: it does not.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError):
        message = "This is not a URL: write it like https://api.example.com/v1."
        raise ForbiddenUrlError(message) from None
    try:
        _check_url_form(parsed, allow_private=allow_private)
        if not allow_private:
            host = parsed.raw_host.decode("ascii")
            await _resolve(host, _port(parsed), _LOOKUP_TIMEOUT, allow_private=False)
    except (ForbiddenAddressError, httpcore2.ConnectError, httpcore2.ConnectTimeout) as refusal:
        raise ForbiddenUrlError(str(refusal)) from None


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport whose connections the guard checks."""

    def __init__(
        self,
        backend: httpcore2.AsyncNetworkBackend,
        *,
        tls: ssl.SSLContext,
        allow_private: bool = False,
        limits: httpx2.Limits = LIMITS,
    ) -> None:
        self._allow_private = allow_private
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http2=False,
            network_backend=GuardedBackend(backend, allow_private=allow_private),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its response, with the body still to be read."""
        _check_url_form(request.url, allow_private=self._allow_private)
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        outgoing = httpcore2.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _translate_errors():
            answer = await self._pool.handle_async_request(outgoing)
        extensions = cast("dict[str, Any]", answer.extensions)
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=extensions
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """A network backend that connects to checked addresses only."""

    def __init__(self, inner: httpcore2.AsyncNetworkBackend, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the backend's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve a host and connect to the first of its addresses that answers."""
        clock = asyncio.get_running_loop().time
        deadline = None if timeout is None else clock() + timeout

        async def connect(address: str, candidates: int) -> httpcore2.AsyncNetworkStream:
            # A dead address, such as IPv6 without a route, must leave time for the next one.
            share = None if deadline is None else max(deadline - clock(), 0) / candidates
            stream = await self._inner.connect_tcp(
                address, port, share, local_address, socket_options
            )
            return PolledStream(stream)

        *others, last = await _resolve(host, port, timeout, allow_private=self._allow_private)
        for position, address in enumerate(others):
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await connect(address, len(others) + 1 - position)
        return await connect(last, 1)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  # the backend's interface
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> Never:
        """Refuse: a socket on this machine is not public."""
        raise _forbidden("A Unix socket", "use https or http")


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translate_errors():
            async with aclosing(self._answer.aiter_stream()) as parts:
                async for part in parts:
                    yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


def _check_url_form(url: httpx2.URL, *, allow_private: bool) -> None:
    # Built from parts: what stands before the @ and behind the ? may be secret.
    host = url.raw_host.decode("ascii")
    where = f"{url.scheme}://{host}:{_port(url)}"
    ports = _ANY_PORT if allow_private else _DEFAULT_PORTS.values()
    if url.scheme not in _DEFAULT_PORTS:
        raise _forbidden(where, "start it with https:// or http://")
    if url.userinfo:
        raise _forbidden(where, "leave the user name and the password out of it")
    if _port(url) not in ports:
        raise _forbidden(where, "use the usual port, 443 or 80")
    if not host or not (allow_private or _is_plain_host(host)):
        raise _forbidden(where, "write the host as a name or as a plain IP address")


def _forbidden(where: str, advice: str) -> ForbiddenAddressError:
    return ForbiddenAddressError(f"{where} is not a public address: {advice}.")


def _port(url: httpx2.URL) -> int:
    return url.port if url.port is not None else _DEFAULT_PORTS.get(url.scheme, 0)


def _is_plain_host(host: str) -> bool:
    if _NAME.fullmatch(host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # names a network card of ours


async def _resolve(
    host: str, port: int, max_seconds: float | None, *, allow_private: bool
) -> list[str]:
    try:
        async with asyncio.timeout(max_seconds):
            loop = asyncio.get_running_loop()
            answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        message = f"{host} was not found in time: try again."
        raise httpcore2.ConnectTimeout(message) from None
    except (OSError, UnicodeError):  # the latter for labels too long
        message = f"{host} has no address: check how it is spelled."
        raise httpcore2.ConnectError(message) from None
    addresses = [ip_address(answer[4][0]) for answer in answers]
    if not addresses or not (allow_private or all(map(_is_public, addresses))):
        raise _forbidden(host, "use one that the whole internet can reach")
    return [str(address) for address in dict.fromkeys(addresses)]


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return _is_public(IPv4Address(address.packed[-4:]))
        listed = any(address in network for network in _NOT_PUBLIC_6)
        return address in _GLOBAL_UNICAST and not listed and address.scope_id is None
    return not any(address in network for network in _NOT_PUBLIC)


@contextmanager
def _translate_errors() -> Generator[None]:
    try:
        yield
    except tuple(_ERRORS) as error:
        raise _ERRORS[type(error)](str(error)) from error


@cache
def _ssl_context() -> ssl.SSLContext:
    # 20 ms on the event loop, once per process instead of once per transport.
    return ssl.create_default_context()
