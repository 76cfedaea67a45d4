"""Queries for lists, transcripts and search, within what a token may see."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    String,
    desc,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
    union_all,
)
from sqlmodel import col

from config.protocol import to_call_outcome
from transcripts.operations import PLACEHOLDER, TranscriptOperations
from transcripts.results import CallEntry, Entry, Match, Status, Turn
from transcripts.tables import AgentResponse, Conversation, ToolCall, UserTurn

_SNIPPET = 'StartSel="", StopSel="", MinWords=8, MaxWords=20'


async def list_page(
    operations: TranscriptOperations,
    limit: int,
    before: UUID | None,
    status: Status | None,
    bot_id: UUID | None,
) -> Sequence[Conversation]:
    """Return up to `limit` conversations, newest first; with `before`, those that began earlier."""
    newest_first = tuple_(col(Conversation.started_at), col(Conversation.id))
    query = select(Conversation).where(operations.visibility())
    if before is not None:
        last = await operations.get_conversation(before)
        query = query.where(newest_first < (last.started_at, last.id))
    if status is not None:
        query = query.where(col(Conversation.status) == status)
    if bot_id is not None:
        query = query.where(col(Conversation.agent_config_id) == bot_id)
    order = col(Conversation.started_at).desc(), col(Conversation.id).desc()
    return (await operations.session.scalars(query.order_by(*order).limit(limit))).all()


async def load_turns(operations: TranscriptOperations, conversation: Conversation) -> list[Turn]:
    """Return a conversation as turns, in order."""
    user_turns = select(UserTurn).where(col(UserTurn.conversation_id) == conversation.id)
    agent_responses = (
        select(AgentResponse, col(UserTurn.order_index))
        .outerjoin(UserTurn, col(UserTurn.id) == col(AgentResponse.user_turn_id))
        .where(col(AgentResponse.conversation_id) == conversation.id)
        .order_by(col(AgentResponse.order_index))
    )
    unprompted: list[Turn] = []
    responses: defaultdict[int, list[Entry]] = defaultdict(list)
    for response, turn_index in await operations.session.execute(agent_responses):
        entry = _agent_entry(response)
        if response.user_turn_id is None:
            unprompted.append(Turn(order_index=response.order_index, responses=[entry]))
        else:
            responses[turn_index].append(entry)
    prompted = [
        Turn(
            order_index=turn.order_index,
            user=None if turn.stt_provider == PLACEHOLDER else _user_entry(turn),
            responses=responses[turn.order_index],
        )
        for turn in (await operations.session.execute(user_turns)).scalars()
    ]
    return sorted([*prompted, *unprompted], key=lambda turn: turn.order_index)


def to_entries(turns: Sequence[Turn]) -> list[Entry]:
    """Return the entries of these turns, in order."""
    entries = [
        entry for turn in turns for entry in (*([turn.user] if turn.user else []), *turn.responses)
    ]
    return sorted(entries, key=lambda entry: entry.order_index)


async def load_tool_calls(
    operations: TranscriptOperations, conversation: Conversation
) -> list[CallEntry]:
    """Return the tool calls of a conversation in order, as far as the token may see them."""
    query = (
        select(ToolCall)
        .where(col(ToolCall.conversation_id) == conversation.id)
        .order_by(col(ToolCall.created_at), col(ToolCall.call_id))
    )
    rows = (await operations.session.scalars(query)).all()
    calls = [_call_entry(order_index, row) for order_index, row in enumerate(rows)]
    return [call.for_caller() for call in calls] if operations.is_callers else calls


async def search_entries(operations: TranscriptOperations, words: str, limit: int) -> list[Match]:
    """Return the newest entries that match a query in the syntax of a web search."""
    tsquery = func.websearch_to_tsquery("simple", words)
    newest = (
        union_all(
            _matching(operations, "user", UserTurn, col(UserTurn.transcribed_text), tsquery),
            _matching(
                operations, "agent", AgentResponse, col(AgentResponse.response_text), tsquery
            ),
        )
        .order_by(desc("created_at"))
        .limit(limit)
        .subquery()
    )
    found = newest.c
    snippet = func.ts_headline("simple", found.text, tsquery, _SNIPPET).label("snippet")
    query = select(
        found.conversation_id, found.order_index, found.role, found.created_at, snippet
    ).order_by(found.created_at.desc())
    rows = (await operations.session.execute(query)).mappings()
    return [Match.model_validate(dict(row)) for row in rows]


def _matching(
    operations: TranscriptOperations,
    role: str,
    table: type[UserTurn | AgentResponse],
    text: SQLColumnExpression[str],
    tsquery: ColumnElement[Any],
) -> Select[*tuple[Any, ...]]:
    return (
        select(
            literal(role, String).label("role"),
            type_coerce(text, String).label("text"),
            col(table.conversation_id),
            col(table.order_index),
            col(table.created_at),
        )
        .join(Conversation, col(Conversation.id) == col(table.conversation_id))
        .where(operations.visibility(), func.to_tsvector("simple", text).bool_op("@@")(tsquery))
    )


def _user_entry(turn: UserTurn) -> Entry:
    return Entry(
        role="user",
        text=turn.transcribed_text,
        language=turn.detected_language,
        created_at=turn.created_at,
        order_index=turn.order_index,
    )


def _call_entry(order_index: int, call: ToolCall) -> CallEntry:
    return CallEntry(
        server=call.server,
        tool=call.tool,
        outcome=to_call_outcome(call.outcome),
        ms=call.ms,
        user_turn_index=call.user_turn_index,
        called_at=call.created_at,
        order_index=order_index,
        chosen_by="retrieval" if call.chosen_by == "retrieval" else "model",
        arguments=call.arguments,
        said=call.said,
    )


def _agent_entry(response: AgentResponse) -> Entry:
    return Entry(
        role="agent",
        text=response.response_text,
        language=response.language_used,
        created_at=response.created_at,
        order_index=response.order_index,
        interrupted=response.interrupted or None,
    )
