"""Reads and writes rows of tickets and their comments, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from tickets.provider import STATUSES, Fields, TicketChange, TicketDraft, TicketQuery
from tickets.providers.builtin.mapping import to_number
from tickets.providers.builtin.search import (
    conditions,
    indexed_words,
    match_any,
    matches_text,
    query_words,
)
from tickets.providers.builtin.tables import Ticket, TicketComment, TicketCounter, TicketUser
from tickets.providers.builtin.user_rows import UserRows
from tickets.sentences import say
from toolkit.errors import NotFound, Rejected
from toolkit.speech.people import is_similar

_MIN_PREFIX = 4  # letters of a word that is searched for alone
_SIMILAR_USERS = 20  # whose tickets a misheard name may mean

TicketAndOrganization = tuple[Ticket, UUID | None]


@dataclass(frozen=True)
class TicketRows:
    """One business's tickets, in one transaction."""

    session: AsyncSession
    business_id: UUID

    @property
    def _users(self) -> UserRows:
        return UserRows(self.session, self.business_id)

    async def get_many(self, ids: Sequence[str]) -> list[TicketAndOrganization]:
        """Return the tickets that exist, in the order of `ids`."""
        numbers = [number for id in ids if (number := to_number(id)) is not None]
        statement = _select_tickets().where(col(Ticket.number).in_(numbers))
        rows = {row[0].number: row for row in await self._fetch(statement)}
        return [rows[number] for number in numbers if number in rows]

    async def lock_many(self, ids: Sequence[str]) -> dict[str, Ticket]:
        """Return the tickets that exist, by id, locked until the transaction ends."""
        numbers = {id: number for id in ids if (number := to_number(id)) is not None}
        statement = (
            select(Ticket)
            .where(col(Ticket.number).in_(numbers.values()))
            .order_by(col(Ticket.number))  # always the same order, against deadlocks
            .with_for_update()
        )
        rows = {row.number: row for row in (await self.session.execute(statement)).scalars()}
        return {id: rows[number] for id, number in numbers.items() if number in rows}

    async def lock(self, id: str) -> Ticket:
        """Return a ticket, locked until the transaction ends.

        Raises:
            NotFound: it does not exist.
        """
        return require_row(await self.lock_many([id]), id)

    async def search(self, query: TicketQuery) -> list[TicketAndOrganization]:
        """Return the tickets that match, and one more than the limit.

        Tickets with all of the words come first; only where there are none, those whose requester
        has a similar name, and then those with some of the words.
        """
        statement = _select_tickets().where(*conditions(query)).limit(query.limit + 1)
        latest = statement.order_by(col(Ticket.updated_at).desc(), col(Ticket.number).desc())
        if query.text is None:
            return await self._fetch(latest)
        words = query_words(query.text)
        if not words:
            return []
        if found := await self._fetch(latest.where(matches_text(query.text, words))):
            return found
        if found := await self._fetch(latest.where(await self._requester_sounds_like(query.text))):
            return found
        prefixes = [word for word in words if len(word) >= _MIN_PREFIX]
        if not prefixes:
            return []
        some = match_any(prefixes)
        rank = func.ts_rank(col(Ticket.words), some).desc()
        partial = statement.where(col(Ticket.words).bool_op("@@")(some))
        return await self._fetch(partial.order_by(rank, col(Ticket.number).desc()))

    async def _requester_sounds_like(self, name: str) -> ColumnElement[bool]:
        users = await self._users.search_by_name(name, _SIMILAR_USERS)
        similar = [row.id for row in users if is_similar(name, row.name)]
        return col(Ticket.requester_id).in_(similar)

    async def add(self, draft: TicketDraft, key: str | None) -> Ticket:
        """Add a ticket.

        Raises:
            ToolFailure: its requester or its assignee does not exist.
        """
        users = self._users
        assignee = (await users.get_agent(draft.assignee)).id if draft.assignee else None
        if draft.requester:
            requester: UUID | None = (await users.get(draft.requester)).id
        else:
            requester = await users.find_or_add(
                draft.requester_name, draft.requester_email, draft.requester_phone
            )
        row = Ticket(
            id=uuid4(),
            business_id=self.business_id,
            number=await self._next_number(),
            subject=draft.subject,
            text=draft.text,
            status="new",
            priority=draft.priority,
            type=draft.type,
            requester_id=requester,
            assignee_id=assignee,
            tags=list(draft.tags),
            fields=_merged({}, draft.fields),
            words=indexed_words(draft.subject, draft.text, *draft.tags),
            idempotency_key=key,
        )
        self.session.add(row)
        await self.session.flush()
        return row

    async def _next_number(self) -> int:
        """Return a number that no other ticket gets, even if this one is deleted."""
        last = col(TicketCounter.last)
        statement = (
            insert(TicketCounter)
            .values(business_id=self.business_id, last=1)
            .on_conflict_do_update(
                index_elements=[col(TicketCounter.business_id)], set_={"last": last + 1}
            )
            .returning(last)
        )
        return int((await self.session.execute(statement)).scalar_one())

    async def change(self, row: Ticket, change: TicketChange) -> None:
        """Change a ticket.

        Raises:
            Rejected: the status or the agent does not exist.
        """
        if change.status is not None:
            if change.status not in STATUSES:
                raise Rejected(f"A status is one of {', '.join(STATUSES)}.")
            row.status = change.status
        if change.assignee is not None:
            row.assignee_id = (await self._users.get_agent(change.assignee)).id
        row.priority = change.priority or row.priority
        row.type = change.type or row.type
        row.subject = change.subject or row.subject
        tags = dict.fromkeys((*row.tags, *change.add_tags))
        row.tags = [tag for tag in tags if tag not in change.remove_tags]
        row.fields = _merged(row.fields, change.fields)
        await self._reindex(row)

    async def add_comment(
        self, row: Ticket, text: str, *, public: bool, key: str | None = None
    ) -> TicketComment:
        """Add a comment of our own to a ticket."""
        comment = TicketComment(
            id=uuid4(),
            business_id=self.business_id,
            ticket_id=row.id,
            written_by="us",
            text=text,
            public=public,
            idempotency_key=key,
        )
        self.session.add(comment)
        await self._reindex(row)
        return comment

    async def comments(self, row: Ticket) -> list[tuple[TicketComment, str | None]]:
        """Return a ticket's comments, oldest first, each with its author's name."""
        statement = (
            select(TicketComment, col(TicketUser.name))
            .outerjoin(TicketUser, col(TicketUser.id) == col(TicketComment.author_id))
            .where(col(TicketComment.ticket_id) == row.id)
            .order_by(col(TicketComment.created_at), col(TicketComment.id))
        )
        return [(each[0], each[1]) for each in await self.session.execute(statement)]

    async def merge(self, target: Ticket, source: Ticket) -> None:
        """Close a ticket as part of another one, whose copies its requester gets from now on."""
        source.status, source.merged_into = "closed", target.number
        text = f"This is now part of ticket {target.number}."
        await self.add_comment(source, text, public=False)
        requester = str(source.requester_id) if source.requester_id else None
        if requester and source.requester_id != target.requester_id:
            target.copied = [*dict.fromkeys((*target.copied, requester))]

    async def _reindex(self, row: Ticket) -> None:
        """Update the time of a ticket's last change, and the words that it is found by."""
        await self.session.flush()
        comments = [comment.text for comment, _ in await self.comments(row)]
        row.words = indexed_words(row.subject, row.text, *row.tags, *comments)
        row.updated_at = now()
        await self.session.flush()

    async def _fetch(self, statement: Select[Ticket, UUID | None]) -> list[TicketAndOrganization]:
        return [(row, company) for row, company in await self.session.execute(statement)]


def require_unmerged(row: Ticket) -> Ticket:
    """Return a ticket that has not become part of another one.

    Raises:
        Rejected: it has; nobody looks there any more.
    """
    if row.merged_into is not None:
        other = str(row.merged_into)
        raise Rejected(
            f"It is part of ticket {other} now.",
            say=say("ticket_merged", ticket=other),
            next=f"Ask whether to go on with ticket {other}.",
        )
    return row


def require_row(rows: Mapping[str, Ticket], id: str) -> Ticket:
    """Return a ticket by its id.

    Raises:
        NotFound: it does not exist.
    """
    if id not in rows:
        raise NotFound("There is no such ticket.")
    return rows[id]


def _select_tickets() -> Select[Ticket, UUID | None]:
    """Select tickets, each with its requester's organization."""
    requester = col(TicketUser.id) == col(Ticket.requester_id)
    return select(Ticket, col(TicketUser.organization_id)).outerjoin(TicketUser, requester)


def _merged(fields: dict[str, Any], changes: Fields) -> dict[str, Any]:
    """Return fields with changes, in which None removes a field."""
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}
