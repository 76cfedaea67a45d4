"""How tickets are looked for in a Freshdesk."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tickets.provider import Ticket, TicketPage, Wanted
from tickets.providers.freshdesk import mapping as words
from tickets.providers.freshdesk import responses as records
from tickets.providers.freshdesk.client import AT_ONCE, PAGE, FreshdeskApi, is_number
from toolkit.errors import Forbidden, NotFound, Rejected
from toolkit.http.client import Params
from toolkit.http.concurrency import map_concurrently
from toolkit.speech.people import is_similar

NO_COPIES = "Freshdesk cannot list tickets by who gets copies of them."
_STATUSES_HOLD = 300.0  # seconds
_EVER = "2010-01-01T00:00:00Z"  # without a date, only tickets of the last thirty days are listed
_FOUND = 30  # tickets on a page of a search
_FOUND_PAGES = 4


class TicketReader:
    """Reads the tickets of one Freshdesk."""

    def __init__(self, desk: FreshdeskApi) -> None:
        self._desk = desk

    async def find(self, wanted: Wanted) -> TicketPage:
        """Return tickets that fulfil the conditions, the last changed first.

        Freshdesk searches by status, type and agent, some minutes behind, and never by words.
        Those are looked for in the tickets that have changed last, a few hundred of them.
        """
        if wanted.part == "copied":
            raise Rejected(NO_COPIES)
        if wanted.of is not None and not is_number(wanted.of):
            return TicketPage(tickets=())
        status = await self.status(wanted.status) if wanted.status else None
        type_ = words.TYPES[wanted.type] if wanted.type else None
        fits = partial(_fits, status=status, type_=type_, text=wanted.text)
        conditions = [
            *([f"agent_id:{wanted.of}"] if wanted.of and wanted.part == "assigned" else []),
            *([f"status:{status}"] if status else []),
            *([f"type:'{type_}'"] if type_ else []),
        ]
        whose = {"requested": "requester_id", "organization": "company_id"}.get(wanted.part or "")
        if whose is None and conditions:
            found, more = await self._searched(" AND ".join(conditions))
        else:
            only = {whose: wanted.of} if whose and wanted.of else {}
            plain = status is None and type_ is None and wanted.text is None
            size = wanted.limit + 1 if plain else PAGE

            def enough(some: Sequence[records.Ticket]) -> bool:
                return sum(map(fits, some)) > wanted.limit

            found, more = await self._listed(only, size, enough)
        mine = [each for each in found if fits(each)]
        if wanted.text and is_number(wanted.text) and (one := await self.ticket(wanted.text)):
            mine = [one, *(each for each in mine if each.id != one.id)]
        shown = await self.ours(mine[: wanted.limit])
        return TicketPage(tickets=tuple(shown), more=more or len(mine) > wanted.limit)

    async def ticket(self, ticket_id: str) -> records.Ticket | None:
        """Return a ticket that is not in the trash."""
        if not is_number(ticket_id):
            return None
        try:
            found = await self._desk.get(records.Ticket, "tickets", ticket_id)
        except NotFound:
            return None
        return None if found.deleted else found

    async def ours(self, found: Sequence[records.Ticket]) -> list[Ticket]:
        """Return tickets in our words; the tenant's own statuses are asked for where one is met."""
        own = any(each.status not in words.NAMES for each in found)
        statuses = await self._statuses() if own else dict[int, str]()
        return [words.ticket_of(each, statuses) for each in found]

    async def status(self, status: str) -> int:
        """Return a status as Freshdesk numbers it.

        Raises:
            Rejected: there is none of that name.
        """
        if status in words.STATUSES:
            return words.STATUSES[status]
        names = {name.casefold(): number for number, name in (await self._statuses()).items()}
        if status.casefold() not in names:
            raise Rejected("Freshdesk has no such status.", say="I don't know that status.")
        return names[status.casefold()]

    async def _statuses(self) -> Mapping[int, str]:
        async def ask() -> Mapping[int, str]:
            try:
                fields = await self._desk.get(records.TicketFields, "ticket_fields")
            except Forbidden:
                return {}
            return words.statuses_of(fields)

        return await self._desk.kept("statuses", _STATUSES_HOLD, ask)

    async def _listed(
        self,
        only: Mapping[str, str],
        size: int,
        enough: Callable[[Sequence[records.Ticket]], bool],
    ) -> tuple[list[records.Ticket], bool]:
        params = {
            **only,
            "updated_since": _EVER,
            "order_by": "updated_at",
            "order_type": "desc",
            "include": "description",
        }
        return await self._desk.listed(
            records.Tickets, "tickets", params=params, size=size, enough=enough
        )

    async def _searched(self, query: str) -> tuple[list[records.Ticket], bool]:
        """Search. In which order the tickets come Freshdesk does not say, so they are sorted."""

        async def ask(page: int) -> records.TicketsFound:
            # The whole query is quoted; nothing in it is anybody's own words.
            params: Params = {"query": f'"{query}"', "page": page}
            return await self._desk.get(records.TicketsFound, "search", "tickets", params=params)

        first = await ask(1)
        last = min(-(-first.total // _FOUND), _FOUND_PAGES)
        others = await map_concurrently(ask, range(2, last + 1), at_once=AT_ONCE)
        found = [each for some in (first, *others) for each in some.results if not each.deleted]
        found.sort(
            key=lambda each: each.updated_at.timestamp() if each.updated_at else 0.0, reverse=True
        )
        return found, last * _FOUND < first.total


def _fits(
    ticket: records.Ticket, *, status: int | None, type_: str | None, text: str | None
) -> bool:
    """Say whether a ticket fulfils what Freshdesk itself may not have been asked for."""
    return (
        status in (None, ticket.status)
        and type_ in (None, ticket.type)
        and (text is None or words.holds(ticket, text) or is_similar(text, ticket.subject or ""))
    )
