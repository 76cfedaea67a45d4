"""Freshdesk's tickets."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tickets.provider import (
    BatchOutcome,
    Refusal,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketPage,
    TicketQuery,
)
from tickets.providers.freshdesk import payloads, responses
from tickets.providers.freshdesk.client import (
    CONCURRENCY,
    FreshdeskClient,
    is_number,
    is_since,
    retry_window_start,
    to_number,
)
from tickets.providers.freshdesk.matching import is_same_text, is_ticket_of
from tickets.providers.freshdesk.reader import TicketReader
from tickets.providers.freshdesk.search import TicketSearch
from tickets.sentences import say
from toolkit.errors import NotFound, OutcomeUnknown, Rejected, ToolFailure
from toolkit.http.concurrency import map_concurrently
from toolkit.http.polling import poll_until
from toolkit.speech.times import format_utc

_JOB_BUDGET = 8.0  # seconds to wait for a job


class FreshdeskTickets:
    """The tickets of one account."""

    def __init__(self, client: FreshdeskClient) -> None:
        self._client = client
        self._reader = TicketReader(client)
        self._search = TicketSearch(client, self._reader)

    async def get(self, ids: Sequence[str]) -> list[Ticket]:
        """Return the tickets that exist, in the order of `ids`; those in the trash do not."""
        found = await map_concurrently(self._reader.find, ids, limit=CONCURRENCY)
        return await self._reader.to_tickets([each for each in found if each])

    async def search(self, query: TicketQuery) -> TicketPage:
        """Return tickets that match, last changed first; see `search` for what Freshdesk can."""
        return await self._search.search(query)

    async def create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome:
        """Create tickets, a few at a time: Freshdesk has no job for that."""
        named = [(str(n), draft) for n, draft in enumerate(drafts, 1)]
        return await self._client.run_each(self._create_one, named)

    async def find_lost_create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome | None:
        """Return the last day's tickets that have all that was sent, if this is a retry."""
        if not self._client.call.is_retry:
            return None
        recent, more = await self._recent_tickets()
        done: list[str] = []
        refused: list[Refusal] = []
        for n, draft in enumerate(drafts, 1):
            candidates = [
                each for each in recent if str(each.id) not in done and is_ticket_of(each, draft)
            ]
            if created := await self._find_by_text(draft, candidates):
                done.append(created)
            else:
                reason = "It was not opened the first time."
                refused.append(Refusal(record=str(n), reason=reason))
        if refused and more:
            raise OutcomeUnknown("Freshdesk has too many new tickets to tell.")
        return BatchOutcome(done=tuple(done), refused=tuple(refused)) if done else None

    async def update(self, changes: Sequence[TicketChange]) -> BatchOutcome:
        """Change tickets: in a job if all changes are the same and a job can make them."""
        first, *others = changes
        is_same = all(each.model_copy(update={"id": first.id}) == first for each in others)
        if others and is_same and not (first.subject or first.add_tags or first.remove_tags):
            properties = await self._change_body(first)
            ids = [each.id for each in changes]
            return await self._run_job("bulk_update", ids, {"properties": properties})
        return await self._client.run_each(self._update_one, [(each.id, each) for each in changes])

    async def delete(self, ids: Sequence[str]) -> BatchOutcome:
        """Move tickets to the trash, from where a person could restore them."""
        if len(ids) > 1:
            return await self._run_job("bulk_delete", ids, {})
        (ticket_id,) = ids
        to_number(ticket_id, "ticket")
        await self._client.send("DELETE", responses.Nothing, "tickets", ticket_id)
        return BatchOutcome(done=(ticket_id,))

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> BatchOutcome:
        """Close tickets as parts of another; without a comment, Freshdesk writes its own note."""
        self._client.call.refuse_if_retry("Freshdesk")
        existing = [each.id for each in await self.get(ids)]
        refused = _refuse_missing(ids, existing)
        if existing:
            body = {
                "primary_id": to_number(into, "ticket"),
                "ticket_ids": [int(each) for each in existing],
                **payloads.merge_note(comment),
            }
            await self._client.send("PUT", responses.Nothing, "tickets", "merge", json=body)
        return BatchOutcome(done=tuple(existing), refused=refused)

    async def _create_one(self, draft: TicketDraft) -> str:
        if not (draft.requester or draft.requester_email or draft.requester_phone):
            raise Rejected(
                "Freshdesk needs an e-mail address or a phone number of whoever asks.",
                say=say("which_own_address"),
                next="Ask for one of them, then call again.",
            )
        requester = to_number(draft.requester, "contact") if draft.requester else None
        assignee = to_number(draft.assignee, "agent") if draft.assignee else None
        body = payloads.new_ticket(draft, requester, assignee)
        created = await self._client.send("POST", responses.Created, "tickets", json=body)
        return str(created.id)

    async def _recent_tickets(self) -> tuple[list[responses.Ticket], bool]:
        """Return the tickets that are so new that an earlier try may have created them.

        The second value says whether there may be more of them than can be read.
        """
        since = retry_window_start()
        params = {
            "updated_since": format_utc(since),
            "include": "requester",
            "order_by": "created_at",
            "order_type": "desc",
        }
        records, more = await self._client.get_pages(
            responses.Tickets,
            "tickets",
            params=params,
            is_enough=lambda some: bool(some) and not is_since(some[-1].created_at, since),
        )
        more = more and (not records or is_since(records[-1].created_at, since))
        existing = [each for each in records if not each.is_gone]
        return [each for each in existing if is_since(each.created_at, since)], more

    async def _find_by_text(
        self, draft: TicketDraft, candidates: Sequence[responses.Ticket]
    ) -> str | None:
        """Return the first candidate with the draft's text, which lists do not hold."""
        for each in candidates:
            ticket = await self._reader.find(str(each.id))
            if ticket and is_same_text(ticket.description_text, draft.text):
                return str(each.id)
        return None

    async def _change_body(self, change: TicketChange) -> dict[str, Any]:
        status = await self._reader.status_number(change.status) if change.status else None
        assignee = to_number(change.assignee, "agent") if change.assignee else None
        return payloads.ticket_change(change, status, assignee)

    async def _update_one(self, change: TicketChange) -> str:
        """Change a ticket. All its tags are written, which may undo a change at the same time."""
        to_number(change.id, "ticket")
        body = await self._change_body(change)
        if change.add_tags or change.remove_tags:
            ticket = await self._reader.find(change.id)
            if ticket is None:
                raise NotFound("Freshdesk has no such ticket.")
            body["tags"] = payloads.changed_tags(change, ticket.tags)
        await self._client.send("PUT", responses.Created, "tickets", change.id, json=body)
        return change.id

    async def _run_job(
        self, name: str, ids: Sequence[str], action: Mapping[str, Any]
    ) -> BatchOutcome:
        """Start a job of Freshdesk's on many tickets, and wait for its end within the budget."""
        numbers = [each for each in ids if is_number(each)]
        refused = _refuse_missing(ids, numbers)
        if not numbers:
            return BatchOutcome(refused=refused)
        body = {"bulk_action": {"ids": [int(each) for each in numbers], **action}}
        started = await self._client.send("POST", responses.JobStarted, "tickets", name, json=body)
        try:
            job = await poll_until(
                partial(self._client.get, responses.Job, "jobs", started.job_id),
                lambda state: state.is_finished,
                budget=_JOB_BUDGET,
                first_pause=self._client.call.runtime.first_poll_pause,
            )
        except ToolFailure:  # the job runs, whether or not its state can be read
            job = None
        if job is None:
            return BatchOutcome(refused=refused, job=started.job_id)
        done = job.done(numbers)
        not_done = _refuse_missing(numbers, done, "Freshdesk did not do it.")
        return BatchOutcome(done=tuple(done), refused=(*refused, *not_done))


def _refuse_missing(
    ids: Sequence[str], existing: Sequence[str], reason: str = "Freshdesk has no such ticket."
) -> tuple[Refusal, ...]:
    """Return a refusal for each id that is not among the existing ones."""
    return tuple(Refusal(record=each, reason=reason) for each in ids if each not in existing)
