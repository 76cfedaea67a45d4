"""Phone calls at Freshdesk: their log, and which agents are available."""

from tickets.provider import Availability, CallLog
from tickets.providers.freshdesk import payloads, responses
from tickets.providers.freshdesk.client import (
    FreshdeskClient,
    is_number,
    is_since,
    retry_window_start,
    to_number,
)
from tickets.providers.freshdesk.matching import is_same_text
from tickets.sentences import say
from toolkit.errors import NotFound, Rejected


class FreshdeskCalls:
    """The calls of one account, which become time that was spent on a ticket."""

    def __init__(self, client: FreshdeskClient) -> None:
        self._client = client

    async def log(self, log: CallLog) -> str:
        """Store a call as a time entry of its ticket.

        Raises:
            Rejected: there is no ticket: Freshdesk keeps no calls but those of its own phones.
        """
        if log.ticket is None:
            raise Rejected(
                "Freshdesk writes calls down in a ticket.",
                say=say("needs_ticket"),
                next="Find the caller's ticket or open one, and call again with its id.",
            )
        to_number(log.ticket, "ticket")
        path = ("tickets", log.ticket, "time_entries")
        if self._client.call.is_retry:
            note = payloads.call_note(log)
            entries = await self._client.get(responses.TimeEntries, *path)
            for each in entries.root:
                is_recent = is_since(each.created_at, retry_window_start())
                if is_recent and is_same_text(each.note, note):
                    return str(each.id)
        body = payloads.time_entry(log)
        return str((await self._client.send("POST", responses.Created, *path, json=body)).id)

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return whether an agent is available for tickets; for None, the agents who are."""
        if agent is None:
            agents, _ = await self._client.get_pages(responses.Agents, "agents")
            found = [each for each in agents if each.available]
        elif is_number(agent):
            try:
                found = [await self._client.get(responses.Agent, "agents", agent)]
            except NotFound:
                return []
        else:
            return []
        return [
            Availability(
                agent=str(each.id),
                name=each.contact.name or "",
                available=bool(each.available),
            )
            for each in found
        ]
