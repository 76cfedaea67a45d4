"""What is done about conversations without being asked."""

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

_SILENCE = timedelta(hours=6)


async def _end_abandoned(database: Database, _: Payload) -> None:
    """End the conversations of which nothing was heard for hours, business by business."""
    silent_since = now() - _SILENCE
    for business_id in await database.businesses():
        about = {"business_id": str(business_id)}
        try:
            ended = await _end_silent(database, business_id, silent_since)
        except SQLAlchemyError:
            # The next sweep tries again; the other businesses need not wait for it.
            logger.exception("Abandoned conversations could not be ended", extra=about)
            continue
        if ended:
            logger.info("Ended abandoned conversations", extra=about | {"conversations": ended})


async def _end_silent(database: Database, business_id: UUID, silent_since: datetime) -> int:
    """End them as of the last sign of life, which is what `updated_at` is while one is active."""
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
