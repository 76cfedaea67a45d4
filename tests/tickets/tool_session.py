"""Calls of tools that succeed, in one conversation, with a record of the tools used."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.servers import Caller
from tests.tickets.double import Seed

UNKNOWN_ID = "999999999"  # an id that no record has


class TicketStore(Protocol):
    """The seeded tickets of a tenant: at a fake vendor, or in rows of the builtin provider."""

    @property
    def seed(self) -> Seed:
        """Return the ids of what is there."""
        ...

    async def list_tickets(self) -> list[dict[str, Any]]:
        """Return the tickets: id, subject, text, status, priority, tags, requester, assignee."""
        ...

    async def list_comments(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's comments: text, public."""
        ...

    async def list_users(self) -> list[dict[str, Any]]:
        """Return the users: id, name, email, phone."""
        ...


@dataclass
class ToolSession:
    """A conversation in which every call succeeds; `used` are the tools that were called."""

    store: TicketStore
    caller: Caller
    unsupported: frozenset[str]
    phones: bool = True
    used: set[str] = field(default_factory=set[str])

    def supports(self, *tools: str) -> bool:
        """Return whether the vendor has all of these tools."""
        return self.unsupported.isdisjoint(tools)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, which must succeed, and return its result."""
        answer = await self.caller.call(tool, **arguments)
        assert answer.error is None, (tool, answer)
        assert answer.data.get("say"), (tool, answer)
        self.used.add(tool)
        return answer.data

    async def list_ids(self, tool: str, rows: str = "tickets", **arguments: Any) -> list[str]:
        """Call a tool that returns a list, and return the ids in it."""
        found = await self.call(tool, detail="full", **arguments)
        return [row["id"] for row in found[rows]]

    async def get_ticket(self, ticket: str) -> dict[str, Any]:
        """Return a ticket as it is stored."""
        (found,) = [each for each in await self.store.list_tickets() if each["id"] == ticket]
        return found

    async def get_user(self, user: str) -> dict[str, Any]:
        """Return a user as they are stored."""
        (found,) = [each for each in await self.store.list_users() if each["id"] == user]
        return found


async def call_tool(caller: Caller, tool: str, **values: Any) -> dict[str, Any]:
    """Call a tool, which must succeed, and return its result."""
    answer = await caller.call(tool, **values)
    assert answer.error is None, (tool, answer)
    return answer.data
