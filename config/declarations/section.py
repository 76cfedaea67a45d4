"""The interface between `antiphon apply` and the owners of a declaration's sections."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from config.constellation import constellation, load_object
from config.models import DeclarationModel
from config.security.encryption import Keyring
from config.security.vault import Account
from config.slow_work import SlowWork

# Checks an account of a server, for a business, by one harmless request; raises UserError.
# It returns why the account could not be tried, None if it was tried and works.
AccountCheck: TypeAlias = Callable[[str, Account, UUID], Awaitable[str | None]]


@dataclass(frozen=True)
class Change:
    """One difference between the declaration and what is stored."""

    action: Literal["add", "change", "remove"]
    what: str
    detail: str = ""


@dataclass(frozen=True)
class ApplyContext:
    """What a section needs to apply its items: the transaction of one business, and options.

    `folder` is the declaration's own; `changed_bots` are announced after the transaction. What is
    slow is asked of `slow_work`, which has it done while no transaction is open.
    """

    session: AsyncSession
    business_id: UUID
    time_zone: str
    folder: Path
    slow_work: SlowWork
    dry_run: bool = False
    keyring: Keyring | None = field(default=None, repr=False)
    account_check: AccountCheck | None = None
    progress: Callable[[str], None] = field(default=lambda _: None)
    changed_bots: list[UUID] = field(default_factory=list[UUID])


class Section(Protocol):
    """The owner of one top-level list of a declaration, such as `calendars`."""

    @property
    def item(self) -> type[DeclarationModel]:
        """Return the model of one item."""
        ...

    @property
    def after_bots(self) -> bool:
        """Say whether its items name bots, so that it has to be applied after them."""
        ...

    async def apply(self, applying: ApplyContext, items: Sequence[Any]) -> list[Change]:
        """Store the items that are new or differ, and return what that changed.

        A dry run is rolled back afterwards, so a section need only skip what is slow. An item
        that is no longer declared is kept: editing a file must not remove data.
        """
        ...


def sections() -> dict[str, Section]:
    """Return the sections that a declaration may have."""
    return {name: load_object(dotted) for name, dotted in constellation().declares.items()}
