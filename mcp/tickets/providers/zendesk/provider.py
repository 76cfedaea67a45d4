"""The Zendesk Support provider: https://developer.zendesk.com/api-reference/ticketing/."""

from collections.abc import Mapping
from typing import ClassVar

from config.security.vault import Account
from tickets.providers.zendesk.calls import ZendeskCalls
from tickets.providers.zendesk.client import ZendeskClient, ZendeskCredentials
from tickets.providers.zendesk.comments import ZendeskComments
from tickets.providers.zendesk.people import ZendeskPeople
from tickets.providers.zendesk.settings import ZendeskSettings
from tickets.providers.zendesk.tickets import ZendeskTickets
from toolkit.errors import Disconnected
from toolkit.tenancy import Credentials, ToolCall


class Zendesk:
    """A tenant's Zendesk. A field of the tenant's own is named `custom_field_` and its number.

    With the settings `talk_app_id` and `talk_line`, the tenant's own number, calls are logged as
    calls of Talk's Partner Edition. Without both, a call becomes an internal comment of its ticket,
    or a solved ticket, which needs no plan of Talk's.
    """

    credentials: ClassVar[type[Credentials]] = ZendeskCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        settings = ZendeskSettings.model_validate(account.settings)
        self._client = ZendeskClient(account, call)
        self.people = ZendeskPeople(self._client)
        self.tickets = ZendeskTickets(self._client, self.people)
        self.comments = ZendeskComments(self._client, self.people)
        self.calls = ZendeskCalls(self._client, self.tickets, self.comments, self.people, settings)

    async def check(self) -> None:
        """Read the token's user: with an invalid token, Zendesk may answer as to a visitor."""
        if await self._client.fetch_own_user_id() is None:
            raise Disconnected("Zendesk does not know the account; it must be reconnected.")
