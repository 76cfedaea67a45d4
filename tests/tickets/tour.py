"""One conversation with a ticket desk, which notes what has been used."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.servers import Caller
from tests.tickets.double import Seed

NOWHERE = "999999999"  # an id that nothing has


class World(Protocol):
    """A desk with what every test begins with, at a vendor or in rows."""

    @property
    def seed(self) -> Seed:
        """Return the ids of what is there."""
        ...

    async def held(self) -> list[dict[str, Any]]:
        """Return the tickets: id, subject, text, status, priority, tags, requester, assignee."""
        ...

    async def said(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's comments: text, public."""
        ...

    async def people(self) -> list[dict[str, Any]]:
        """Return the users: id, name, email, phone."""
        ...


@dataclass
class Tour:
    """A conversation in which everything does what it should."""

    world: World
    caller: Caller
    unsupported: frozenset[str]
    phones: bool = True
    used: set[str] = field(default_factory=set[str])

    def can(self, *tools: str) -> bool:
        """Say whether the vendor has all of these."""
        return self.unsupported.isdisjoint(tools)

    async def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that does what it should."""
        answer = await self.caller.call(tool, **arguments)
        assert answer.error is None, (tool, answer)
        assert answer.data.get("say"), (tool, answer)
        self.used.add(tool)
        return answer.data

    async def ids(self, tool: str, rows: str = "tickets", **arguments: Any) -> list[str]:
        """Call a tool that lists, and return the ids."""
        found = await self.use(tool, detail="full", **arguments)
        return [row["id"] for row in found[rows]]

    async def ticket(self, ticket: str) -> dict[str, Any]:
        """Return a ticket as the desk holds it."""
        (found,) = [each for each in await self.world.held() if each["id"] == ticket]
        return found

    async def person(self, user: str) -> dict[str, Any]:
        """Return a user as the desk holds them."""
        (found,) = [each for each in await self.world.people() if each["id"] == user]
        return found


async def done(caller: Caller, tool: str, **values: Any) -> dict[str, Any]:
    """Call a tool that does what it should."""
    answer = await caller.call(tool, **values)
    assert answer.error is None, (tool, answer)
    return answer.data
