"""Zendesk's tickets and their comments."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from config.columns import now
from tickets.provider import MOST, Batch, Change, Comment, Draft, Ticket, TicketPage, Wanted
from tickets.providers.zendesk import mapping as records
from tickets.providers.zendesk import payloads as bodies
from tickets.providers.zendesk import search
from tickets.providers.zendesk.client import Wired, Work, first
from tickets.providers.zendesk.mapping import TicketRecord, TicketRecords
from tickets.providers.zendesk.people import People
from toolkit.errors import NotFound
from toolkit.tenancy import ToolCall

_DAY = timedelta(days=1)
_LISTS: Mapping[str | None, Callable[[Any, int], Any]] = {
    "requested": lambda desk, user: desk.users.requested(user),
    "assigned": lambda desk, user: desk.users.assigned(user),
    "copied": lambda desk, user: desk.users.cced(user),
    "organization": lambda desk, organization: desk.tickets.organizations(organization),
}


@dataclass(frozen=True)
class Desk:
    """The tickets of one account; `us` tells whose account it is."""

    zendesk: Wired
    people: People
    call: ToolCall
    us: Callable[[], Awaitable[int | None]]

    async def tickets(self, ids: Sequence[str]) -> list[Ticket]:
        """Return those of the tickets that exist, in the order of `ids`."""
        asked = bodies.numbers(ids)
        if not asked:
            return []
        found = await self.zendesk.ask(
            lambda desk, _: first(desk.tickets(ids=asked), MOST), TicketRecords
        )
        by_id = {each.id: each.ticket() for each in found.root}
        return [by_id[each] for each in asked if each in by_id]

    async def find(self, wanted: Wanted) -> TicketPage:
        """Return tickets that fulfil the conditions.

        What is new is searched for in vain until minutes later, but is in the lists at once.
        """
        size = min(wanted.limit + 1, MOST)
        found = await self._wanted(wanted, size)
        tickets = tuple(each.ticket() for each in found[: wanted.limit])
        return TicketPage(tickets=tickets, more=len(found) > wanted.limit)

    async def create(self, drafts: Sequence[Draft]) -> Batch:
        """Open tickets: one at once, many in a job."""
        callers = await self.people.callers(drafts)
        if len(drafts) == 1:
            return Batch(done=(await self.opened(drafts[0], callers[0]),))
        places = [str(n) for n in range(1, len(drafts) + 1)]
        sent, refused = bodies.each_or_refused(
            lambda pair: bodies.opened(*pair, self._mark),
            dict(zip(places, zip(drafts, callers, strict=True), strict=True)),
        )
        return await self.zendesk.bulk(
            lambda desk, new: desk.tickets.create([_draft(new, each) for each in sent.values()]),
            [*sent],
            refused,
            created=True,
        )

    async def opened(self, draft: Draft, caller: int | None, **values: Any) -> str:
        """Open one ticket, with further values of Zendesk's, and return its id.

        Zendesk answers a request with the key of an earlier one with what that one has opened,
        as long as it remembers the key.
        """
        body = {**bodies.opened(draft, caller, self._mark), **values}
        key = self.call.idempotency_key
        opened = await self.zendesk.ask(
            lambda desk, new: _ticket(desk.tickets.create(_draft(new, body))),
            TicketRecord,
            writes=True,
            headers={"Idempotency-Key": key} if key else None,
        )
        return str(opened.id)

    async def find_lost_create(self, drafts: Sequence[Draft]) -> Batch | None:
        """Return the tickets that have the mark of this call, if an earlier try was lost."""
        if self._mark is None or not self.call.is_retry:
            return None
        found = await self.zendesk.ask(
            lambda desk, _: first(desk.tickets(external_id=self._mark), MOST), TicketRecords
        )
        return records.found_again(drafts, found.root)

    async def update(self, changes: Sequence[Change]) -> Batch:
        """Change tickets: one at once, many in a job."""
        if len(changes) == 1:
            return await self._update(changes[0])
        sent, refused = bodies.each_or_refused(
            bodies.one_of_many, {change.id: change for change in changes}
        )
        return await self.zendesk.bulk(
            lambda desk, new: desk.tickets.update([new.Ticket(**each) for each in sent.values()]),
            [*sent],
            refused,
        )

    async def delete(self, ids: Sequence[str]) -> Batch:
        """Delete tickets: one at once, many in a job."""
        if len(ids) == 1:
            ticket = bodies.number(ids[0], "ticket")
            await self._write(lambda desk, new: desk.tickets.delete(new.Ticket(id=ticket)))
            return Batch(done=(ids[0],))
        sent, refused = bodies.each_or_refused(_reference, {each: each for each in ids})
        return await self.zendesk.bulk(
            lambda desk, new: desk.tickets.delete([new.Ticket(**each) for each in sent.values()]),
            [*sent],
            refused,
        )

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> Batch:
        """Close tickets as parts of another, in a job."""
        target = bodies.number(into, "ticket")
        sent, refused = bodies.each_or_refused(_reference, {each: each for each in ids})
        parts = [each["id"] for each in sent.values()]
        named = ", ".join(f"#{each}" for each in parts)
        return await self.zendesk.bulk(
            lambda desk, _: desk.tickets.merge(
                target,
                parts,
                target_comment=comment or f"This is now also about {named}.",
                source_comment=f"This is now part of #{target}.",
            ),
            [*sent],
            refused,
        )

    async def comments(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; of very many the last ones."""
        try:
            found = await self._last_comments(bodies.number(ticket_id, "ticket"))
        except NotFound:
            return None
        # Below zero are Zendesk's own doings.
        authors = {each.author_id for each in found if each.author_id and each.author_id > 0}
        us, people = await asyncio.gather(self.us(), self.people.records([*authors]))
        agents = {each.id for each in people if each.part == "agent"}
        return [each.comment(us, agents) for each in found]

    async def comment(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id."""
        ticket = bodies.number(ticket_id, "ticket")
        values = {"id": ticket, "comment": {"body": text, "public": public}}
        said = await self.zendesk.ask(
            lambda desk, new: desk.tickets.update(new.Ticket(**values)), records.Said, writes=True
        )
        return said.comment()

    async def said_before(self, ticket_id: str, says: Callable[[str], bool]) -> str | None:
        """Return our comment of the last day that says it, if an earlier try was lost."""
        if not self.call.is_retry:
            return None
        found = await self._last_comments(bodies.number(ticket_id, "ticket"))
        us, lately = await self.us(), now() - _DAY
        ours = [each for each in found if each.author_id == us and each.is_after(lately)]
        return next((str(each.id) for each in reversed(ours) if says(each.body or "")), None)

    async def _wanted(self, wanted: Wanted, size: int) -> Sequence[TicketRecord]:
        of = None if wanted.of is None else bodies.numbers([wanted.of])
        if of == []:
            return []
        match wanted.text, wanted.status, wanted.type, of:
            case None, None, None, [number]:
                listed = _LISTS[wanted.part or "requested"]
                return await self._newest(lambda desk: listed(desk, number), size)
            case None, None, None, _:
                return await self._newest(lambda desk: desk.tickets(), size)
            case None, None, "problem", None:
                return await self._problems(size)
            case _:
                return await self._found(wanted, size)

    async def _update(self, change: Change) -> Batch:
        ticket, body = bodies.number(change.id, "ticket"), bodies.changed(change)
        more, fewer = [*change.add_tags], [*change.remove_tags]
        if body:
            await self._write(lambda desk, new: desk.tickets.update(new.Ticket(id=ticket, **body)))
        if more:
            await self._write(lambda desk, _: desk.tickets.add_tags(ticket, more))
        if fewer:
            await self._write(lambda desk, _: desk.tickets.delete_tags(ticket, fewer))
        return Batch(done=(change.id,))

    async def _problems(self, size: int) -> Sequence[TicketRecord]:
        path, params = ("api", "v2", "problems"), {"per_page": size}
        found = await self.zendesk.api.call("GET", path, records.TicketsFound, params=params)
        return found.tickets[:size]

    async def _found(self, wanted: Wanted, size: int) -> Sequence[TicketRecord]:
        query = search.tickets(wanted)
        if query is None:
            return []
        order = {"sort_by": "updated_at", "sort_order": "desc"}
        found = await self.zendesk.ask(
            lambda desk, _: first(desk.search(query=query, type="ticket", **order), size),
            TicketRecords,
            query={"per_page": str(size)},
        )
        return found.root

    async def _newest(self, which: Callable[[Any], Any], size: int) -> Sequence[TicketRecord]:
        found = await self.zendesk.ask(
            lambda desk, _: first(which(desk), size),
            TicketRecords,
            query={"sort": "-updated_at", "page[size]": str(size)},
        )
        return found.root

    async def _last_comments(self, ticket: int) -> Sequence[records.CommentRecord]:
        found = await self.zendesk.ask(
            lambda desk, _: first(desk.tickets.comments(ticket), MOST),
            records.CommentRecords,
            query={"sort": "-created_at"},
        )
        return found.root[::-1]

    @property
    def _mark(self) -> str | None:
        """Return what the tickets of this call are found by; Zendesk keeps it beside them."""
        key = self.call.idempotency_key
        return f"antiphon:{key}" if key else None

    async def _write(self, work: Work) -> None:
        await self.zendesk.ask(work, records.Done, writes=True)


def _reference(ticket: str) -> dict[str, Any]:
    return {"id": bodies.number(ticket, "ticket")}


def _draft(new: Any, body: Mapping[str, Any]) -> Any:
    """Return a ticket to be opened, as zenpy's; it takes a requester who is new as its own only."""
    requester = body.get("requester")
    return new.Ticket(**dict(body) | ({"requester": new.User(**requester)} if requester else {}))


def _ticket(answer: Any) -> Any:
    """Return a ticket without the list of what has been done to it."""
    return getattr(answer, "ticket", answer)
