"""Accounts at vendors, stored as an operator supplies them: by declaration, or one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.declarations.env_refs import Reference, resolve
from config.declarations.section import ApplyContext, Change
from config.errors import UserError
from config.models import DeclarationModel
from config.references import bots_naming, find_unknown_provider
from config.security.encryption import Keyring
from config.security.vault import (
    CONNECTED,
    Account,
    NoAccountError,
    open_account,
    seal_credentials,
    supplied_secrets,
)
from config.settings import MissingSettingError
from config.tables import AgentConfig, BusinessIntegration
from config.text import suggest

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


# The setting that names the bot which answers in an account's tickets.
ANSWERING_BOT = "bot"


class IntegrationError(UserError):
    """An account cannot be stored or used as it is."""


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
    """An account to store. `bots` are the names of those that may use it; None is every bot."""

    name: str
    server: str
    provider: str
    secrets: Mapping[str, str]
    settings: Mapping[str, Any]
    enabled: bool = True
    bots: Sequence[str] | None = None

    @property
    def account(self) -> Account:
        """Return the account, to be checked."""
        return Account(self.provider, self.name, self.secrets, self.settings)


@dataclass(frozen=True)
class _Section:
    """The `integrations` section of a declaration."""

    item: type[DeclarationModel] = IntegrationDeclaration
    after_bots: bool = True

    async def apply(
        self, applying: ApplyContext, items: Sequence[IntegrationDeclaration]
    ) -> list[Change]:
        """Check and store the accounts that are new or differ; one no longer declared is kept."""
        changes: list[Change] = []
        for item in items:
            secrets = {name: resolve(value) for name, value in item.secrets.items()}
            integration = IntegrationInput(
                item.name,
                item.server,
                item.provider,
                secrets,
                dict(item.settings),
                item.enabled,
                item.bots,
            )
            change = await store(applying, integration)
            changes += [change] if change else []
        return changes


INTEGRATIONS = _Section()


async def store(applying: ApplyContext, integration: IntegrationInput) -> Change | None:
    """Check an account that is new or differs, store it, and return what that changed.

    Raises:
        IntegrationError: it names a server, a provider or a bot that does not exist, or bots use it
            on another server.
        UserError: the vendor does not accept it.
    """
    if applying.keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    session, keyring = applying.session, applying.keyring
    names = integration.server, integration.provider
    if wrong := applying.slow_work.result(
        ("provider", *names), lambda: find_unknown_provider(*names)
    ):
        raise IntegrationError(f"The integration {integration.name}: {wrong}.")
    scope = await _scope(session, integration)
    what = f"integration {integration.name}"
    row = await find(session, integration.name)
    if row is None:
        _require_check(applying, integration)
        session.add(_new_row(applying.business_id, integration, scope, keyring))
        await session.flush()
        return Change("add", what)
    differences = _differences(row, integration, scope, keyring)
    if not differences:
        return None
    if "server" in differences:
        await _require_unused(session, row)
    if {"secrets", "settings", "provider", "server"} & set(differences):
        _require_check(applying, integration)
    row.server, row.integration_type = integration.server, integration.provider
    row.settings, row.enabled = dict(integration.settings), integration.enabled
    row.scoped_to_bot_ids = scope
    row.credentials = seal_credentials(row, keyring, integration.secrets, integration.secrets)
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


async def open_stored(
    session: AsyncSession, name: str, keyring: Keyring | None
) -> tuple[str, Account]:
    """Return a stored account, and the server that it is for.

    Raises:
        IntegrationError: there is none of this name, or its secrets cannot be decrypted.
    """
    row = await find(session, name)
    if row is None:
        raise IntegrationError(f"There is no integration {name!r}.")
    if keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    try:
        return row.server, open_account(row, keyring)
    except NoAccountError as error:
        raise IntegrationError(str(error)) from None


async def remove(session: AsyncSession, name: str) -> bool:
    """Remove an integration, and say whether there was one.

    Raises:
        IntegrationError: a bot names it.
    """
    query = select(BusinessIntegration).where(col(BusinessIntegration.name) == name)
    row = await session.scalar(query.with_for_update())
    if row is None:
        return False
    await _require_unused(session, row)
    await session.delete(row)
    return True


async def _require_unused(session: AsyncSession, row: BusinessIntegration) -> None:
    """Refuse to take an account from bots that name it: they would go on without it."""
    if bots := await bots_naming(session, row.server, row.name):
        raise IntegrationError(
            f"The integration {row.name} is used by {', '.join(bots)}, for {row.server}: "
            "take it from there first."
        )


def _require_check(applying: ApplyContext, integration: IntegrationInput) -> None:
    """Have the account tried at its vendor, outside the transaction."""
    account_check = applying.account_check
    if applying.dry_run or account_check is None:
        return

    async def work() -> None:
        applying.progress(f"trying {integration.name} at {integration.provider}")
        account = integration.account
        untried = await account_check(integration.server, account, applying.business_id)
        if untried is not None:
            applying.progress(f"{integration.name} could not be tried: {untried}")

    account_key = (
        *("account", integration.server, integration.provider),
        *(frozenset(integration.secrets.items()), frozenset(integration.settings.items())),
    )
    applying.slow_work.result(account_key, work)


async def _scope(session: AsyncSession, integration: IntegrationInput) -> list[str] | None:
    """Return the ids of the bots that may use an account; None stands for every bot."""
    answering = integration.settings.get(ANSWERING_BOT)
    named = [*(integration.bots or ()), *([] if answering is None else [str(answering)])]
    if integration.bots is None and not named:
        return None
    query = select(col(AgentConfig.name), col(AgentConfig.id)).order_by(col(AgentConfig.name))
    ids = {name: str(bot_id) for name, bot_id in await session.execute(query)}
    for name in named:
        if name not in ids:
            raise IntegrationError(
                f"The integration {integration.name} names the bot {name!r}, "
                f"which is not stored; {suggest(name, ids)}"
            )
    return None if integration.bots is None else [ids[name] for name in integration.bots]


def _new_row(
    business_id: UUID, integration: IntegrationInput, scope: list[str] | None, keyring: Keyring
) -> BusinessIntegration:
    row = BusinessIntegration(
        business_id=business_id,
        name=integration.name,
        server=integration.server,
        integration_type=integration.provider,
        credentials={},
        settings=dict(integration.settings),
        enabled=integration.enabled,
        scoped_to_bot_ids=scope,
    )
    row.credentials = seal_credentials(row, keyring, integration.secrets, integration.secrets)
    return row


def _differences(
    row: BusinessIntegration,
    integration: IntegrationInput,
    scope: list[str] | None,
    keyring: Keyring,
) -> list[str]:
    """Return the names of what differs; a secret that the vendor has rotated does not."""
    pairs = {
        "server": (row.server, integration.server),
        "provider": (row.integration_type, integration.provider),
        "settings": (row.settings, dict(integration.settings)),
        "enabled": (row.enabled, integration.enabled),
        "bots": (row.scoped_to_bot_ids, scope),
        "status": (row.status, CONNECTED),
    }
    differing = [name for name, (before, after) in pairs.items() if before != after]
    if _secrets_differ(row, integration, keyring):
        differing.append("secrets")
    return differing


def _secrets_differ(
    row: BusinessIntegration, integration: IntegrationInput, keyring: Keyring
) -> bool:
    try:
        return dict(supplied_secrets(row, keyring)) != dict(integration.secrets)
    except NoAccountError:
        return True
