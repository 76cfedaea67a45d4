"""The vault: each business's accounts at vendors, sealed, opened for the request that uses them."""

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

CONNECTED = "connected"
REVOKED = "revoked"
_REMEMBERED = 5.0  # seconds, in which another process still sees what has been changed
_MOST_REMEMBERED = 10_000  # businesses


class NoAccountError(Exception):
    """A business has no account that can be used here; the message can be read aloud."""


@dataclass(frozen=True)
class Account:
    """One tenant's login at one vendor. A builtin provider has no secrets."""

    provider: str
    name: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: UUID | None = None

    def base_url(self, default: str) -> str:
        """Return where the vendor is reached: the account's own address, else the vendor's."""
        return str(self.settings.get("base_url") or default).rstrip("/")


@dataclass
class LockedAccount:
    """An account that nobody else can change now."""

    account: Account
    _row: BusinessIntegration
    _keyring: Keyring

    def store(self, secrets: Mapping[str, str]) -> Account:
        """Replace its secrets; they are stored when it is let go."""
        given = supplied_secrets(self._row, self._keyring)
        self._row.credentials = sealed(self._row, self._keyring, secrets, given)
        self._row.status, self._row.updated_at = CONNECTED, now()
        self.account = replace(self.account, secrets=dict(secrets))
        return self.account

    def revoke(self) -> None:
        """Note that the vendor no longer accepts it: a person has to connect it again."""
        self._row.status, self._row.updated_at = REVOKED, now()


class DatabaseVault:
    """The accounts in PostgreSQL. Rows are remembered for a moment, and stay sealed meanwhile."""

    def __init__(self, database: Database, keyring: Keyring | None) -> None:
        self._database = database
        self._keyring = keyring
        self._known: dict[UUID, tuple[float, Sequence[BusinessIntegration]]] = {}

    async def account(self, server: str, claims: Claims) -> Account:
        """Return the account that the grant names, or the only one there is, or the builtin one.

        Raises:
            NoAccountError: it may not be used here, or several may.
        """
        rows = await self._rows(claims.business_id)
        row = _chosen(rows, server, claims)
        if row is None:
            return Account("builtin", claims.grant.integration)
        if row.status != CONNECTED:
            raise NoAccountError(f"The {row.integration_type} account must be reconnected.")
        return self._opened(row)

    async def provider(self, server: str, claims: Claims) -> str | None:
        """Return whose tools the caller has on `server`; None where no account can be used."""
        try:
            row = _chosen(await self._rows(claims.business_id), server, claims)
        except NoAccountError:
            return None
        return row.integration_type if row else "builtin"

    @asynccontextmanager
    async def locked(self, business_id: UUID, account: Account) -> AsyncGenerator[LockedAccount]:
        """Hold an account as it is now, with every other process waiting.

        Raises:
            NoAccountError: it has been removed.
        """
        async with self._database.tenant(business_id) as session:
            row = await _locked(session, account)
            if row is None:
                raise NoAccountError(f"The {account.provider} account has been removed.")
            yield LockedAccount(self._opened(row), row, self._needed())
        self._known.pop(business_id, None)

    def _opened(self, row: BusinessIntegration) -> Account:
        return opened(row, self._needed())

    def _needed(self) -> Keyring:
        if self._keyring is None:
            raise MissingSettingError("VAULT_KEYS")
        return self._keyring

    async def _rows(self, business_id: UUID) -> Sequence[BusinessIntegration]:
        known = self._known.get(business_id)
        if known is not None and known[0] > monotonic():
            return known[1]
        async with self._database.tenant(business_id) as session:
            rows = (await session.scalars(select(BusinessIntegration))).all()
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[business_id] = monotonic() + _REMEMBERED, rows
        return rows


def keyring(settings: Settings) -> Keyring | None:
    """Return the master keys that the settings hold, if any.

    Raises:
        KeyringError: VAULT_KEYS is not what it should be.
    """
    keys = settings.vault_keys
    return Keyring.parse(keys.get_secret_value()) if keys else None


def associated_data(row: BusinessIntegration) -> str:
    """Return what the row's secrets are bound to."""
    return f"{row.business_id}|{row.integration_type}|{row.id}"


def sealed(
    row: BusinessIntegration,
    keyring: Keyring,
    secrets: Mapping[str, str],
    given: Mapping[str, str],
) -> dict[str, Any]:
    """Return what the row's credentials are to be: the secrets of now, and those once given.

    A vendor may rotate a token that an operator gave; a declaration that still names the old one
    is then no change.
    """
    return keyring.seal({"secrets": dict(secrets), "given": dict(given)}, associated_data(row))


def opened(row: BusinessIntegration, keyring: Keyring) -> Account:
    """Return the account of a row.

    Raises:
        NoAccountError: its secrets do not open.
    """
    secrets = _unsealed(row, keyring)["secrets"]
    return Account(row.integration_type, row.name, secrets, row.settings, row.id)


def supplied_secrets(row: BusinessIntegration, keyring: Keyring) -> Mapping[str, str]:
    """Return the secrets as an operator gave them.

    Raises:
        NoAccountError: they do not open.
    """
    return _unsealed(row, keyring)["given"]


def _unsealed(row: BusinessIntegration, keyring: Keyring) -> dict[str, dict[str, str]]:
    try:
        return keyring.open(row.credentials, associated_data(row))
    except SealError:
        raise NoAccountError(f"The {row.integration_type} account must be reconnected.") from None


def _chosen(
    rows: Sequence[BusinessIntegration], server: str, claims: Claims
) -> BusinessIntegration | None:
    """Return the row to use, or None for the builtin provider."""
    mine = [row for row in rows if row.server == server]
    name = claims.grant.integration
    if name is not None:
        named = [row for row in mine if row.name == name]
        if not named:
            return None
        if not _usable(named[0], claims):
            raise NoAccountError(f"No {server} account is connected for this bot.")
        return named[0]
    usable = [row for row in mine if _usable(row, claims)]
    if len(usable) > 1:
        raise NoAccountError(
            f"There are several {server} accounts, and it is not said which of them to use."
        )
    return usable[0] if usable else None


def _usable(row: BusinessIntegration, claims: Claims) -> bool:
    scope = row.scoped_to_bot_ids
    return row.enabled and (scope is None or str(claims.bot_id) in scope)


async def _locked(session: AsyncSession, account: Account) -> BusinessIntegration | None:
    statement = (
        select(BusinessIntegration)
        .where(col(BusinessIntegration.id) == account.id)
        .with_for_update()
    )
    row: BusinessIntegration | None = await session.scalar(statement)
    return row
