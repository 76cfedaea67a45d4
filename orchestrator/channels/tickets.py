"""The bot answers in the ticket: once for all that was written since somebody of ours last wrote.

A webhook only says where to look. What was written, by whom, and whether it is answered already is
read from the desk itself, so that a repeated event, a replayed one and our own comment find nothing
left to answer.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from sqlalchemy import select
from sqlmodel import col

from config.bots import Bot, load
from config.database import Database
from config.jobs import Job, Payload
from config.security.tokens import Claims, Grant
from config.settings import running
from config.tables import AgentConfig, BusinessIntegration, McpConnection
from orchestrator.agent.agreement import Waiting
from orchestrator.agent.job import Process
from orchestrator.channels.text import Reply, Said, reply
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import Outcome

logger = logging.getLogger("antiphon.tickets")

SERVER = "tickets"
ANSWERING_BOT = "bot"  # the setting of an integration that names the bot which answers
_COMMENTS, _ADD = "list_ticket_comments", "add_comment"
_WAITS = 30 * 24 * 3600  # seconds that a question of ours may wait for a yes
_PATIENT = frozenset({"unavailable", "timeout", "rate_limited", "outcome_unknown", "fault"})


class AnswerLaterError(Exception):
    """Something is down; the job is to be run again."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)

    business_id: UUID
    integration_id: UUID
    ticket: str


