"""What `antiphon apply` hands to the owner of each part of a declaration."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from config.security.encryption import Keyring
from config.security.vault import Account

# Makes one harmless request with an account of a server, for a business; raises UserError.
AccountCheck: TypeAlias = Callable[[str, Account, UUID], Awaitable[None]]


class DeclarationModel(BaseModel):
    """Base of everything that can be declared: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True)
class Change:
    """One difference between the declaration and what is stored."""

    action: Literal["add", "change", "remove"]
    what: str
    detail: str = ""


@dataclass(frozen=True)
class ApplyContext:
    """The declaration being applied: one transaction of one business, perhaps only to look."""

    session: AsyncSession
    business_id: UUID
    time_zone: str
    folder: Path
    dry_run: bool = False
    keyring: Keyring | None = field(default=None, repr=False)
    trial: AccountCheck | None = None
    progress: Callable[[str], None] = field(default=lambda _: None)
    changed_bots: list[UUID] = field(default_factory=list[UUID])  # to be announced afterwards


class Section(Protocol):
    """The owner of one top-level list of a declaration, such as `calendars`."""

    @property
    def item(self) -> type[DeclarationModel]:
        """Return the model of one entry."""
        ...

    @property
    def after_bots(self) -> bool:
        """Say whether its entries name bots, which are stored first then."""
        ...

    async def apply(self, applying: ApplyContext, items: Sequence[Any]) -> list[Change]:
        """Bring what is stored in line with `items`, and return what that changed.

        A dry run is rolled back afterwards, so it need only skip what is slow. An entry that is
        no longer declared is kept: removing data is never a side effect of an edit.
        """
        ...
