"""The job that brings every sealed value under the current master key."""

import logging

from config.database import Database
from config.integrations import rotate
from config.jobs import Job, Payload
from config.settings import MissingSettingError, running
from config.vault import keyring

logger = logging.getLogger("antiphon.rotation")


async def _rotate(database: Database, _: Payload) -> None:
    keys = keyring(running())
    if keys is None:
        raise MissingSettingError("VAULT_KEYS")
    rotated = await rotate(database, keys)
    logger.info("accounts are under the current key", extra=rotated._asdict())


ROTATE = Job(_rotate)
