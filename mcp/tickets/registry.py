"""The ticket providers by name. A new vendor is a folder in providers/ and a line here."""

from collections.abc import Mapping

from tickets.provider import TicketProvider
from tickets.providers.builtin.provider import Builtin
from tickets.providers.freshdesk.provider import Freshdesk
from tickets.providers.jira.provider import Jira
from tickets.providers.zendesk.provider import Zendesk
from toolkit.tenancy import ProviderFactory

PROVIDERS: Mapping[str, ProviderFactory[TicketProvider]] = {
    "builtin": Builtin,
    "freshdesk": Freshdesk,
    "jira": Jira,
    "zendesk": Zendesk,
}
