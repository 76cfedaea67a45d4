"""Reads and records conversations in PostgreSQL, within what a token may see.

The first write of an entry stays and a repeat changes nothing. A journal of writes can therefore be
replayed in any order and any number of times, also after the conversation has ended.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.protocol import CALLER_SUBJECT
from config.security.tokens import Claims
from config.tables import ApiUsage
from toolkit.errors import Invalid, NotFound, Rejected
from toolkit.tenancy import ToolCall
from transcripts.inputs import ToolCallEntry, UsageRow
from transcripts.tables import AgentResponse, Conversation, UserTurn
from transcripts.tables import ToolCall as LoggedCall

# The provider of a user turn that has not arrived yet, though a response to it has.
PLACEHOLDER = ""


@asynccontextmanager
async def open_operations(call: ToolCall) -> AsyncGenerator["TranscriptOperations"]:
    """Open a transaction on the conversations that a tool call may see."""
    async with call.transaction() as session:
        yield TranscriptOperations(session, call.claims)


@dataclass(frozen=True)
class TranscriptOperations:
    """The conversation that the token names, else those of its bot, else all of the tenant."""

    session: AsyncSession
    claims: Claims

    @property
    def is_callers(self) -> bool:
        """Return whether a caller holds the token, who hears what a tool said from the agent."""
        return self.claims.sub.startswith(CALLER_SUBJECT)

    def visibility(self) -> ColumnElement[bool]:
        """Return the condition that a conversation has to meet to be visible."""
        conditions = [col(Conversation.business_id) == self.claims.business_id]
        if self.claims.conversation_id is not None:
            conditions.append(col(Conversation.id) == self.claims.conversation_id)
        elif self.claims.bot_id is not None:
            conditions.append(col(Conversation.agent_config_id) == self.claims.bot_id)
        return and_(*conditions)

    def resolve_id(self, conversation_id: UUID | None) -> UUID:
        """Return the id of the conversation that the token or the argument names.

        Raises:
            Invalid: neither names one.
            NotFound: they name different ones.
        """
        token_id = self.claims.conversation_id
        if conversation_id is None:
            if token_id is None:
                raise Invalid("conversation_id is missing.")
            return token_id
        if token_id not in (None, conversation_id):
            raise _not_found()
        return conversation_id

    async def get_conversation(
        self, conversation_id: UUID | None, *, locked: bool = False
    ) -> Conversation:
        """Return a conversation; `locked` makes other writers of it wait.

        Raises:
            NotFound: there is none, or none that the token may see.
        """
        resolved = self.resolve_id(conversation_id)
        query = select(Conversation).where(self.visibility(), col(Conversation.id) == resolved)
        if locked:
            query = query.with_for_update(key_share=True)
        conversation = (await self.session.execute(query)).scalar()
        if conversation is None:
            raise _not_found()
        return conversation

    async def start(self, conversation_id: UUID | None, **fields: Any) -> Conversation:
        """Store a conversation of the token's bot, unless it exists.

        Raises:
            Rejected: the token names no bot.
        """
        if self.claims.bot_id is None:
            raise Rejected("A conversation is a bot's, and the token names none.")
        statement = insert(Conversation).values(
            id=self.resolve_id(conversation_id),
            business_id=self.claims.business_id,
            agent_config_id=self.claims.bot_id,
            status="active",
            **fields,
        )
        await self.session.execute(statement.on_conflict_do_nothing())
        return await self.get_conversation(conversation_id)

    async def append_user_turn(self, conversation: Conversation, turn: UserTurn) -> None:
        """Store a user turn, unless it exists.

        Raises:
            Rejected: that index has another text.
        """
        stored = await self._find_user_turn(conversation, turn.order_index)
        if stored is None:
            self.session.add(turn)
        elif stored.stt_provider == PLACEHOLDER:
            stored.transcribed_text = turn.transcribed_text
            stored.detected_language = turn.detected_language
            stored.stt_provider = turn.stt_provider
            stored.stt_confidence = turn.stt_confidence
            stored.created_at = turn.created_at
        elif stored.transcribed_text != turn.transcribed_text:
            raise _conflict(turn.order_index)
        await self._update_language(conversation)

    async def append_agent_response(
        self, conversation: Conversation, response: AgentResponse, user_turn_index: int | None
    ) -> None:
        """Store an agent response, unless it exists.

        Raises:
            Rejected: that index has another text.
        """
        query = select(AgentResponse).where(
            col(AgentResponse.conversation_id) == conversation.id,
            col(AgentResponse.order_index) == response.order_index,
        )
        stored = (await self.session.execute(query)).scalar()
        if stored is None:
            if user_turn_index is not None:
                user_turn = await self._find_or_reserve_turn(conversation, user_turn_index)
                response.user_turn_id = user_turn.id
            self.session.add(response)
            conversation.updated_at = now()
        elif stored.response_text != response.response_text:
            raise _conflict(response.order_index)

    async def append_tool_calls(
        self, conversation: Conversation, entries: Sequence[ToolCallEntry]
    ) -> None:
        """Store tool calls, those that are not stored yet."""
        if not entries:
            return
        values = [
            {
                **entry.model_dump(exclude={"called_at"}),
                "id": uuid4(),
                "business_id": conversation.business_id,
                "conversation_id": conversation.id,
                "created_at": entry.called_at or now(),
            }
            for entry in entries
        ]
        await self.session.execute(insert(LoggedCall).values(values).on_conflict_do_nothing())
        conversation.updated_at = now()

    async def update(
        self, conversation: Conversation, language: str | None, **fields: str | None
    ) -> None:
        """Set the fields that are not None; `language` counts where no user turn has one."""
        for name, value in fields.items():
            if value is not None:
                setattr(conversation, name, value)
        await self._update_language(conversation, fallback=language)

    async def record_usage(self, conversation_id: UUID | None, rows: Sequence[UsageRow]) -> int:
        """Store each request's usage once, and return the number of new rows."""
        if not rows:
            return 0
        values = [
            {
                "business_id": self.claims.business_id,
                "conversation_id": conversation_id,
                "provider": row.provider,
                "operation": row.operation,
                "request_id": row.request_id,
                "details": row.metadata,
            }
            for row in rows
        ]
        statement = insert(ApiUsage).values(values).on_conflict_do_nothing()
        stored = await self.session.execute(statement.returning(col(ApiUsage.id)))
        return len(stored.all())

    async def _find_user_turn(self, conversation: Conversation, index: int) -> UserTurn | None:
        query = select(UserTurn).where(
            col(UserTurn.conversation_id) == conversation.id, col(UserTurn.order_index) == index
        )
        return (await self.session.execute(query)).scalar()

    async def _find_or_reserve_turn(self, conversation: Conversation, index: int) -> UserTurn:
        stored = await self._find_user_turn(conversation, index)
        if stored is not None:
            return stored
        placeholder = UserTurn(
            business_id=conversation.business_id,
            conversation_id=conversation.id,
            order_index=index,
            transcribed_text="",
            stt_provider=PLACEHOLDER,
        )
        self.session.add(placeholder)
        await self.session.flush()
        return placeholder

    async def _update_language(
        self, conversation: Conversation, fallback: str | None = None
    ) -> None:
        """Set the language to that of the last user turn that has one, in order of the index."""
        query = (
            select(col(UserTurn.detected_language))
            .where(
                col(UserTurn.conversation_id) == conversation.id,
                col(UserTurn.detected_language).is_not(None),
            )
            .order_by(col(UserTurn.order_index).desc())
            .limit(1)
        )
        language = (await self.session.execute(query)).scalar()
        conversation.detected_language = language or fallback or conversation.detected_language
        conversation.updated_at = now()


def _not_found() -> NotFound:
    return NotFound("There is no such conversation.")


def _conflict(index: int) -> Rejected:
    return Rejected(
        f"Entry {index} of this conversation says something else.",
        next="Append it again at the next free order_index.",
    )