class _Comment(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    text: str = ""
    by: Literal["us", "agent", "customer"]
    public: bool = True


class _Comments(BaseModel):
    comments: tuple[_Comment, ...] = ()


async def _answer(database: Database, payload: Payload) -> None:
    """Answer what is not answered yet in a ticket."""
    told = _Told.model_validate(payload)
    found = await _integration(database, told)
    if found is None:
        return
    integration, bot_id = found
    process = Process.connect(running())
    try:
        bot = await load(process.database, process.cache, told.business_id, bot_id)
        await _Desk(process, told, integration, bot).answer()
    finally:
        await process.aclose()


ANSWER = Job(_answer)


async def _integration(database: Database, told: _Told) -> tuple[str, UUID] | None:
    """Return the account's name and the bot that answers; None, and a word in the log, if none."""
    about = {"integration_id": str(told.integration_id)}
    async with database.tenant(told.business_id) as session:
        row = await session.get(BusinessIntegration, told.integration_id)
        if row is None or not row.enabled:
            logger.warning("a webhook's integration is gone", extra=about)
            return None
        connected = select(col(AgentConfig.id), col(AgentConfig.name)).join(
            McpConnection, col(McpConnection.agent_config_id) == col(AgentConfig.id)
        )
        rows = await session.execute(
            connected.where(
                col(McpConnection.server) == SERVER,
                col(McpConnection.enabled),
                col(McpConnection.integration).is_(None)
                | (col(McpConnection.integration) == row.name),
            )
        )
        bots = {name: bot_id for bot_id, name in rows}
    named, scope = row.settings.get(ANSWERING_BOT), row.scoped_to_bot_ids
    able = {
        name: bot_id
        for name, bot_id in bots.items()
        if named in (None, name) and (scope is None or str(bot_id) in scope)
    }
    if len(able) != 1:
        # The setting says which; without it, one of several would be a guess.
        logger.warning("no bot, or no single one, answers here", extra=about)
        return None
    return row.name, next(iter(able.values()))


class _Desk:
    """One ticket, and the bot that answers in it."""

    def __init__(self, process: Process, told: _Told, integration: str, bot: Bot) -> None:
        self._process = process
        self._told = told
        self._bot = bot
        self._claims = Claims(
            sub=f"bot:{bot.id}",
            business_id=told.business_id,
            bot_id=bot.id,
            grant=Grant(tools=(_COMMENTS, _ADD), integration=integration),
        )

    async def answer(self) -> None:
        """Answer, if a customer was the last to write."""
        public = [each for each in await self._comments() if each.public and each.text.strip()]
        open_ones = _unanswered(public)
        if not open_ones:
            return
        last = open_ones[-1]
        before = [Said(each.text, each.by != "customer") for each in public[: -len(open_ones)]]
        text = "\n\n".join(each.text for each in open_ones)
        identity = self._identity(last)
        waits = _Waits(self._process.cache, self._told)
        answer = await reply(self._process, identity, before, text, await waits.read())
        if (await self._add(answer, last)).error:
            return
        await waits.write(answer.waiting)
        await self._record(identity, text, answer)

    def _identity(self, last: _Comment) -> Identity:
        """Return for whom is answered: one conversation for each comment, the bot's own servers.

        What it writes into this ticket we add ourselves, so it has no tool for that.
        """
        name = f"{self._told.integration_id}/{self._told.ticket}/{last.id}"
        use = self._bot.servers[SERVER]
        quiet = use.model_copy(update={"denied_tools": (*use.denied_tools, _ADD)})
        bot = self._bot.model_copy(update={"servers": {**self._bot.servers, SERVER: quiet}})
        conversation_id = uuid5(self._told.integration_id, name)
        return Identity(f"bot:{bot.id}", self._told.business_id, bot, conversation_id)

    async def _comments(self) -> Sequence[_Comment]:
        wanted = {"ticket": self._told.ticket, "detail": "full"}
        outcome = await self._ask(_COMMENTS, wanted, retry=True)
        return _Comments.model_validate(outcome.data).comments

    async def _add(self, answer: Reply, last: _Comment) -> Outcome:
        """Add the comment; a second try for the same question is a repeat to the server."""
        key = f"answer:{self._told.integration_id}:{self._told.ticket}:{last.id}"
        wanted = {"ticket": self._told.ticket, "text": answer.text, "public": True}
        return await self._ask(_ADD, wanted, key=key)

    async def _ask(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        retry: bool = False,
        key: str | None = None,
    ) -> Outcome:
        outcome = await self._process.constellation.call(
            SERVER, tool, arguments, self._claims, retry=retry, key=key
        )
        if outcome.error in _PATIENT:
            raise AnswerLaterError(f"{tool}: {outcome.error}")
        if outcome.error:
            logger.warning("a ticket could not be answered", extra={"error": outcome.error})
        return outcome

    async def _record(self, identity: Identity, text: str, answer: Reply) -> None:
        """Store both sides as a conversation; each write may be repeated."""
        moment = datetime.now(UTC).isoformat()
        entries: tuple[tuple[str, dict[str, Any]], ...] = (
            (
                "start_conversation",
                {
                    "room_name": f"ticket-{self._told.ticket}",
                    "direction": "inbound",
                    "conversation_id": str(identity.conversation_id),
                },
            ),
            (
                "append_user_turn",
                {"order_index": 0, "text": text, "stt_provider": "text", "spoken_at": moment},
            ),
            (
                "append_agent_response",
                {
                    "order_index": 1,
                    "user_turn_index": 0,
                    "text": answer.text,
                    "llm_provider": answer.model,
                    "spoken_at": moment,
                },
            ),
            ("end_conversation", {"reason": "answered"}),
        )
        claims = identity.claims("transcripts", every_tool=True)
        for tool, arguments in entries:
            outcome = await self._process.constellation.call(
                "transcripts", tool, arguments, claims, retry=True
            )
            if outcome.error:
                fields = {"tool": tool, "error": outcome.error}
                logger.warning("an answer could not be recorded", extra=fields)
                return


class _Waits:
    """What the bot has asked in this ticket and may be answered with a yes."""

    def __init__(self, cache: Redis, told: _Told) -> None:
        self._cache = cache
        self._key = f"waits:{told.business_id}:{told.integration_id}:{told.ticket}"

    async def read(self) -> Waiting | None:
        """Return it, if anything waits."""
        stored = await self._cache.get(self._key)
        try:
            return Waiting.model_validate_json(stored) if stored else None
        except ValidationError:
            return None  # written by another version of ours

    async def write(self, waiting: Waiting | None) -> None:
        """Store it for the next comment, or forget what waited."""
        if waiting is None:
            await self._cache.delete(self._key)
        else:
            await self._cache.set(self._key, waiting.model_dump_json(), ex=_WAITS)


def _unanswered(comments: Sequence[_Comment]) -> Sequence[_Comment]:
    """Return what customers have written since somebody of ours did."""
    for n, comment in enumerate(reversed(comments)):
        if comment.by != "customer":
            return comments[len(comments) - n :]
    return comments
