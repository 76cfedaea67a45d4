"""The Freshdesk provider: https://developers.freshdesk.com/api/."""

from collections.abc import Mapping
from typing import ClassVar

from config.security.vault import Account
from tickets.providers.freshdesk.calls import FreshdeskCalls
from tickets.providers.freshdesk.client import FreshdeskClient, FreshdeskCredentials
from tickets.providers.freshdesk.comments import FreshdeskComments
from tickets.providers.freshdesk.people import FreshdeskPeople
from tickets.providers.freshdesk.search import NO_COPIES
from tickets.providers.freshdesk.tickets import FreshdeskTickets
from toolkit.tenancy import Credentials, ToolCall


class Freshdesk:
    """A tenant's Freshdesk. Our status `new` is its Open, our `solved` its Resolved."""

    credentials: ClassVar[type[Credentials]] = FreshdeskCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "get_user_ccd_tickets": NO_COPIES,
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._client = FreshdeskClient(account, call)
        self.tickets = FreshdeskTickets(self._client)
        self.comments = FreshdeskComments(self._client)
        self.people = FreshdeskPeople(self._client)
        self.calls = FreshdeskCalls(self._client)

    async def check(self) -> None:
        """Read the agent whose key it is."""
        await self._client.fetch_own_agent_id()
