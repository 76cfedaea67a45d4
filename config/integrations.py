"""Accounts as an operator connects them: declared in YAML, or one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import Field, StringConstraints
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.declarations.env_refs import Reference, resolve
from config.declarations.section import AccountCheck, ApplyContext, Change, DeclarationModel
from config.errors import UserError
from config.security.encryption import Keyring, SealError
from config.security.vault import (
    CONNECTED,
    Account,
    NoAccountError,
    associated_data,
    opened,
    sealed,
    supplied_secrets,
)
from config.settings import MissingSettingError
from config.tables import AgentConfig, BusinessIntegration

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class IntegrationError(UserError):
    """An account cannot be stored as it was given."""


class IntegrationDeclaration(DeclarationModel):
    """An account at a vendor. It is tried by a real, harmless request before it is stored."""

    name: Name
    server: Name
    provider: Name
    secrets: Mapping[str, Reference] = Field(default_factory=dict)
    settings: Mapping[str, str | int | bool] = Field(default_factory=dict)
    enabled: bool = True
    bots: tuple[str, ...] | None = None


@dataclass(frozen=True)
class IntegrationInput:
    """An account as it is to be stored. `bots` are their names; None means every bot."""

    name: str
    server: str
    provider: str
    secrets: Mapping[str, str]
    settings: Mapping[str, Any]
    enabled: bool = True
    bots: Sequence[str] | None = None

    @property
    def account(self) -> Account:
        """Return the account, to be tried."""
        return Account(self.provider, self.name, self.secrets, self.settings)


@dataclass(frozen=True)
class _Section:
    """The `integrations` of a declaration."""

    item: type[DeclarationModel] = IntegrationDeclaration
    after_bots: bool = True

    async def apply(
        self, applying: ApplyContext, items: Sequence[IntegrationDeclaration]
    ) -> list[Change]:
        """Try and store the accounts that are new or differ; one no longer declared is kept."""
        changes: list[Change] = []
        for item in items:
            secrets = {name: resolve(value) for name, value in item.secrets.items()}
            given = IntegrationInput(
                item.name,
                item.server,
                item.provider,
                secrets,
                dict(item.settings),
                item.enabled,
                item.bots,
            )
            change = await store(applying, given)
            changes += [change] if change else []
        return changes


INTEGRATIONS = _Section()


async def store(applying: ApplyContext, given: IntegrationInput) -> Change | None:
    """Try an account where it is new or differs, store it, and return what that changed.

    Raises:
        IntegrationError: it names a bot that is not stored.
        UserError: the vendor does not accept it.
    """
    if applying.keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    session, keyring = applying.session, applying.keyring
    scope = await _scope(session, given)
    what = f"integration {given.name}"
    row = await find(session, given.name)
    if row is None:
        await _try(applying, given)
        session.add(_new_row(applying.business_id, given, scope, keyring))
        await session.flush()
        return Change("add", what)
    differences = _differences(row, given, scope, keyring)
    if not differences:
        return None
    if {"secrets", "settings", "provider", "server"} & set(differences):
        await _try(applying, given)
    row.server, row.integration_type = given.server, given.provider
    row.settings, row.enabled = dict(given.settings), given.enabled
    row.scoped_to_bot_ids = scope
    row.credentials = sealed(row, keyring, given.secrets, given.secrets)
    row.status, row.updated_at = CONNECTED, now()
    await session.flush()
    return Change("change", what, ", ".join(differences))


async def find(session: AsyncSession, name: str) -> BusinessIntegration | None:
    """Return the business's integration with this name."""
    query = select(BusinessIntegration).where(col(BusinessIntegration.name) == name)
    row: BusinessIntegration | None = await session.scalar(query)
    return row


async def list_all(session: AsyncSession) -> Sequence[BusinessIntegration]:
    """Return the business's integrations, by name."""
    query = select(BusinessIntegration).order_by(col(BusinessIntegration.name))
    return (await session.scalars(query)).all()


