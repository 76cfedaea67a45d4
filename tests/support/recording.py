"""The transcripts server behind a gate, and a call whose journal is delivered to it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.database import Database
from config.security.tokens import Signer
from orchestrator.agent.journal import JournalEntry, JournalHeader
from orchestrator.agent.recorder import Recorder
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant, fetch


@dataclass(frozen=True)
class Request:
    """A call of a tool, as it comes to the gate."""

    id: Any
    tool: str
    arguments: Mapping[str, Any]


Rule = Callable[[Request], Response | None]


def error_result(request: Request, kind: str) -> Response:
    """Return the answer of a tool that has failed."""
    result = {
        "resultType": "complete",
        "content": [{"type": "text", "text": "No."}],
        "isError": True,
        "_meta": {"antiphon": {"error": kind, "say": "No."}},
    }
    return JSONResponse({"jsonrpc": "2.0", "id": request.id, "result": result})


@dataclass
class Gate:
    """Stands before a server: it answers what a rule says, and passes the rest on."""

    app: ASGIApp
    rule: Rule | None = None
    requests: list[Request] = field(default_factory=list[Request])
    answered: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stuck: set[str] = field(default_factory=set[str])  # conversations or texts never answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request = _parse(body)
        if request is not None:
            self.requests.append(request)
            self.changed.set()
            if any(each in body.decode() for each in self.stuck):
                await asyncio.Event().wait()
            response = self.rule(request) if self.rule else None
            if response is not None:
                await response(scope, receive, send)
                return
        read = False

        async def replay() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)
        if request is not None:
            self.answered += 1
            self.changed.set()

    async def wait_for(self, requests: int) -> None:
        """Wait until so many calls of tools have come."""
        await self._wait(lambda: len(self.requests) >= requests)

    async def wait_for_answers(self, number: int) -> None:
        """Wait until the server itself has answered so many calls of tools."""
        await self._wait(lambda: self.answered >= number)

    def open(self) -> None:
        """Let everything through, and forget what came."""
        self.rule = None
        self.stuck.clear()
        self.requests.clear()
        self.answered = 0

    async def _wait(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()


def _parse(body: bytes) -> Request | None:
    if not body:
        return None
    message = json.loads(body)
    if message.get("method") != "tools/call":
        return None
    params = message["params"]
    return Request(message["id"], params["name"], params.get("arguments", {}))


@dataclass(frozen=True)
class RecordedCall:
    """A conversation that has begun, and what is stored of it."""

    tenant: Tenant
    header: JournalHeader
    database: Database

    async def texts(self) -> list[str]:
        """Return what was said, in order."""
        rows = await fetch(self.database, self.tenant, _TEXTS, id=self.header.conversation_id)
        return [row["text"] for row in rows]

    async def end_reason(self) -> str | None:
        """Return why it has ended, or None while it has not."""
        query = "select status, end_reason from conversation where id = :id"
        (row,) = await fetch(self.database, self.tenant, query, id=self.header.conversation_id)
        return str(row["end_reason"]) if row["status"] == "ended" else None


_TEXTS = """
select order_index, transcribed_text as text from user_turn where conversation_id = :id
union all
select order_index, response_text from agent_response where conversation_id = :id
order by order_index
"""


async def start_call(signer: Signer, url: str, tenant: Tenant, database: Database) -> RecordedCall:
    """Begin a conversation."""
    header = JournalHeader(
        subject=f"bot:{tenant.bot_id}",
        business_id=tenant.business_id,
        bot_id=tenant.bot_id,
        conversation_id=uuid4(),
    )
    router = Router(signer, lambda _: url)
    outcome = await router.call(
        "transcripts",
        "start_conversation",
        {"room_name": "room", "direction": "inbound"},
        tenant.claims(conversation_id=header.conversation_id),
    )
    assert outcome.error is None, outcome.text
    await router.aclose()
    return RecordedCall(tenant, header, database)


def user_turn(index: int, text: str) -> JournalEntry:
    """Return the entry of something that a caller has said."""
    arguments = {"order_index": index, "text": text, "stt_provider": "embedded"}
    return JournalEntry(tool="append_user_turn", arguments=arguments)


def say(recorder: Recorder, *texts: str) -> None:
    """Record what a caller says."""
    for text in texts:
        recorder.add_user_turn(text, stt_provider="embedded")
