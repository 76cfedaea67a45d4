"""The automations of businesses: Zaps that start with a catch hook, and scenarios at Make.

A hook's URL is all that it takes to start a Zap. It is a secret: sealed in the row, and part of no
error, log or listing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config import integrations, plain_yaml
from config.columns import now
from config.declarations.env_refs import Reference, resolve
from config.declarations.section import ApplyContext, Change
from config.errors import UserError
from config.integrations import Name
from config.models import DeclarationModel
from config.security.encryption import Keyring, SealError
from config.settings import MissingSettingError
from config.tables import Automation, BusinessIntegration
from config.value_schema import Takes

SERVER = "automation"
Vendor = Literal["zapier", "make"]
_MAX_AUTOMATIONS = 50  # of a business: a model reads the list of them
_HOOK_PATH = "/hooks/catch/"

Description = Annotated[str, StringConstraints(min_length=1, max_length=500)]
ScenarioId = Annotated[int, Field(ge=1, lt=2**31)]


class AutomationError(UserError):
    """An automation cannot be stored as it is."""


class AutomationDeclaration(DeclarationModel):
    """An automation that bots may start: a Zap with a `hook`, or a `scenario` at Make.

    Without `takes`, a Zap takes nothing, and what a scenario takes is read from Make. `answers`
    says that a scenario's outputs are waited for.
    """

    name: Name
    integration: Name
    description: Description
    takes: Takes | None = None
    answers: bool = False
    hook: Reference | None = None
    scenario: ScenarioId | None = None

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        check_target(self.hook is not None, self.scenario is not None, answers=self.answers)
        return self


class _File(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    automations: list[AutomationDeclaration]


def check_target(has_hook: bool, has_scenario: bool, *, answers: bool) -> None:
    """Check what an automation starts.

    Raises:
        ValueError: it is not one thing, or it is a hook that is to answer.
    """
    if has_hook == has_scenario:
        raise ValueError("has either a hook, at Zapier, or a scenario, at Make")
    if has_hook and answers:
        raise ValueError("has a hook, and a Zap never answers what it was handed")


@dataclass(frozen=True)
class AutomationInput:
    """An automation to store; `hook` is in plain text, `takes` a JSON Schema."""

    name: str
    integration: str
    description: str
    takes: Mapping[str, Any] | None = None
    answers: bool = False
    hook: str | None = field(default=None, repr=False)
    scenario: int | None = None

    @property
    def vendor(self) -> Vendor:
        """Return whose automation it is."""
        return "zapier" if self.hook is not None else "make"


@dataclass(frozen=True)
class _Section:
    """The `automations` section of a declaration."""

    item: type[DeclarationModel] = AutomationDeclaration
    after_bots: bool = True  # as the integrations that they name

    async def apply(
        self, applying: ApplyContext, items: Sequence[AutomationDeclaration]
    ) -> list[Change]:
        """Store the automations that are new or differ; one no longer declared is kept."""
        changes: list[Change] = []
        for item in items:
            change = await store(
                applying.session, applying.business_id, resolve_hook(item), applying.keyring
            )
            changes += [change] if change else []
        return changes


AUTOMATIONS = _Section()


def resolve_hook(declared: AutomationDeclaration) -> AutomationInput:
    """Return a declared automation with the URL of its hook, from the environment.

    Raises:
        UserError: the variable is not set, or holds no URL of a hook.
    """
    hook = resolve(declared.hook) if declared.hook else None
    if hook is not None:
        check_hook(hook, declared.name)
    return AutomationInput(
        declared.name,
        declared.integration,
        declared.description,
        declared.takes.to_json() if declared.takes else None,
        declared.answers,
        hook,
        declared.scenario,
    )


async def store(
    session: AsyncSession, business_id: UUID, automation: AutomationInput, keyring: Keyring | None
) -> Change | None:
    """Store an automation that is new or differs, and return what that changed.

    Raises:
        AutomationError: its integration or its hook is not one that it can have.
        MissingSettingError: it has a hook, and there is no key to seal it with.
    """
    integration = await _find_integration(session, automation)
    if automation.hook is not None:
        check_hook(automation.hook, automation.name)
    what = f"automation {automation.name}"
    row = await find(session, automation.name)
    change = Change("change", what)
    if row is None:
        await _check_room(session)
        row = Automation(
            business_id=business_id,
            name=automation.name,
            description=automation.description,
            integration_id=integration.id,
        )
        session.add(row)
        change = Change("add", what)
    else:
        differences = _differences(row, automation, integration, keyring)
        if not differences:
            return None
        change = Change("change", what, ", ".join(differences))
    row.integration_id, row.description = integration.id, automation.description
    row.takes = dict(automation.takes) if automation.takes is not None else None
    row.answers, row.scenario, row.updated_at = automation.answers, automation.scenario, now()
    row.hook = _seal_hook(row, automation.hook, keyring)
    await session.flush()
    return change


async def find(session: AsyncSession, name: str) -> Automation | None:
    """Return the business's automation with this name."""
    query = select(Automation).where(col(Automation.name) == name)
    row: Automation | None = await session.scalar(query)
    return row


