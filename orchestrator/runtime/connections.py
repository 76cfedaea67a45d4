"""HTTP connections that clients cannot hold open: deadlines for requests, and limits by address.

uvicorn has a timeout for idle connections alone, which the first byte of a request ends, and
`limit_concurrency`, which refuses everybody once so many are connected. So a client that sends its
requests slowly could shut out all others.

Where there are too many connections, the one that has waited longest for its request gives way to
the new one: whoever sends a whole request at once gets an answer, however many others do not.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from orchestrator.runtime.addresses import limited_address

_REFUSAL = (
    b"HTTP/1.1 %s\r\nContent-Length: 0\r\nRetry-After: 2\r\nConnection: close\r\n\r\n"  # no body
)
_TOO_LATE = _REFUSAL % b"408 Request Timeout"
_TOO_MANY = _REFUSAL % b"503 Service Unavailable"


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits of one server: connections, and seconds.

    `header_seconds` pass from the first byte of a request, or from the connection, to the end of
    its headers; `body_seconds` from there to the end of its body; `write_seconds` are those in
    which a client takes nothing of its answer. Connections of `proxies` are no single client's:
    they count in the total alone.
    """

    total: int = 4096
    per_address: int = 2048
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    proxies: Sequence[IPv4Network | IPv6Network] = ()


class OpenConnections:
    """The open connections of one server, those that wait for a request in order of waiting."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._total = 0
        self._counts: Counter[str] = Counter()
        self._waiting: dict[LimitedProtocol, None] = {}
        self._waiting_of: defaultdict[str, dict[LimitedProtocol, None]] = defaultdict(dict)
        self._is_proxy = lru_cache(maxsize=4096)(self._find_proxy)

    def add(self, connection: "LimitedProtocol") -> bool:
        """Count a connection, and say whether there is room: another one may give way to it."""
        address = connection.address
        self._total += 1
        self._counts[address] += 1
        if self._counts[address] > self.limits.per_address and not self._is_proxy(connection.host):
            return self._close_first(self._waiting_of[address])
        if self._total > self.limits.total:
            return self._close_first(self._waiting)
        return True

    def remove(self, connection: "LimitedProtocol") -> None:
        """Forget a connection that is closed."""
        self.stop_waiting(connection)
        self._total -= 1
        self._counts[connection.address] -= 1
        if self._counts[connection.address] <= 0:
            del self._counts[connection.address]
            self._waiting_of.pop(connection.address, None)

    def wait(self, connection: "LimitedProtocol") -> None:
        """Note that a connection waits for its client from now on."""
        self._waiting[connection] = self._waiting_of[connection.address][connection] = None

    def stop_waiting(self, connection: "LimitedProtocol") -> None:
        """Note that a connection has a whole request."""
        self._waiting.pop(connection, None)
        self._waiting_of[connection.address].pop(connection, None)

    def _close_first(self, waiting: "dict[LimitedProtocol, None]") -> bool:
        """Close the connection that has waited longest; return False where none waits."""
        for connection in waiting:
            self.stop_waiting(connection)
            connection.refuse(_TOO_MANY)
            return True
        return False

    def _find_proxy(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.limits.proxies)


class LimitedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 over h11, within limits."""

    open_connections: OpenConnections  # of the class that `limited_protocol` returns

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.host = ""
        self.address = ""  # as limits count it
        self._phase: Any = None  # h11's state of the client when the timer was set
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    # uvicorn narrows the type, too.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it."""
        super().connection_made(transport)
        self.host = self.client[0] if self.client else ""
        self.address = limited_address(self.host)
        if not self.open_connections.add(self):
            self.refuse(_TOO_MANY)
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timers()
        self.open_connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what the client has sent."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of the one that is answered already."""
        super().on_response_complete()
        if self.transport.is_closing():
            # What was written must be taken in time, too.
            self._writing = self._writing or self._call_later(
                self.open_connections.limits.write_seconds, self.transport.abort
            )
        elif self.conn.their_state is h11.IDLE:
            self._stop_reading()
            self.open_connections.wait(self)

    def pause_writing(self) -> None:
        """Give a client that takes nothing of its answer some time."""
        super().pause_writing()
        seconds = self.open_connections.limits.write_seconds
        self._writing = self._writing or self._call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        if self._writing is not None and not self.transport.is_closing():
            self._writing.cancel()
            self._writing = None

    def refuse(self, answer: bytes) -> None:
        """Close the connection, with an answer unless one has begun or nothing was asked since."""
        self._stop_timers()
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if (
            cycle is None
            or not cycle.response_started
            or (cycle.response_complete and self.conn.trailing_data[0])
        ):
            self.transport.write(answer)
        self.transport.close()
        self._writing = self._call_later(1, self.transport.abort)

    def _watch(self) -> None:
        """Set the timer for what the client has to send next; each byte does not set it anew."""
        phase, limits = self.conn.their_state, self.open_connections.limits
        if phase not in (h11.IDLE, h11.SEND_BODY):
            self._stop_reading()
            self.open_connections.stop_waiting(self)
            return
        if self._reading is not None and phase is self._phase:
            return
        self._stop_reading()
        self._phase = phase
        seconds = limits.header_seconds if phase is h11.IDLE else limits.body_seconds
        self._reading = self._call_later(seconds, lambda: self.refuse(_TOO_LATE))
        self.open_connections.wait(self)

    def _call_later(self, seconds: float, callback: Any) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, callback)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _stop_timers(self) -> None:
        self._stop_reading()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None


def limited_protocol(limits: ConnectionLimits) -> type[LimitedProtocol]:
    """Return the protocol class of one server, which uvicorn makes its connections of."""

    class Protocol(LimitedProtocol):
        open_connections = OpenConnections(limits)

    return Protocol