async def check(
    session: AsyncSession,
    business_id: UUID,
    name: str,
    keyring: Keyring | None,
    trial: AccountCheck,
) -> None:
    """Make one harmless request with a stored account.

    Raises:
        IntegrationError: there is none of this name, or it does not open.
        UserError: the vendor does not accept it.
    """
    row = await find(session, name)
    if row is None:
        raise IntegrationError(f"There is no integration {name!r}.")
    if keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    try:
        account = opened(row, keyring)
    except NoAccountError as error:
        raise IntegrationError(str(error)) from None
    await trial(row.server, account, business_id)


async def remove(session: AsyncSession, name: str) -> bool:
    """Remove an integration, and say whether there was one."""
    statement = (
        delete(BusinessIntegration)
        .where(col(BusinessIntegration.name) == name)
        .returning(col(BusinessIntegration.id))
    )
    return (await session.scalar(statement)) is not None


class RotationCount(NamedTuple):
    """How many sealed values were brought over, and how many do not open under any key."""

    done: int
    lost: int


async def rotate(database: Database, keyring: Keyring) -> RotationCount:
    """Bring every sealed value under the current master key, business by business."""
    done = lost = 0
    for business_id in await database.businesses():
        async with database.tenant(business_id) as session:
            current = func.jsonb_extract_path_text(col(BusinessIntegration.credentials), "kid")
            query = select(BusinessIntegration).where(current != keyring.current).with_for_update()
            for row in await session.scalars(query):
                try:
                    rewrapped = keyring.rewrap(row.credentials, associated_data(row))
                except SealError:
                    lost += 1  # it has to be connected again; the others need not wait for that
                    continue
                row.credentials = rewrapped or row.credentials
                done += 1
    return RotationCount(done, lost)


async def _try(applying: ApplyContext, given: IntegrationInput) -> None:
    if applying.dry_run or applying.trial is None:
        return
    applying.progress(f"trying {given.name} at {given.provider}")
    await applying.trial(given.server, given.account, applying.business_id)


async def _scope(session: AsyncSession, given: IntegrationInput) -> list[str] | None:
    if given.bots is None:
        return None
    query = select(col(AgentConfig.name), col(AgentConfig.id))
    ids = {name: str(bot_id) for name, bot_id in await session.execute(query)}
    unknown = [name for name in given.bots if name not in ids]
    if unknown:
        raise IntegrationError(
            f"The integration {given.name} names the bot {unknown[0]!r}, which is not stored."
        )
    return [ids[name] for name in given.bots]


def _new_row(
    business_id: UUID, given: IntegrationInput, scope: list[str] | None, keyring: Keyring
) -> BusinessIntegration:
    row = BusinessIntegration(
        business_id=business_id,
        name=given.name,
        server=given.server,
        integration_type=given.provider,
        credentials={},
        settings=dict(given.settings),
        enabled=given.enabled,
        scoped_to_bot_ids=scope,
    )
    row.credentials = sealed(row, keyring, given.secrets, given.secrets)
    return row


def _differences(
    row: BusinessIntegration, given: IntegrationInput, scope: list[str] | None, keyring: Keyring
) -> list[str]:
    """Name what differs; a secret that the vendor has rotated since is no difference."""
    pairs = {
        "server": (row.server, given.server),
        "provider": (row.integration_type, given.provider),
        "settings": (row.settings, dict(given.settings)),
        "enabled": (row.enabled, given.enabled),
        "bots": (row.scoped_to_bot_ids, scope),
        "status": (row.status, CONNECTED),
    }
    differing = [name for name, (before, after) in pairs.items() if before != after]
    if _secrets_differ(row, given, keyring):
        differing.append("secrets")
    return differing


def _secrets_differ(row: BusinessIntegration, given: IntegrationInput, keyring: Keyring) -> bool:
    try:
        return dict(supplied_secrets(row, keyring)) != dict(given.secrets)
    except NoAccountError:
        return True
