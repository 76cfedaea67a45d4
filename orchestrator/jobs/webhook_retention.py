"""Forgets webhooks after a month: no vendor repeats itself for as long."""

from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.jobs import Job, Payload
from config.tables import WebhookEvent

_KEPT = timedelta(days=30)


async def _forget(database: Database, _: Payload) -> None:
    """Delete what is old, business by business."""
    old = delete(WebhookEvent).where(col(WebhookEvent.created_at) < now() - _KEPT)
    for business_id in await database.businesses():
        async with database.tenant(business_id) as session:
            await session.execute(old)


FORGET = Job(_forget, cron="41 3 * * *")
