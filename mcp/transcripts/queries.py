"""Lists, transcripts and search over the conversations that a token may see."""

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

from transcripts.operations import AWAITED, Store
from transcripts.results import Entry, Match, Status, Turn
from transcripts.tables import AgentResponse, Conversation, UserTurn

_SNIPPET = 'StartSel="", StopSel="", MinWords=8, MaxWords=20'


async def page(
    store: Store, limit: int, before: UUID | None, status: Status | None, bot_id: UUID | None
) -> Sequence[Conversation]:
    """Return up to `limit` conversations, newest first, that began before another one."""
    newest_first = tuple_(col(Conversation.started_at), col(Conversation.id))
    query = select(Conversation).where(store.visible())
    if before is not None:
        last = await store.conversation(before)
        query = query.where(newest_first < (last.started_at, last.id))
    if status is not None:
        query = query.where(col(Conversation.status) == status)
    if bot_id is not None:
        query = query.where(col(Conversation.agent_config_id) == bot_id)
    order = col(Conversation.started_at).desc(), col(Conversation.id).desc()
    found = await store.session.execute(query.order_by(*order).limit(limit))
    return found.scalars().all()


async def turns(store: Store, conversation: Conversation) -> list[Turn]:
    """Return a conversation as turns, in order."""
    heard = select(UserTurn).where(col(UserTurn.conversation_id) == conversation.id)
    spoken = (
        select(AgentResponse, col(UserTurn.order_index))
        .outerjoin(UserTurn, col(UserTurn.id) == col(AgentResponse.user_turn_id))
        .where(col(AgentResponse.conversation_id) == conversation.id)
        .order_by(col(AgentResponse.order_index))
    )
    unprompted: list[Turn] = []
    responses: defaultdict[int, list[Entry]] = defaultdict(list)
    for response, answered in await store.session.execute(spoken):
        entry = _agent_entry(response)
        if response.user_turn_id is None:
            unprompted.append(Turn(order_index=response.order_index, responses=[entry]))
        else:
            responses[answered].append(entry)
    prompted = [
        Turn(
            order_index=turn.order_index,
            user=None if turn.stt_provider == AWAITED else _user_entry(turn),
            responses=responses[turn.order_index],
        )
        for turn in (await store.session.execute(heard)).scalars()
    ]
    return sorted([*prompted, *unprompted], key=lambda turn: turn.order_index)


def entries(turns: Sequence[Turn]) -> list[Entry]:
    """Return what was said in these turns, in order."""
    said = [
        entry for turn in turns for entry in (*([turn.user] if turn.user else []), *turn.responses)
    ]
    return sorted(said, key=lambda entry: entry.order_index)


async def search(store: Store, words: str, limit: int) -> list[Match]:
    """Return the newest passages that match what one would type into a search engine."""
    wanted = func.websearch_to_tsquery("simple", words)
    newest = (
        union_all(
            _matching(store, "user", UserTurn, col(UserTurn.transcribed_text), wanted),
            _matching(store, "agent", AgentResponse, col(AgentResponse.response_text), wanted),
        )
        .order_by(desc("created_at"))
        .limit(limit)
        .subquery()
    )
    found = newest.c
    snippet = func.ts_headline("simple", found.text, wanted, _SNIPPET).label("snippet")
    query = select(
        found.conversation_id, found.order_index, found.role, found.created_at, snippet
    ).order_by(found.created_at.desc())
    rows = (await store.session.execute(query)).mappings()
    return [Match.model_validate(dict(row)) for row in rows]


def _matching(
    store: Store,
    role: str,
    table: type[UserTurn | AgentResponse],
    text: SQLColumnExpression[str],
    wanted: ColumnElement[Any],
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
        .where(store.visible(), func.to_tsvector("simple", text).bool_op("@@")(wanted))
    )


def _user_entry(turn: UserTurn) -> Entry:
    return Entry(
        role="user",
        text=turn.transcribed_text,
        language=turn.detected_language,
        created_at=turn.created_at,
        order_index=turn.order_index,
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
