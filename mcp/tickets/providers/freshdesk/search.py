"""Searches Freshdesk's tickets.

Freshdesk filters by status, type and agent, some minutes behind, and by requester and company in
lists. It does not search by words: those are looked for in the tickets that changed last, a few
hundred of them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tickets.provider import TicketPage, TicketQuery
from tickets.providers.freshdesk import responses
from tickets.providers.freshdesk.client import (
    CONCURRENCY,
    PAGE_SIZE,
    FreshdeskClient,
    is_number,
)
from tickets.providers.freshdesk.matching import has_words
from tickets.providers.freshdesk.reader import TicketReader
from tickets.providers.freshdesk.values import TYPES
from toolkit.errors import Rejected
from toolkit.http.client import Params
from toolkit.http.concurrency import map_concurrently
from toolkit.speech.people import is_similar

NO_COPIES = "Freshdesk cannot list tickets by who gets copies of them."
_LONG_AGO = "2010-01-01T00:00:00Z"  # without a date, lists hold the last thirty days only
_SEARCH_PAGE_SIZE = 30  # tickets, which Freshdesk sets
_SEARCH_PAGES = 4
_LIST_FILTERS = {"requested": "requester_id", "organization": "company_id"}


class TicketSearch:
    """Searches the tickets of one account."""

    def __init__(self, client: FreshdeskClient, reader: TicketReader) -> None:
        self._client = client
        self._reader = reader

    async def search(self, query: TicketQuery) -> TicketPage:
        """Return tickets that match, last changed first."""
        if query.relation == "copied":
            raise Rejected(NO_COPIES)
        if query.related_to is not None and not is_number(query.related_to):
            return TicketPage(tickets=())
        status = await self._reader.status_number(query.status) if query.status else None
        type_ = TYPES[query.type] if query.type else None
        matches = partial(_matches, status=status, type_=type_, text=query.text)
        filters = _search_filters(query, status, type_)
        list_filter = _LIST_FILTERS.get(query.relation or "")
        if list_filter is None and filters:
            records, more = await self._fetch_filtered(" AND ".join(filters))
        else:
            related = {list_filter: query.related_to} if list_filter and query.related_to else {}
            unfiltered = status is None and type_ is None and query.text is None
            size = query.limit + 1 if unfiltered else PAGE_SIZE

            def is_enough(some: Sequence[responses.Ticket]) -> bool:
                return sum(map(matches, some)) > query.limit

            records, more = await self._fetch_list(related, size, is_enough)
        found = [each for each in records if matches(each) and not each.is_gone]
        if query.text and is_number(query.text) and (one := await self._reader.find(query.text)):
            found = [one, *(each for each in found if each.id != one.id)]
        tickets = await self._reader.to_tickets(found[: query.limit])
        return TicketPage(tickets=tuple(tickets), more=more or len(found) > query.limit)

    async def _fetch_list(
        self,
        related: Mapping[str, str],
        size: int,
        is_enough: Callable[[Sequence[responses.Ticket]], bool],
    ) -> tuple[list[responses.Ticket], bool]:
        """Return the tickets of lists, which are up to date and have descriptions."""
        params = {
            **related,
            "updated_since": _LONG_AGO,
            "order_by": "updated_at",
            "order_type": "desc",
            "include": "description",
        }
        return await self._client.get_pages(
            responses.Tickets, "tickets", params=params, size=size, is_enough=is_enough
        )

    async def _fetch_filtered(self, filters: str) -> tuple[list[responses.Ticket], bool]:
        """Return the tickets of Freshdesk's search, sorted here: its order is not documented."""

        async def fetch(page: int) -> responses.TicketSearchPage:
            # The whole query is quoted; it holds no words of a caller.
            params: Params = {"query": f'"{filters}"', "page": page}
            return await self._client.get(
                responses.TicketSearchPage, "search", "tickets", params=params
            )

        first = await fetch(1)
        last = min(-(-first.total // _SEARCH_PAGE_SIZE), _SEARCH_PAGES)
        others = await map_concurrently(fetch, range(2, last + 1), limit=CONCURRENCY)
        pages = (first, *others)
        records = [each for page in pages for each in page.results.root]
        records.sort(key=_updated_at, reverse=True)
        return records, last * _SEARCH_PAGE_SIZE < first.total


def _search_filters(query: TicketQuery, status: int | None, type_: str | None) -> list[str]:
    is_assigned = query.related_to and query.relation == "assigned"
    return [
        *([f"agent_id:{query.related_to}"] if is_assigned else []),
        *([f"status:{status}"] if status else []),
        *([f"type:'{type_}'"] if type_ else []),
    ]


def _matches(
    ticket: responses.Ticket, *, status: int | None, type_: str | None, text: str | None
) -> bool:
    """Return whether a ticket fulfils conditions that Freshdesk may not have filtered by."""
    return (
        status in (None, ticket.status)
        and type_ in (None, ticket.type)
        and (text is None or has_words(ticket, text) or is_similar(text, ticket.subject or ""))
    )


def _updated_at(ticket: responses.Ticket) -> float:
    return ticket.updated_at.timestamp() if ticket.updated_at else 0.0
