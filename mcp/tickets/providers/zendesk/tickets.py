"""Zendesk's tickets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tickets.provider import (
    MAX_BATCH,
    BatchOutcome,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketPage,
    TicketQuery,
)
from tickets.providers.zendesk import payloads, search
from tickets.providers.zendesk.client import Work, ZendeskClient, take
from tickets.providers.zendesk.mapping import lost_create_outcome, to_ticket
from tickets.providers.zendesk.people import ZendeskPeople
from tickets.providers.zendesk.responses import (
    EmptyRecord,
    SingleTicketRecords,
    TicketPageRecord,
    TicketRecord,
    TicketRecords,
)
from toolkit.http.records import RecordList

_LISTS: Mapping[str | None, Callable[[Any, int], Any]] = {
    "requested": lambda zenpy, user: zenpy.users.requested(user),
    "assigned": lambda zenpy, user: zenpy.users.assigned(user),
    "copied": lambda zenpy, user: zenpy.users.cced(user),
    "organization": lambda zenpy, organization: zenpy.tickets.organizations(organization),
}
_NO_TICKETS = TicketRecords.model_validate([])


class ZendeskTickets:
    """The tickets of one account."""

    def __init__(self, client: ZendeskClient, people: ZendeskPeople) -> None:
        self._client = client
        self._people = people

    async def get(self, ids: Sequence[str]) -> list[Ticket]:
        """Return the tickets that exist, in the order of `ids`; deleted ones do not."""
        numbers = payloads.to_numbers(ids)
        if not numbers:
            return []

        def work(zenpy: Any, _: Any) -> object:
            return take(zenpy.tickets(ids=numbers), MAX_BATCH)

        if len(numbers) == 1:
            records = (await self._client.run(work, SingleTicketRecords)).root
        else:
            records = (await self._client.run(work, TicketRecords)).root
        by_id = {each.id: to_ticket(each) for each in records if not each.is_deleted}
        return [by_id[each] for each in numbers if each in by_id]

    async def search(self, query: TicketQuery) -> TicketPage:
        """Return tickets that match, last changed first.

        Zendesk's lists are used where they are enough: its search finds a new ticket only
        minutes later.
        """
        size = min(query.limit + 1, MAX_BATCH)
        found = await self._fetch_matching(query, size)
        existing = [each for each in found.root if not each.is_deleted]
        tickets = tuple(to_ticket(each) for each in existing[: query.limit])
        return TicketPage(tickets=tickets, more=found.count > query.limit)

    async def create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome:
        """Create tickets: a single one directly, many in a job."""
        requesters = await self._people.find_requesters(drafts)
        if len(drafts) == 1:
            return BatchOutcome(done=(await self.create_one(drafts[0], requesters[0]),))
        places = [str(n) for n in range(1, len(drafts) + 1)]
        bodies, refused = payloads.build_each(
            lambda pair: payloads.new_ticket(*pair, self._mark),
            dict(zip(places, zip(drafts, requesters, strict=True), strict=True)),
        )
        return await self._client.run_job(
            lambda zenpy, models: zenpy.tickets.create(
                [_ticket_model(models, each) for each in bodies.values()]
            ),
            [*bodies],
            refused,
            created=True,
        )

    async def create_one(self, draft: TicketDraft, requester: int | None, **values: Any) -> str:
        """Create one ticket, with further values in Zendesk's names, and return its id.

        For an idempotency key that Zendesk remembers, it returns the ticket of the first request.
        """
        body = {**payloads.new_ticket(draft, requester, self._mark), **values}
        key = self._client.call.idempotency_key
        created = await self._client.run(
            lambda zenpy, models: _ticket_of(zenpy.tickets.create(_ticket_model(models, body))),
            TicketRecord,
            writes=True,
            headers={"Idempotency-Key": key} if key else None,
        )
        return str(created.id)

    async def find_lost_create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome | None:
        """Return the tickets with this call's mark, if this is a retry."""
        mark = self._mark
        if mark is None or not self._client.call.is_retry:
            return None
        records = await self._client.run(
            lambda zenpy, _: take(zenpy.tickets(external_id=mark), MAX_BATCH), TicketRecords
        )
        return lost_create_outcome(drafts, records.root)

    async def update(self, changes: Sequence[TicketChange]) -> BatchOutcome:
        """Change tickets: a single one directly, many in a job."""
        if len(changes) == 1:
            return await self._update_one(changes[0])
        bodies, refused = payloads.build_each(
            payloads.bulk_ticket_change, {change.id: change for change in changes}
        )
        return await self._client.run_job(
            lambda zenpy, models: zenpy.tickets.update(
                [_changed_ticket(models, each) for each in bodies.values()]
            ),
            [*bodies],
            refused,
        )

    async def delete(self, ids: Sequence[str]) -> BatchOutcome:
        """Delete tickets: a single one directly, many in a job."""
        if len(ids) == 1:
            number = payloads.to_number(ids[0], "ticket")
            await self._write(lambda zenpy, models: zenpy.tickets.delete(models.Ticket(id=number)))
            return BatchOutcome(done=(ids[0],))
        bodies, refused = payloads.build_each(
            payloads.ticket_reference, {each: each for each in ids}
        )
        return await self._client.run_job(
            lambda zenpy, models: zenpy.tickets.delete(
                [models.Ticket(**each) for each in bodies.values()]
            ),
            [*bodies],
            refused,
        )

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> BatchOutcome:
        """Close tickets as parts of another, in a job."""
        target = payloads.to_number(into, "ticket")
        bodies, refused = payloads.build_each(
            payloads.ticket_reference, {each: each for each in ids}
        )
        sources = [each["id"] for each in bodies.values()]
        named = ", ".join(f"#{each}" for each in sources)
        return await self._client.run_job(
            lambda zenpy, _: zenpy.tickets.merge(
                target,
                sources,
                target_comment=comment or f"This is now also about {named}.",
                source_comment=f"This is now part of #{target}.",
            ),
            [*bodies],
            refused,
        )

    async def _fetch_matching(self, query: TicketQuery, size: int) -> RecordList[TicketRecord]:
        related_to = None if query.related_to is None else payloads.to_numbers([query.related_to])
        if related_to == []:
            return _NO_TICKETS
        match query.text, query.status, query.type, related_to:
            case None, None, None, [number]:
                related = _LISTS[query.relation or "requested"]
                return await self._fetch_list(lambda zenpy: related(zenpy, number), size)
            case None, None, None, _:
                return await self._fetch_list(lambda zenpy: zenpy.tickets(), size)
            case None, None, "problem", None:
                return await self._fetch_problems(size)
            case _:
                return await self._fetch_search(query, size)

    async def _fetch_problems(self, size: int) -> RecordList[TicketRecord]:
        page = await self._client.get(("problems",), TicketPageRecord, {"per_page": size})
        return page.tickets

    async def _fetch_search(self, query: TicketQuery, size: int) -> RecordList[TicketRecord]:
        text = search.ticket_query(query)
        if text is None:
            return _NO_TICKETS
        order = {"sort_by": "updated_at", "sort_order": "desc"}
        return await self._client.run(
            lambda zenpy, _: take(zenpy.search(query=text, type="ticket", **order), size),
            TicketRecords,
            query={"per_page": str(size)},
        )

    async def _fetch_list(
        self, tickets: Callable[[Any], Any], size: int
    ) -> RecordList[TicketRecord]:
        return await self._client.run(
            lambda zenpy, _: take(tickets(zenpy), size),
            TicketRecords,
            query={"sort": "-updated_at", "page[size]": str(size)},
        )

    async def _update_one(self, change: TicketChange) -> BatchOutcome:
        number, body = payloads.to_number(change.id, "ticket"), payloads.ticket_change(change)
        added, removed = [*change.add_tags], [*change.remove_tags]
        if body:
            await self._write(
                lambda zenpy, models: zenpy.tickets.update(
                    _changed_ticket(models, {"id": number, **body})
                )
            )
        if added:
            await self._write(lambda zenpy, _: zenpy.tickets.add_tags(number, added))
        if removed:
            await self._write(lambda zenpy, _: zenpy.tickets.delete_tags(number, removed))
        return BatchOutcome(done=(change.id,))

    async def _write(self, work: Work) -> None:
        await self._client.run(work, EmptyRecord, writes=True)

    @property
    def _mark(self) -> str | None:
        """Return the external id of the tickets that this call creates, to find them by."""
        key = self._client.call.idempotency_key
        return f"antiphon:{key}" if key else None


def _ticket_model(models: Any, body: Mapping[str, Any]) -> Any:
    """Return a body as zenpy's ticket: a new requester has to be one of zenpy's users."""
    requester = body.get("requester")
    user = {"requester": models.User(**requester)} if requester else {}
    return models.Ticket(**dict(body) | user)


def _changed_ticket(models: Any, body: Mapping[str, Any]) -> Any:
    """Return a body as zenpy's ticket; zenpy sends a null only if it is set anew."""
    ticket = models.Ticket(**body)
    for name in [name for name, value in body.items() if value is None]:
        setattr(ticket, name, None)
    return ticket


def _ticket_of(result: Any) -> Any:
    """Return the ticket of a result that may hold its audit as well."""
    return getattr(result, "ticket", result)
