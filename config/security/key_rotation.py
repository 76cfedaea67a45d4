"""The job that rewraps every sealed value under the current master key."""

import logging
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.database import Database
from config.jobs import Job, Payload
from config.security.encryption import Keyring, SealError
from config.security.vault import keyring
from config.settings import MissingSettingError, running_settings
from config.tables import BusinessIntegration, McpServer

logger = logging.getLogger("antiphon.rotation")


class RotationCount(NamedTuple):
    """How many sealed values were rewrapped, and how many cannot be opened with any key."""

    done: int
    lost: int


async def rotate_all(database: Database, keyring: Keyring) -> RotationCount:
    """Rewrap accounts and the headers of external servers, business by business.

    A value that cannot be opened is counted and left as it is: a person has to enter it again.
    """
    done = lost = 0
    for business_id in await database.businesses():
        async with database.tenant(business_id) as session:
            for rewrap in (_rewrap_accounts, _rewrap_headers):
                count = await rewrap(session, keyring)
                done, lost = done + count.done, lost + count.lost
    return RotationCount(done, lost)


async def _rewrap_accounts(session: AsyncSession, keyring: Keyring) -> RotationCount:
    key_id = func.jsonb_extract_path_text(col(BusinessIntegration.credentials), "kid")
    query = select(BusinessIntegration).where(key_id != keyring.current).with_for_update()
    done = lost = 0
    for row in await session.scalars(query):
        try:
            rewrapped = keyring.rewrap(row.credentials, row.associated_data)
        except SealError:
            lost += 1
            continue
        row.credentials = rewrapped or row.credentials
        done += 1
    return RotationCount(done, lost)


async def _rewrap_headers(session: AsyncSession, keyring: Keyring) -> RotationCount:
    key_id = func.jsonb_extract_path_text(col(McpServer.auth), "kid")
    query = select(McpServer).where(key_id != keyring.current).with_for_update()
    done = lost = 0
    for row in await session.scalars(query):
        try:
            rewrapped = keyring.rewrap(row.auth or {}, row.associated_data)
        except SealError:
            lost += 1
            continue
        row.auth = rewrapped or row.auth
        done += 1
    return RotationCount(done, lost)


async def _run(database: Database, _: Payload) -> None:
    keys = keyring(running_settings())
    if keys is None:
        raise MissingSettingError("VAULT_KEYS")
    count = await rotate_all(database, keys)
    logger.info("what is sealed is under the current key", extra=count._asdict())


ROTATE = Job(_run)
