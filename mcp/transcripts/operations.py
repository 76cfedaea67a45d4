"""Conversations in PostgreSQL, as far as one token may see them.

What was written first stays: a repeat changes nothing, so a journal can be replayed in any order,
as often as it takes, also after the conversation has ended.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.security.tokens import Claims
from toolkit.errors import Invalid, NotFound, Rejected
from toolkit.tenancy import ToolCall
from transcripts.results import UsageRow
from transcripts.tables import AgentResponse, ApiUsage, Conversation, UserTurn

# A response may arrive before the turn that it answers. A row without a provider then keeps that
# turn's place, until it arrives.
AWAITED = ""


@asynccontextmanager
async def opened(call: ToolCall) -> AsyncGenerator["Store"]:
    """Open the conversations that a call may see, for one transaction."""
    async with call.transaction() as session:
        yield Store(session, call.claims)


@dataclass(frozen=True)
class Store:
    """The conversation of the token; if it has none, those of its bot; if it has none, all."""

    session: AsyncSession
    claims: Claims

    def visible(self) -> ColumnElement[bool]:
        """Return the condition that a conversation has to meet."""
        conditions = [col(Conversation.business_id) == self.claims.business_id]
        if self.claims.conversation_id is not None:
            conditions.append(col(Conversation.id) == self.claims.conversation_id)
        elif self.claims.bot_id is not None:
            conditions.append(col(Conversation.agent_config_id) == self.claims.bot_id)
        return and_(*conditions)

    def named(self, conversation_id: UUID | None) -> UUID:
        """Return the conversation that the token or the argument names.

        Raises:
            Invalid: neither does.
            NotFound: they differ.
        """
        bound = self.claims.conversation_id
        if conversation_id is None:
            if bound is None:
                raise Invalid("conversation_id is missing.")
            return bound
        if bound not in (None, conversation_id):
            raise _not_found()
        return conversation_id

    async def conversation(
        self, conversation_id: UUID | None, *, locked: bool = False
    ) -> Conversation:
        """Return a conversation, for writing if `locked`.

        Raises:
            NotFound: there is none, or none that the token may see.
        """
        named = self.named(conversation_id)
        query = select(Conversation).where(self.visible(), col(Conversation.id) == named)
        if locked:
            query = query.with_for_update(key_share=True)
        found = (await self.session.execute(query)).scalar()
        if found is None:
            raise _not_found()
        return found

    async def start(self, conversation_id: UUID | None, **fields: Any) -> Conversation:
        """Store a conversation of the token's bot, unless it is there already."""
        if self.claims.bot_id is None:
            raise Rejected("A conversation is a bot's, and the token names none.")
        statement = insert(Conversation).values(
            id=self.named(conversation_id),
            business_id=self.claims.business_id,
            agent_config_id=self.claims.bot_id,
            status="active",
            **fields,
        )
        await self.session.execute(statement.on_conflict_do_nothing())
        return await self.conversation(conversation_id)

    async def append_user_turn(self, conversation: Conversation, turn: UserTurn) -> None:
        """Store what the caller said, unless it is there already.

        Raises:
            Rejected: something else was said at that index.
        """
        stored = await self._user_turn(conversation, turn.order_index)
        if stored is None:
            self.session.add(turn)
        elif stored.stt_provider == AWAITED:
            stored.transcribed_text = turn.transcribed_text
            stored.detected_language = turn.detected_language
            stored.stt_provider = turn.stt_provider
            stored.stt_confidence = turn.stt_confidence
            stored.created_at = turn.created_at
        elif stored.transcribed_text != turn.transcribed_text:
            raise _taken(turn.order_index)
        await self._hear(conversation)

    async def append_agent_response(
        self, conversation: Conversation, response: AgentResponse, user_turn_index: int | None
    ) -> None:
        """Store what the agent answered, unless it is there already.

        Raises:
            Rejected: it answered something else at that index.
        """
        query = select(AgentResponse).where(
            col(AgentResponse.conversation_id) == conversation.id,
            col(AgentResponse.order_index) == response.order_index,
        )
        stored = (await self.session.execute(query)).scalar()
        if stored is None:
            if user_turn_index is not None:
                answered = await self._kept_turn(conversation, user_turn_index)
                response.user_turn_id = answered.id
            self.session.add(response)
            conversation.updated_at = now()
        elif stored.response_text != response.response_text:
            raise _taken(response.order_index)

    async def update(
        self, conversation: Conversation, language: str | None, **fields: str | None
    ) -> None:
        """Note what became known about a conversation."""
        for name, value in fields.items():
            if value is not None:
                setattr(conversation, name, value)
        await self._hear(conversation, otherwise=language)

    async def record_usage(self, conversation_id: UUID | None, rows: Sequence[UsageRow]) -> int:
        """Store each request's consumption once, and return how many were new."""
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

    async def _user_turn(self, conversation: Conversation, index: int) -> UserTurn | None:
        query = select(UserTurn).where(
            col(UserTurn.conversation_id) == conversation.id, col(UserTurn.order_index) == index
        )
        return (await self.session.execute(query)).scalar()

    async def _kept_turn(self, conversation: Conversation, index: int) -> UserTurn:
        stored = await self._user_turn(conversation, index)
        if stored is not None:
            return stored
        kept = UserTurn(
            business_id=conversation.business_id,
            conversation_id=conversation.id,
            order_index=index,
            transcribed_text="",
            stt_provider=AWAITED,
        )
        self.session.add(kept)
        await self.session.flush()
        return kept

    async def _hear(self, conversation: Conversation, otherwise: str | None = None) -> None:
        """Set the language of the last user turn that has one, whatever order they came in."""
        query = (
            select(col(UserTurn.detected_language))
            .where(
                col(UserTurn.conversation_id) == conversation.id,
                col(UserTurn.detected_language).is_not(None),
            )
            .order_by(col(UserTurn.order_index).desc())
            .limit(1)
        )
        heard = (await self.session.execute(query)).scalar()
        conversation.detected_language = heard or otherwise or conversation.detected_language
        conversation.updated_at = now()


def _not_found() -> NotFound:
    return NotFound("There is no such conversation.")


def _taken(index: int) -> Rejected:
    return Rejected(
        f"Entry {index} of this conversation says something else.",
        next="Append it again at the next free order_index.",
    )
