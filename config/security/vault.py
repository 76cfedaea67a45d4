"""The vault: the accounts of businesses at vendors, encrypted until a request uses them."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.security.encryption import Keyring, SealError
from config.security.tokens import Claims
from config.settings import MissingSettingError, Settings
from config.tables import BusinessIntegration

BUILTIN = "builtin"  # the provider of who has no account
CONNECTED = "connected"
REVOKED = "revoked"
_CACHE_SECONDS = 5.0  # for as long, other processes use an account that has been changed
_MAX_CACHED = 10_000  # businesses


class NoAccountError(Exception):
    """A business has no account that can be used; the message can be read aloud."""


@dataclass(frozen=True)
class Account:
    """One tenant's account at one vendor. The one of a builtin provider has no secrets."""

    provider: str
    name: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: UUID | None = None

    def base_url(self, default: str) -> str:
        """Return the base URL of the account's API: its own setting, or the vendor's `default`."""
        return str(self.settings.get("base_url") or default).rstrip("/")


@dataclass
class LockedAccount:
    """An account whose row is locked in the current transaction."""

    account: Account
    _row: BusinessIntegration
    _keyring: Keyring

    def store(self, secrets: Mapping[str, str]) -> Account:
        """Replace its secrets; they are saved when the lock is released."""
        supplied = supplied_secrets(self._row, self._keyring)
        self._row.credentials = seal_credentials(self._row, self._keyring, secrets, supplied)
        self._row.status, self._row.updated_at = CONNECTED, now()
        self.account = replace(self.account, secrets=dict(secrets))
        return self.account

    def revoke(self) -> None:
        """Mark it as no longer accepted by the vendor: a person has to connect it again."""
        self._row.status, self._row.updated_at = REVOKED, now()


class DatabaseVault:
    """The accounts in PostgreSQL. Rows are cached for some seconds, with sealed secrets."""

    def __init__(self, database: Database, keyring: Keyring | None) -> None:
        self._database = database
        self._keyring = keyring
        self._cache: dict[UUID, tuple[float, Sequence[BusinessIntegration]]] = {}

    async def account(self, server: str, claims: Claims) -> Account:
        """Return the account that the grant names, or the only usable one, or the builtin one.

        Raises:
            NoAccountError: the bot may not use the named one, or several are usable.
        """
        rows = await self._rows(claims.business_id)
        row = _select_row(rows, server, claims)
        if row is None:
            return Account(BUILTIN, claims.grant.integration)
        if row.status != CONNECTED:
            raise NoAccountError(f"The {row.integration_type} account must be reconnected.")
        return self._open(row)

    async def provider(self, server: str, claims: Claims) -> str | None:
        """Return the provider of the caller's account on `server`; None without an account."""
        try:
            row = _select_row(await self._rows(claims.business_id), server, claims)
        except NoAccountError:
            return None
        return row.integration_type if row else BUILTIN

    @asynccontextmanager
    async def locked(self, business_id: UUID, account: Account) -> AsyncGenerator[LockedAccount]:
        """Lock an account for all processes, and read it again under the lock.

        Raises:
            NoAccountError: it has been removed.
        """
        async with self._database.tenant(business_id) as session:
            row = await _lock_row(session, account)
            if row is None:
                raise NoAccountError(f"The {account.provider} account has been removed.")
            yield LockedAccount(self._open(row), row, self._required_keyring())
        self._cache.pop(business_id, None)

    def unseal(self, sealed: Mapping[str, Any], bound_to: str) -> dict[str, Any]:
        """Return the plain value of a secret that is not part of an account's credentials.

        Raises:
            NoAccountError: it cannot be decrypted.
        """
        try:
            return self._required_keyring().open(sealed, bound_to)
        except SealError:
            raise NoAccountError("A secret of this account must be entered again.") from None

    def _open(self, row: BusinessIntegration) -> Account:
        return open_account(row, self._required_keyring())

    def _required_keyring(self) -> Keyring:
        if self._keyring is None:
            raise MissingSettingError("VAULT_KEYS")
        return self._keyring

    async def _rows(self, business_id: UUID) -> Sequence[BusinessIntegration]:
        cached = self._cache.get(business_id)
        if cached is not None and cached[0] > monotonic():
            return cached[1]
        async with self._database.tenant(business_id) as session:
            rows = (await session.scalars(select(BusinessIntegration))).all()
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[business_id] = monotonic() + _CACHE_SECONDS, rows
        return rows


def keyring(settings: Settings) -> Keyring | None:
    """Return the master keys of the settings, if there are any.

    Raises:
        KeyringError: VAULT_KEYS is malformed.
    """
    keys = settings.vault_keys
    return Keyring.parse(keys.get_secret_value()) if keys else None


def seal_credentials(
    row: BusinessIntegration,
    keyring: Keyring,
    secrets: Mapping[str, str],
    supplied: Mapping[str, str],
) -> dict[str, Any]:
    """Return the row's credentials, sealed: the current secrets, and those an operator supplied.

    A vendor may rotate a token that an operator supplied. A declaration that still has the old
    one is then no change.
    """
    plain = {"secrets": dict(secrets), "given": dict(supplied)}
    return keyring.seal(plain, row.associated_data)


def open_account(row: BusinessIntegration, keyring: Keyring) -> Account:
    """Return the account of a row.

    Raises:
        NoAccountError: its secrets cannot be decrypted.
    """
    secrets = _open_credentials(row, keyring)["secrets"]
    return Account(row.integration_type, row.name, secrets, row.settings, row.id)


def supplied_secrets(row: BusinessIntegration, keyring: Keyring) -> Mapping[str, str]:
    """Return the secrets as an operator supplied them.

    Raises:
        NoAccountError: they cannot be decrypted.
    """
    return _open_credentials(row, keyring)["given"]


def _open_credentials(row: BusinessIntegration, keyring: Keyring) -> dict[str, dict[str, str]]:
    try:
        return keyring.open(row.credentials, row.associated_data)
    except SealError:
        raise NoAccountError(f"The {row.integration_type} account must be reconnected.") from None


def _select_row(
    rows: Sequence[BusinessIntegration], server: str, claims: Claims
) -> BusinessIntegration | None:
    """Return the row to use; None stands for the builtin provider."""
    of_server = [row for row in rows if row.server == server]
    name = claims.grant.integration
    if name is not None:
        named = [row for row in of_server if row.name == name]
        if not named:
            return None
        if not _is_usable(named[0], claims):
            raise NoAccountError(f"No {server} account is connected for this bot.")
        return named[0]
    usable = [row for row in of_server if _is_usable(row, claims)]
    if len(usable) > 1:
        raise NoAccountError(
            f"There are several {server} accounts, and it is not said which of them to use."
        )
    return usable[0] if usable else None


def _is_usable(row: BusinessIntegration, claims: Claims) -> bool:
    scope = row.scoped_to_bot_ids
    return row.enabled and (scope is None or str(claims.bot_id) in scope)


async def _lock_row(session: AsyncSession, account: Account) -> BusinessIntegration | None:
    statement = (
        select(BusinessIntegration)
        .where(col(BusinessIntegration.id) == account.id)
        .with_for_update()
    )
    row: BusinessIntegration | None = await session.scalar(statement)
    return row
