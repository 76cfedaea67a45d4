"""The ticket desks. Adding one is a module in providers/, its test, and a line here."""

from collections.abc import Mapping

from tickets.provider import TicketProvider
from tickets.providers.builtin import Builtin
from tickets.providers.freshdesk import Freshdesk
from tickets.providers.jira import Jira
from tickets.providers.zendesk import Zendesk
from toolkit.tenancy import Connect

PROVIDERS: Mapping[str, Connect[TicketProvider]] = {
    "builtin": Builtin,
    "freshdesk": Freshdesk,
    "jira": Jira,
    "zendesk": Zendesk,
}
