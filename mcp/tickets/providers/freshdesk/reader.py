"""Reads single tickets of Freshdesk, and the tenant's own statuses."""

from collections.abc import Mapping, Sequence

from tickets.provider import Ticket
from tickets.providers.freshdesk import responses
from tickets.providers.freshdesk.client import FreshdeskClient, is_number
from tickets.providers.freshdesk.mapping import own_statuses, to_ticket
from tickets.providers.freshdesk.values import STATUS_NAMES, STATUSES
from tickets.sentences import say
from toolkit.errors import Forbidden, NotFound, Rejected

_STATUSES_TTL = 300.0  # seconds


class TicketReader:
    """Reads what several parts of the provider need of tickets."""

    def __init__(self, client: FreshdeskClient) -> None:
        self._client = client

    async def find(self, ticket_id: str) -> responses.Ticket | None:
        """Return a ticket as Freshdesk's record; None if it is not there, in the trash or spam."""
        if not is_number(ticket_id):
            return None
        try:
            ticket = await self._client.get(responses.Ticket, "tickets", ticket_id)
        except NotFound:
            return None
        return None if ticket.is_gone else ticket

    async def to_tickets(self, records: Sequence[responses.Ticket]) -> list[Ticket]:
        """Convert records; the tenant's own statuses are fetched if a record has one."""
        has_own = any(each.status not in STATUS_NAMES for each in records)
        statuses = await self._own_statuses() if has_own else dict[int, str]()
        return [to_ticket(each, statuses) for each in records]

    async def status_number(self, status: str) -> int:
        """Return Freshdesk's number of a status.

        Raises:
            Rejected: there is no status of that name.
        """
        if status in STATUSES:
            return STATUSES[status]
        names = {name.casefold(): number for number, name in (await self._own_statuses()).items()}
        if status.casefold() not in names:
            raise Rejected("Freshdesk has no such status.", say=say("unknown_status"))
        return names[status.casefold()]

    async def _own_statuses(self) -> Mapping[int, str]:
        async def fetch() -> Mapping[int, str]:
            try:
                fields = await self._client.get(responses.TicketFields, "ticket_fields")
            except Forbidden:
                return {}
            return own_statuses(fields)

        return await self._client.cached("statuses", _STATUSES_TTL, fetch)
