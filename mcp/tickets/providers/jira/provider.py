"""The Jira Cloud provider: https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/."""

from collections.abc import Mapping
from typing import ClassVar

from config.security.vault import Account
from tickets.providers.jira.calls import NO_AVAILABILITY, JiraCalls
from tickets.providers.jira.client import JiraClient, JiraCredentials
from tickets.providers.jira.comments import JiraComments
from tickets.providers.jira.people import OWNERS_ONLY, JiraPeople
from tickets.providers.jira.settings import JiraSettings
from tickets.providers.jira.tickets import NO_MERGE, JiraIssues
from toolkit.tenancy import Credentials, ToolCall

_NO_ORGANIZATIONS = "Jira has no organizations; those of Jira Service Management are another API."


class Jira:
    """A tenant's Jira site. A ticket is an issue, and its id the issue's key; tags are labels.

    New tickets go into the project that the setting `project` names; without it there are none.
    """

    credentials: ClassVar[type[Credentials]] = JiraCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "merge_tickets": NO_MERGE,
        "update_user": OWNERS_ONLY,
        "update_many_users": OWNERS_ONLY,
        "create_or_update_user": OWNERS_ONLY,
        "create_or_update_many_users": OWNERS_ONLY,
        "get_organization": _NO_ORGANIZATIONS,
        "get_organization_tickets": _NO_ORGANIZATIONS,
        "check_availability": NO_AVAILABILITY,
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        settings = JiraSettings.model_validate(account.settings)
        self._client = JiraClient(account, call)
        self.people = JiraPeople(self._client)
        self.tickets = JiraIssues(self._client, self.people, settings)
        self.comments = JiraComments(self._client, settings)
        self.calls = JiraCalls(self._client, settings)

    async def check(self) -> None:
        """Read the account whose token it is."""
        await self._client.fetch_own_account()