async def list_all(session: AsyncSession) -> list[tuple[Automation, BusinessIntegration]]:
    """Return the business's automations by name, each with the account that it is at."""
    query = (
        select(Automation, BusinessIntegration)
        .join(BusinessIntegration, col(BusinessIntegration.id) == col(Automation.integration_id))
        .order_by(col(Automation.name))
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def list_of_integration(session: AsyncSession, integration_id: UUID) -> list[Automation]:
    """Return the automations at one account, by name."""
    query = (
        select(Automation)
        .where(col(Automation.integration_id) == integration_id)
        .order_by(col(Automation.name))
    )
    return list(await session.scalars(query))


async def remove(session: AsyncSession, name: str) -> bool:
    """Remove an automation, and say whether there was one."""
    statement = delete(Automation).where(col(Automation.name) == name).returning(col(Automation.id))
    return (await session.scalar(statement)) is not None


def read_file(text: str) -> list[AutomationInput]:
    """Return the `automations` of a YAML text, for a server that runs without a database.

    Raises:
        ValueError: it has another form.
        YAMLError: it is not YAML.
        UserError: a variable is not set, or holds no URL of a hook.
    """
    document = _File.model_validate(plain_yaml.load(text))
    return [resolve_hook(each) for each in document.automations]


@cache
def allowed_hosts(vendor: Vendor) -> frozenset[str]:
    """Return the hosts at which a vendor's automations are."""
    text = files("config").joinpath("automation_hosts.yaml").read_text(encoding="utf-8")
    return frozenset(plain_yaml.load(text)[vendor]["hosts"])


def is_hook(url: str) -> bool:
    """Say whether a URL is one of a catch hook at Zapier."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    account_and_hook = parts.path.removeprefix(_HOOK_PATH).removesuffix("/").split("/")
    return (
        url.isascii()
        and url.isprintable()
        and " " not in url
        and len(url) <= 500
        and parts.scheme == "https"
        and parts.netloc in allowed_hosts("zapier")  # so that there is neither a user nor a port
        and port is None
        and parts.path.startswith(_HOOK_PATH)
        and all(each not in {"", ".", ".."} for each in account_and_hook)
        and not (parts.query or parts.fragment)
    )


def check_hook(url: str, name: str) -> None:
    """Check the URL of a hook; an error does not show it.

    Raises:
        AutomationError: it is no catch hook at Zapier.
    """
    if not is_hook(url):
        host = min(allowed_hosts("zapier"))
        raise AutomationError(
            f"The hook of {name} must be a catch hook of Zapier: https://{host}{_HOOK_PATH}…"
        )


async def _find_integration(
    session: AsyncSession, automation: AutomationInput
) -> BusinessIntegration:
    row = await integrations.find(session, automation.integration)
    if row is None or row.server != SERVER:
        raise AutomationError(
            f"The automation {automation.name} names the integration {automation.integration!r}, "
            f"which is not stored for the server {SERVER}."
        )
    if row.integration_type != automation.vendor:
        needed = "a hook" if row.integration_type == "zapier" else "a scenario"
        raise AutomationError(
            f"The automation {automation.name} is at {row.integration_type}, where it has {needed}."
        )
    return row


async def _check_room(session: AsyncSession) -> None:
    count = await session.scalar(select(func.count()).select_from(Automation)) or 0
    if count >= _MAX_AUTOMATIONS:
        raise AutomationError(f"A business has at most {_MAX_AUTOMATIONS} automations.")


def _seal_hook(row: Automation, hook: str | None, keyring: Keyring | None) -> dict[str, Any] | None:
    if hook is None:
        return None
    if keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    return keyring.seal({"url": hook}, row.associated_data)


def _differences(
    row: Automation,
    automation: AutomationInput,
    integration: BusinessIntegration,
    keyring: Keyring | None,
) -> list[str]:
    """Return the names of what differs."""
    pairs = {
        "integration": (row.integration_id, integration.id),
        "description": (row.description, automation.description),
        "takes": (row.takes, automation.takes),
        "answers": (row.answers, automation.answers),
        "scenario": (row.scenario, automation.scenario),
        "hook": (_open_hook(row, keyring), automation.hook),
    }
    return [name for name, (before, after) in pairs.items() if before != after]


def _open_hook(row: Automation, keyring: Keyring | None) -> str | None:
    """Return the URL of a row's hook; an empty text where it cannot be opened."""
    if row.hook is None:
        return None
    if keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    try:
        return str(keyring.open(row.hook, row.associated_data)["url"])
    except SealError:
        return ""
