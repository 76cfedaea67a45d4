"""The tickets of the builtin desk."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from tickets.provider import STATUSES, Change, Draft, Wanted
from tickets.providers.builtin.mapping import all_of, any_of, asked, number_of, uuid_of, words_of
from tickets.providers.builtin.people import People
from tickets.providers.builtin.tables import Ticket, TicketComment, TicketCounter, TicketUser
from toolkit.errors import NotFound, Rejected
from toolkit.speech.people import is_similar

NO_SUCH_TICKET = "There is no such ticket."
_TELLING = 4  # letters: shorter words alone say nothing
_HEARD = 20  # users who may have been meant

Found = tuple[Ticket, UUID | None]  # with its organization


@dataclass(frozen=True)
class Tickets:
    """One business's tickets, in one transaction."""

    session: AsyncSession
    business_id: UUID

    @property
    def _people(self) -> People:
        return People(self.session, self.business_id)

    async def some(self, ids: Sequence[str]) -> list[Found]:
        """Return those that exist, in the order of `ids`."""
        wanted = [found for each in ids if (found := number_of(each)) is not None]
        statement = _tickets().where(col(Ticket.number).in_(wanted))
        rows = {row[0].number: row for row in await self._rows(statement)}
        return [rows[each] for each in wanted if each in rows]

    async def held(self, ids: Sequence[str]) -> dict[str, Ticket]:
        """Return those that exist, by id, while every other writer waits."""
        wanted = [found for each in ids if (found := number_of(each)) is not None]
        statement = (
            select(Ticket)
            .where(col(Ticket.number).in_(wanted))
            .order_by(col(Ticket.number))  # in one order, so that nobody waits for each other
            .with_for_update()
        )
        rows = {row.number: row for row in (await self.session.execute(statement)).scalars()}
        numbers = {each: number_of(each) for each in ids}
        return {id: rows[number] for id, number in numbers.items() if number in rows}

    async def one(self, id: str) -> Ticket:
        """Return a ticket, while every other writer waits.

        Raises:
            NotFound: there is none.
        """
        found = await self.held([id])
        if id not in found:
            raise NotFound(NO_SUCH_TICKET)
        return found[id]

    async def find(self, wanted: Wanted) -> list[Found]:
        """Return the tickets that fulfil the conditions, and one more than are wanted."""
        statement = _tickets().where(*_conditions(wanted)).limit(wanted.limit + 1)
        latest = statement.order_by(col(Ticket.updated_at).desc(), col(Ticket.number).desc())
        if wanted.text is None:
            return await self._rows(latest)
        words = asked(wanted.text)
        if not words:
            return []
        if found := await self._rows(latest.where(_told(wanted.text, words))):
            return found
        if found := await self._rows(latest.where(await self._heard(wanted.text))):
            return found
        telling = [word for word in words if len(word) >= _TELLING]
        if not telling:
            return []
        some = any_of(telling)
        rank = func.ts_rank(col(Ticket.words), some).desc()
        partly = statement.where(col(Ticket.words).bool_op("@@")(some))
        return await self._rows(partly.order_by(rank, col(Ticket.number).desc()))

    async def _heard(self, name: str) -> ColumnElement[bool]:
        """Return whether a ticket is of somebody whose name may be the one that was heard."""
        users = await self._people.called(name, _HEARD)
        meant = [row.id for row in users if is_similar(name, row.name)]
        return col(Ticket.requester_id).in_(meant)

    async def open(self, draft: Draft, key: str | None) -> Ticket:
        """Open a ticket.

        Raises:
            ToolFailure: its requester or its assignee does not exist.
        """
        people = self._people
        assignee = (await people.agent(draft.assignee)).id if draft.assignee else None
        if draft.requester:
            requester: UUID | None = (await people.one(draft.requester)).id
        else:
            requester = await people.requester(
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
            fields=_given({}, draft.fields),
            words=words_of(draft.subject, draft.text, *draft.tags),
            idempotency_key=key,
        )
        self.session.add(row)
        await self.session.flush()
        return row

    async def _next_number(self) -> int:
        """Return a number that no other ticket gets, not even when this one is deleted."""
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

    async def change(self, row: Ticket, change: Change) -> None:
        """Change a ticket.

        Raises:
            Rejected: there is no such status or agent.
        """
        if change.status is not None:
            if change.status not in STATUSES:
                raise Rejected(f"A status is one of {', '.join(STATUSES)}.")
            row.status = change.status
        if change.assignee is not None:
            row.assignee_id = (await self._people.agent(change.assignee)).id
        row.priority = change.priority or row.priority
        row.type = change.type or row.type
        row.subject = change.subject or row.subject
        tags = dict.fromkeys((*row.tags, *change.add_tags))
        row.tags = [tag for tag in tags if tag not in change.remove_tags]
        row.fields = _given(row.fields, change.fields)
        await self._touched(row)

    async def say(
        self, row: Ticket, text: str, *, public: bool, key: str | None = None
    ) -> TicketComment:
        """Add a comment of ours to a ticket."""
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
        await self._touched(row)
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
        """Close a ticket as part of another one; who asked for it gets copies of that one."""
        source.status, source.merged_into = "closed", target.number
        await self.say(source, f"This is now part of ticket {target.number}.", public=False)
        asking = str(source.requester_id) if source.requester_id else None
        if asking and source.requester_id != target.requester_id:
            target.copied = [*dict.fromkeys((*target.copied, asking))]

    async def _touched(self, row: Ticket) -> None:
        """Note that a ticket has changed, and what it is found by now."""
        await self.session.flush()
        said = [comment.text for comment, _ in await self.comments(row)]
        row.words = words_of(row.subject, row.text, *row.tags, *said)
        row.updated_at = now()
        await self.session.flush()

    async def _rows(self, statement: Select[Ticket, UUID | None]) -> list[Found]:
        return [(row, company) for row, company in await self.session.execute(statement)]


def _tickets() -> Select[Ticket, UUID | None]:
    requester = col(TicketUser.id) == col(Ticket.requester_id)
    return select(Ticket, col(TicketUser.organization_id)).outerjoin(TicketUser, requester)


def _told(text: str, words: Sequence[str]) -> ColumnElement[bool]:
    """Return whether a ticket has all of the words, in it or in its requester's name."""
    question = all_of(words)
    told = [
        col(Ticket.words).bool_op("@@")(question),
        col(TicketUser.words).bool_op("@@")(question),
    ]
    number = number_of(text.strip())
    return or_(*told, col(Ticket.number) == number) if number is not None else or_(*told)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        found.append(col(Ticket.status) == wanted.status)
    if wanted.type is not None:
        found.append(col(Ticket.type) == wanted.type)
    if wanted.of is None:
        return found
    id = uuid_of(wanted.of)
    match wanted.part:
        case "assigned":
            found.append(col(Ticket.assignee_id) == id)
        case "copied":
            found.append(col(Ticket.copied).contains([str(id)]))
        case "organization":
            found.append(col(TicketUser.organization_id) == id)
        case _:
            found.append(col(Ticket.requester_id) == id)
    return found


def _given(before: dict[str, Any], fields: Any) -> dict[str, Any]:
    """Return fields with what was given; None takes one away."""
    return {name: value for name, value in {**before, **fields}.items() if value is not None}
