"""The job that ends abandoned conversations."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.jobs import Job, Payload
from transcripts.tables import Conversation

logger = logging.getLogger("antiphon.transcripts")

_MAX_SILENCE = timedelta(hours=6)


async def _end_abandoned(database: Database, _: Payload) -> None:
    """End the active conversations without a write for six hours, tenant by tenant."""
    silent_since = now() - _MAX_SILENCE
    for business_id in await database.businesses():
        fields = {"business_id": str(business_id)}
        try:
            ended = await _end_silent(database, business_id, silent_since)
        except SQLAlchemyError:
            # The next run tries again; the other tenants do not wait for it.
            logger.exception("Abandoned conversations could not be ended", extra=fields)
            continue
        if ended:
            logger.info("Ended abandoned conversations", extra=fields | {"conversations": ended})


async def _end_silent(database: Database, business_id: UUID, silent_since: datetime) -> int:
    """End a tenant's silent conversations as of their last write, and return their number."""
    query = select(Conversation).where(
        col(Conversation.business_id) == business_id,
        col(Conversation.status) == "active",
        col(Conversation.updated_at) < silent_since,
    )
    async with database.tenant(business_id) as session:
        abandoned = (await session.scalars(query.with_for_update(key_share=True))).all()
        for conversation in abandoned:
            conversation.end(conversation.updated_at, "abandoned")
    return len(abandoned)


END_ABANDONED = Job(_end_abandoned, cron="*/5 * * * *")
