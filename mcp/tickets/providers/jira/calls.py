"""Phone calls at Jira, which become worklogs of issues."""

from datetime import timedelta

from tickets.provider import Availability, CallLog
from tickets.providers.jira import payloads, responses
from tickets.providers.jira.client import JiraClient, Query
from tickets.providers.jira.marks import is_marked, mark_properties
from tickets.providers.jira.settings import JiraSettings
from tickets.providers.jira.tickets import require_key
from tickets.sentences import say
from toolkit.errors import Rejected
from toolkit.instants import add

NO_AVAILABILITY = "Jira does not know who can take a call."
_RETRY_WINDOW = timedelta(days=1)  # in which the earlier try of a call has been


class JiraCalls:
    """The calls of one account."""

    def __init__(self, client: JiraClient, settings: JiraSettings) -> None:
        self._client = client
        self._settings = settings

    async def log(self, log: CallLog) -> str:
        """Store a call as a worklog of its ticket.

        Raises:
            Rejected: there is no ticket.
        """
        if log.ticket is None:
            raise Rejected(
                "Jira keeps calls with a ticket only.",
                say=say("which_ticket"),
                next="Call again with the ticket, or open one first.",
            )
        key = require_key(self._settings, log.ticket)
        return await self._client.at_current_key(key, lambda current: self._log(current, log))

    async def _log(self, key: str, log: CallLog) -> str:
        path = ("issue", key, "worklog")
        if lost := await self._find_lost(path, log):
            return lost
        mark = mark_properties(self._client.call.idempotency_key)
        worklog = await self._client.request(
            "POST",
            path,
            responses.Worklog,
            query={"adjustEstimate": "leave"},
            body={**payloads.worklog(log), "properties": mark},
        )
        return worklog.id

    async def availability(self, agent: str | None) -> list[Availability]:
        """Refuse: Jira does not know this.

        Raises:
            Rejected: always.
        """
        raise Rejected(NO_AVAILABILITY)

    async def _find_lost(self, path: tuple[str, ...], log: CallLog) -> str | None:
        """Return the worklog that has this call's mark, if this is a retry."""
        call = self._client.call
        if not call.is_retry:
            return None
        since = int(add(log.started_at, -_RETRY_WINDOW).timestamp() * 1000)
        query: Query = {"startedAfter": since, "expand": "properties"}
        page = await self._client.request("GET", path, responses.WorklogPage, query=query)
        found = (each for each in page.worklogs if is_marked(each.properties, call.idempotency_key))
        return next((each.id for each in found), None)
