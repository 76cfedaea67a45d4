"""One conversation over a vendor's websocket, held to what the vendor allows."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

KEY = "sk-double-4be1c7"
BROKEN = 4000  # the code with which a conversation ends that breaks the contract
Message = dict[str, Any]


@dataclass(frozen=True)
class Opening:
    """How a client opened a socket."""

    route: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """Return a parameter of the query."""
        return dict(self.query)[name]


class Rules(Protocol):
    """What a vendor allows: each answer is the list of reasons against it."""

    def opening(self, opening: Opening) -> list[str]:
        """Judge how a socket is opened."""
        ...

    def message(self, route: str, message: Message) -> list[str]:
        """Judge what a client says on it."""
        ...


class Anything:
    """The rules where no contract is at hand."""

    def opening(self, opening: Opening) -> list[str]:
        """Allow it."""
        return []

    def message(self, route: str, message: Message) -> list[str]:
        """Allow it."""
        return []


@dataclass
class Record:
    """What happened on all sockets of a double."""

    openings: list[Opening] = field(default_factory=list[Opening])
    received: list[tuple[str, Message]] = field(default_factory=list[tuple[str, Message]])
    sent: list[tuple[str, Message]] = field(default_factory=list[tuple[str, Message]])
    violations: list[str] = field(default_factory=list[str])


class Conversation:
    """An accepted socket."""

    def __init__(self, socket: WebSocket, opening: Opening, rules: Rules, record: Record) -> None:
        self._socket = socket
        self._rules = rules
        self._record = record
        self.opening = opening

    async def send(self, *messages: Message) -> None:
        """Send JSON messages."""
        for message in messages:
            self._record.sent.append((self.opening.route, message))
            await self._socket.send_json(message)

    async def __aiter__(self) -> AsyncIterator[bytes | Message]:
        """Yield audio as bytes and everything else as JSON, until one side ends it."""
        while True:
            received = await self._socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            if received.get("bytes"):
                yield received["bytes"]
            elif received.get("text"):
                message: Message = json.loads(received["text"])
                self._record.received.append((self.opening.route, message))
                reasons = self._rules.message(self.opening.route, message)
                if reasons:
                    self._record.violations.extend(reasons)
                    await self._socket.close(BROKEN, reasons[0][:100])
                    return
                yield message

    async def close(self) -> None:
        """End it as agreed."""
        await self._socket.close(1000)


async def accepted(
    socket: WebSocket, route: str, credential: Mapping[str, str], rules: Rules, record: Record
) -> Conversation | None:
    """Accept the socket, or refuse it: 401 without the credential, 400 against the rules."""
    opening = Opening(
        route, socket.url.path, tuple(socket.query_params.multi_items()), dict(socket.headers)
    )
    record.openings.append(opening)
    if any(opening.headers.get(name) != value for name, value in credential.items()):
        await socket.send_denial_response(PlainTextResponse("unauthorized", 401))
        return None
    reasons = rules.opening(opening)
    if reasons:
        record.violations.extend(reasons)
        await socket.send_denial_response(PlainTextResponse("\n".join(reasons), 400))
        return None
    await socket.accept()
    return Conversation(socket, opening, rules, record)
