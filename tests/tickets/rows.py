"""The builtin provider's rows: seeded for a tenant, and read in our words."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from config.database import Database
from tests.conftest import Tenant, fetch
from tests.tickets.double import ORGANIZATION, PEOPLE, TICKETS, Seed
from tickets.providers.builtin.search import indexed_words
from tickets.providers.builtin.tables import (
    Ticket,
    TicketComment,
    TicketCounter,
    TicketOrganization,
    TicketUser,
)
from toolkit.speech.people import significant_digits


@dataclass(frozen=True)
class Rows:
    """One tenant's seeded rows in the builtin provider."""

    database: Database
    tenant: Tenant
    seed: Seed

    async def list_tickets(self) -> list[dict[str, Any]]:
        """Return the tickets."""
        rows = await fetch(self.database, self.tenant, "select * from ticket order by number")
        return [
            {
                "id": str(row["number"]),
                "subject": row["subject"],
                "text": row["text"],
                "status": row["status"],
                "priority": row["priority"],
                "tags": sorted(row["tags"]),
                "requester": str(row["requester_id"] or "") or None,
                "assignee": str(row["assignee_id"] or "") or None,
            }
            for row in rows
        ]

    async def list_comments(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's comments."""
        query = (
            "select c.text, c.public from ticket_comment c join ticket t on t.id = c.ticket_id"
            " where t.number = :number order by c.created_at"
        )
        rows = await fetch(self.database, self.tenant, query, number=int(ticket))
        return [dict(row) for row in rows]

    async def list_users(self) -> list[dict[str, Any]]:
        """Return the users."""
        query = "select id::text as id, name, email, phone from ticket_user order by name"
        return [dict(row) for row in await fetch(self.database, self.tenant, query)]

    async def snapshot(self) -> Any:
        """Return the tickets, the users, and one ticket's comments, to compare them later."""
        comments = await self.list_comments(self.seed.oven)
        return await self.list_tickets(), await self.list_users(), comments


async def seed_rows(database: Database, tenant: Tenant) -> Rows:
    """Seed a tenant's rows."""
    business = tenant.business_id
    organization = TicketOrganization(business_id=business, name=ORGANIZATION)
    ids = {key: uuid4() for key in PEOPLE}
    users = [_user(organization, key, ids) for key in PEOPLE]
    async with database.tenant(business) as session:
        session.add(organization)
        await session.flush()
        session.add_all(users)
        await session.flush()
        session.add(TicketCounter(business_id=business, last=len(TICKETS)))
        numbers = {key: number for number, key in enumerate(TICKETS, 1)}
        for key, number in numbers.items():
            ticket = _ticket(business, key, number, ids)
            session.add(ticket)
            await session.flush()
            for author, text in TICKETS[key].comments:
                session.add(_comment(ticket, ids[author], author == "agent", text))
                await session.flush()
    return Rows(
        database,
        tenant,
        Seed(
            organization=str(organization.id),
            agent=str(ids["agent"]),
            katherine=str(ids["katherine"]),
            tomasz=str(ids["tomasz"]),
            oven=str(numbers["oven"]),
            scale=str(numbers["scale"]),
        ),
    )


def _user(organization: TicketOrganization, key: str, ids: dict[str, UUID]) -> TicketUser:
    person = PEOPLE[key]
    return TicketUser(
        id=ids[key],
        business_id=organization.business_id,
        name=person.name,
        email=person.email,
        phone=person.phone,
        phone_digits=significant_digits(person.phone) if person.phone else None,
        role=person.role,
        available=person.role == "agent",
        organization_id=organization.id if person.member else None,
        words=indexed_words(person.name),
    )


def _ticket(business: UUID, key: str, number: int, ids: dict[str, UUID]) -> Ticket:
    case = TICKETS[key]
    return Ticket(
        business_id=business,
        number=number,
        subject=case.subject,
        text=case.text,
        status=case.status,
        priority=case.priority,
        type=case.type,
        requester_id=ids[case.requester],
        assignee_id=ids[case.assignee] if case.assignee else None,
        copied=[str(ids[each]) for each in case.copied],
        tags=list(case.tags),
        words=indexed_words(
            case.subject, case.text, *case.tags, *(text for _, text in case.comments)
        ),
    )


def _comment(ticket: Ticket, author: UUID, agent: bool, text: str) -> TicketComment:
    return TicketComment(
        business_id=ticket.business_id,
        ticket_id=ticket.id,
        author_id=author,
        written_by="agent" if agent else "customer",
        text=text,
        public=True,
    )
