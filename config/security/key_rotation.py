"""The job that rewraps every sealed value under the current master key."""

import logging
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from config.database import Database
from config.jobs import Job, Payload
from config.security.encryption import Keyring, SealError
from config.security.vault import keyring
from config.settings import MissingSettingError, running_settings
from config.tables import Automation, BusinessIntegration, McpServer

logger = logging.getLogger("antiphon.rotation")

SealedRow = TypeVar("SealedRow", BusinessIntegration, McpServer, Automation)


class RotationCount(NamedTuple):
    """How many sealed values were rewrapped, and how many cannot be opened with any key."""

    done: int
    lost: int


async def rotate_all(database: Database, keyring: Keyring) -> RotationCount:
    """Rewrap accounts, headers of external servers and hooks, business by business.

    A value that cannot be opened is counted and left as it is: a person has to enter it again.
    """
    done = lost = 0
    for business_id in await database.businesses():
        async with database.tenant(business_id) as session:
            counts = (
                await _rewrap_rows(session, keyring, BusinessIntegration, "credentials"),
                await _rewrap_rows(session, keyring, McpServer, "auth"),
                await _rewrap_rows(session, keyring, Automation, "hook"),
            )
            done += sum(count.done for count in counts)
            lost += sum(count.lost for count in counts)
    return RotationCount(done, lost)


async def _rewrap_rows(
    session: AsyncSession, keyring: Keyring, table: type[SealedRow], column: str
) -> RotationCount:
    sealed: InstrumentedAttribute[Any] = getattr(table, column)
    key_id = func.jsonb_extract_path_text(sealed, "kid")
    query = select(table).where(key_id != keyring.current).with_for_update()
    done = lost = 0
    for row in await session.scalars(query):
        try:
            rewrapped = keyring.rewrap(getattr(row, column), row.associated_data)
        except SealError:
            lost += 1
            continue
        if rewrapped is not None:
            setattr(row, column, rewrapped)
        done += 1
    return RotationCount(done, lost)


async def _run(database: Database, _: Payload) -> None:
    keys = keyring(running_settings())
    if keys is None:
        raise MissingSettingError("VAULT_KEYS")
    count = await rotate_all(database, keys)
    logger.info("what is sealed is under the current key", extra=count._asdict())


ROTATE = Job(_run)
