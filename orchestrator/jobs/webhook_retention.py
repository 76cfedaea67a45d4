"""Deletes webhook events after 30 days; no vendor repeats a delivery for as long."""

from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.jobs import Job, Payload
from config.tables import WebhookEvent

_RETENTION = timedelta(days=30)


async def _delete_old_events(database: Database, _: Payload) -> None:
    """Delete old events, business by business."""
    old = delete(WebhookEvent).where(col(WebhookEvent.created_at) < now() - _RETENTION)
    for business_id in await database.businesses():
        async with database.tenant(business_id) as session:
            await session.execute(old)


FORGET = Job(_delete_old_events, cron="41 3 * * *")
