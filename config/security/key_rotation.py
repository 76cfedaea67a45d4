"""The job that brings every sealed value under the current master key."""

import logging

from config import external_servers, integrations
from config.database import Database
from config.integrations import RotationCount
from config.jobs import Job, Payload
from config.security.encryption import Keyring
from config.security.vault import keyring
from config.settings import MissingSettingError, running

logger = logging.getLogger("antiphon.rotation")


async def _rotate(database: Database, _: Payload) -> None:
    keys = keyring(running())
    if keys is None:
        raise MissingSettingError("VAULT_KEYS")
    rotated = await rotate_all(database, keys)
    logger.info("what is sealed is under the current key", extra=rotated._asdict())


async def rotate_all(database: Database, keys: Keyring) -> RotationCount:
    """Bring accounts, and the headers of other people's servers, under the current master key."""
    accounts = await integrations.rotate(database, keys)
    headers = await external_servers.rotate(database, keys)
    return RotationCount(accounts.done + headers.done, accounts.lost + headers.lost)


ROTATE = Job(_rotate)
