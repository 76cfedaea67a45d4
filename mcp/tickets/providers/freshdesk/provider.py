"""Freshdesk: its tickets; its people are in `people`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from config.columns import now
from config.security.vault import Account
from tickets.provider import (
    Batch,
    CallLog,
    Change,
    Comment,
    Draft,
    Refused,
    Ticket,
    TicketPage,
    Wanted,
)
from tickets.providers.freshdesk import mapping as words
from tickets.providers.freshdesk import responses as records
from tickets.providers.freshdesk.client import (
    AT_ONCE,
    FreshdeskCredentials,
    is_number,
    number_of,
)
from tickets.providers.freshdesk.people import LATELY, FreshdeskPeople
from tickets.providers.freshdesk.search import NO_COPIES, TicketReader
from toolkit.errors import OutcomeUnknown, Rejected, ToolFailure
from toolkit.http.concurrency import map_concurrently
from toolkit.http.polling import poll_until
from toolkit.speech.people import same_number
from toolkit.speech.times import utc
from toolkit.tenancy import Credentials, ToolCall

_JOB_BUDGET = 8.0
_CLOCKS = timedelta(seconds=60)  # by which ours and Freshdesk's may differ


class Freshdesk(FreshdeskPeople):
    """A tenant's Freshdesk. Our `new` is its Open, our `solved` its Resolved."""

    credentials: ClassVar[type[Credentials]] = FreshdeskCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "get_user_ccd_tickets": NO_COPIES,
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        super().__init__(account, call)
        self._reader = TicketReader(self._desk)

    async def check(self) -> None:
        """Read whose key it is."""
        await self._desk.get(records.Created, "agents", "me")

    async def tickets(self, ids: Sequence[str]) -> list[Ticket]:
        """Return those of the tickets that exist; what is in the trash does not."""
        found = await map_concurrently(self._reader.ticket, ids, at_once=AT_ONCE)
        return await self._reader.ours([each for each in found if each])

    async def find(self, wanted: Wanted) -> TicketPage:
        """Return tickets that fulfil the conditions, the last changed first."""
        return await self._reader.find(wanted)

    async def create(self, drafts: Sequence[Draft]) -> Batch:
        """Open tickets, a few at a time: Freshdesk has no job for that."""
        return await self._desk.each(
            self._open, [(str(n), each) for n, each in enumerate(drafts, 1)]
        )

    async def find_lost_create(self, drafts: Sequence[Draft]) -> Batch | None:
        """Return what a lost try has opened, by all that was sent, among the last day's tickets."""
        if not self._call.is_retry:
            return None
        since = _lately()
        params = {
            "updated_since": utc(since),
            "include": "requester",
            "order_by": "created_at",
            "order_type": "desc",
        }
        found, more = await self._desk.listed(
            records.Tickets,
            "tickets",
            params=params,
            enough=lambda some: not _since(some[-1].created_at, since),
        )
        more = more and _since(found[-1].created_at, since)
        done: list[str] = []
        refused: list[Refused] = []
        for n, draft in enumerate(drafts, 1):
            new = (
                each
                for each in found
                if str(each.id) not in done and _since(each.created_at, since)
            )
            if opened := await self._opened(draft, [each for each in new if _is(each, draft)]):
                done.append(opened)
            else:
                refused.append(Refused(which=str(n), reason="It was not opened the first time."))
        if refused and more:
            raise OutcomeUnknown("Freshdesk has too many new tickets to tell.")
        return Batch(done=tuple(done), refused=tuple(refused)) if done else None

    async def update(self, changes: Sequence[Change]) -> Batch:
        """Change tickets: in Freshdesk's own job where it can do all of that to all of them."""
        first, *others = changes
        alike_all = all(each.model_copy(update={"id": first.id}) == first for each in others)
        if others and alike_all and not (first.subject or first.add_tags or first.remove_tags):
            properties = await self._changed(first)
            ids = [each.id for each in changes]
            return await self._job("bulk_update", ids, {"properties": properties})
        return await self._desk.each(self._update, [(each.id, each) for each in changes])

    async def delete(self, ids: Sequence[str]) -> Batch:
        """Put tickets into the trash, from where a person could restore them."""
        if len(ids) > 1:
            return await self._job("bulk_delete", ids, {})
        (only,) = ids
        number_of(only, "ticket")
        await self._desk.send("DELETE", records.Nothing, "tickets", only)
        return Batch(done=(only,))

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> Batch:
        """Close tickets as parts of another; without a comment, Freshdesk writes its own note."""
        self._call.refuse_if_retry("Freshdesk")
        there = [each.id for each in await self.tickets(ids)]
        refused = _missing(ids, there)
        if there:
            body = {
                "primary_id": number_of(into, "ticket"),
                "ticket_ids": [int(each) for each in there],
                **words.merge_note(comment),
            }
            await self._desk.send("PUT", records.Nothing, "tickets", "merge", json=body)
        return Batch(done=tuple(there), refused=refused)

    async def comments(self, ticket_id: str) -> list[Comment] | None:
        """Return what a ticket was opened with, its replies and its notes, oldest first."""
        ticket = await self._reader.ticket(ticket_id)
        if ticket is None:
            return None
        found = await self._conversations(ticket_id)
        us = await self._desk.me()
        said = sorted((words.comment_of(each, us) for each in found), key=_when)
        return [words.description_of(ticket), *said]

    async def comment(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Reply to the requester, by e-mail, or add a note that only agents see."""
        number_of(ticket_id, "ticket")
        body = {"body": words.as_html(text)}
        what, more = ("reply", {}) if public else ("notes", {"private": True})
        path = ("tickets", ticket_id, what)
        added = await self._desk.send("POST", records.Created, *path, json={**body, **more})
        return str(added.id)

    async def find_lost_comment(self, ticket_id: str, text: str) -> str | None:
        """Return our own comment with that text, added lately; only a lost try is looked for."""
        if not self._call.is_retry or not is_number(ticket_id):
            return None
        since = _lately()
        us = await self._desk.me()
        for each in reversed(await self._conversations(ticket_id)):
            ours = each.user_id == us and not each.incoming
            if ours and _since(each.created_at, since) and words.same_text(each.body_text, text):
                return str(each.id)
        return None

    async def log_call(self, log: CallLog) -> str:
        """Write a call down as time that was spent on a ticket.

        Raises:
            Rejected: there is no ticket: Freshdesk keeps no calls but those of its own phones.
        """
        if log.ticket is None:
            raise Rejected(
                "Freshdesk writes calls down in a ticket.",
                say="I need a ticket for that.",
                next="Find the caller's ticket or open one, and call again with its id.",
            )
        number_of(log.ticket, "ticket")
        note, path = words.call_note(log), ("tickets", log.ticket, "time_entries")
        if self._call.is_retry:
            entries = await self._desk.get(records.TimeEntries, *path)
            for each in entries.root:
                if _since(each.created_at, _lately()) and words.same_text(each.note, note):
                    return str(each.id)
        body = {
            "note": note,
            "time_spent": words.spent(log.seconds),
            "executed_at": utc(log.started_at),
            "billable": False,
        }
        return str((await self._desk.send("POST", records.Created, *path, json=body)).id)

    async def _conversations(self, ticket_id: str) -> list[records.Conversation]:
        path = ("tickets", ticket_id, "conversations")
        return (await self._desk.listed(records.Conversations, *path, pages=10))[0]

    async def _open(self, draft: Draft) -> str:
        if not (draft.requester or draft.requester_email or draft.requester_phone):
            raise Rejected(
                "Freshdesk needs an e-mail address or a phone number of whoever asks.",
                say="What is your e-mail address or your phone number?",
                next="Ask for one of them, then call again.",
            )
        requester = number_of(draft.requester, "contact") if draft.requester else None
        assignee = number_of(draft.assignee, "agent") if draft.assignee else None
        body = words.new_ticket(draft, requester, assignee)
        return str((await self._desk.send("POST", records.Created, "tickets", json=body)).id)

    async def _opened(self, draft: Draft, candidates: Sequence[records.Ticket]) -> str | None:
        """Return the one of some tickets that has the draft's text, which lists do not tell."""
        for each in candidates:
            whole = await self._reader.ticket(str(each.id))
            if whole and words.same_text(whole.description_text, draft.text):
                return str(each.id)
        return None

    async def _changed(self, change: Change) -> dict[str, Any]:
        status = await self._reader.status(change.status) if change.status else None
        assignee = number_of(change.assignee, "agent") if change.assignee else None
        return words.changed(change, status, assignee)

    async def _update(self, change: Change) -> str:
        """Change a ticket. All its tags are set, which can undo what somebody else does now."""
        number_of(change.id, "ticket")
        body = await self._changed(change)
        if change.add_tags or change.remove_tags:
            ticket = await self._desk.get(records.Ticket, "tickets", change.id)
            body["tags"] = words.tags_after(change, ticket.tags)
        await self._desk.send("PUT", records.Created, "tickets", change.id, json=body)
        return change.id

    async def _job(self, name: str, ids: Sequence[str], what: Mapping[str, Any]) -> Batch:
        """Have Freshdesk do something to many tickets, and follow that for a while."""
        known = [each for each in ids if is_number(each)]
        refused = _missing(ids, known)
        if not known:
            return Batch(refused=refused)
        body = {"bulk_action": {"ids": [int(each) for each in known], **what}}
        started = await self._desk.send("POST", records.JobStarted, "tickets", name, json=body)

        async def look() -> records.Job:
            return await self._desk.get(records.Job, "jobs", started.job_id)

        try:
            job = await poll_until(look, lambda each: each.ended, budget=_JOB_BUDGET)
        except ToolFailure:  # what cannot be looked at is done nevertheless
            job = None
        if job is None:
            return Batch(refused=refused, job=started.job_id)
        done = job.done(known)
        others = _missing(known, done, "Freshdesk did not do it.")
        return Batch(done=tuple(done), refused=(*refused, *others))


def _is(ticket: records.Ticket, draft: Draft) -> bool:
    """Say whether a ticket has the draft's subject and requester."""
    who = ticket.requester or records.Requester()
    if not words.same_text(ticket.subject, draft.subject):
        return False
    if draft.requester:
        return str(ticket.requester_id) == draft.requester
    if draft.requester_email:
        return (who.email or "").casefold() == draft.requester_email.casefold()
    numbers = (each for each in (who.phone, who.mobile) if each)
    return any(same_number(draft.requester_phone or "", each) for each in numbers)


def _lately() -> datetime:
    return now() - LATELY - _CLOCKS


def _since(moment: datetime | None, since: datetime) -> bool:
    return moment is not None and moment >= since


def _when(comment: Comment) -> float:
    return comment.created_at.timestamp() if comment.created_at else 0.0


def _missing(
    ids: Sequence[str], there: Sequence[str], reason: str = "Freshdesk has no such ticket."
) -> tuple[Refused, ...]:
    return tuple(Refused(which=each, reason=reason) for each in ids if each not in there)
