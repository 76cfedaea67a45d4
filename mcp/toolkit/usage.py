"""Stores what a server's requests to its providers are billed by."""

import asyncio
import logging
from collections.abc import Mapping

from sqlalchemy import Uuid, column, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from config.database import UNREACHABLE
from config.tables import ApiUsage
from toolkit.tenancy import ToolCall

logger = logging.getLogger("antiphon.usage")

_BUDGET = 2.0  # seconds; what was asked for is there already, and waits for this
_CONVERSATION = table("conversation", column("id", Uuid()))


async def record_usage(
    call: ToolCall,
    provider: str,
    operation: str,
    request_id: str,
    details: Mapping[str, str | int | float],
) -> None:
    """Store one request's row of `api_usage`; a second row with its `request_id` is not stored.

    The request has been made, and will be billed: where its row cannot be stored, that is logged,
    and the tool call goes on. A server without a database stores nothing.
    """
    if call.runtime.database is None:
        return
    # A conversation is stored by its journal, which may be later.
    conversation = select(_CONVERSATION.c.id).where(
        _CONVERSATION.c.id == call.claims.conversation_id
    )
    row = insert(ApiUsage).values(
        business_id=call.business_id,
        conversation_id=conversation.scalar_subquery(),
        provider=provider,
        operation=operation,
        request_id=request_id,
        details=dict(details),
    )
    try:
        async with asyncio.timeout(_BUDGET), call.transaction() as session:
            await session.execute(row.on_conflict_do_nothing())
    except (*UNREACHABLE, IntegrityError, TimeoutError) as error:
        logger.warning(
            "the usage of a request could not be stored",
            extra={
                "provider": provider,
                "operation": operation,
                "request_id": request_id,
                "reason": type(error).__name__,
                **details,
            },
        )
