"""What the tools share: the caller's desk, its records by id, and sentences about them."""

from collections.abc import Sequence

from fastmcp.dependencies import Depends

from tickets.inputs import Detail, known_id
from tickets.provider import (
    Batch,
    Organization,
    Ticket,
    TicketPage,
    TicketProvider,
    User,
    Wanted,
)
from tickets.registry import PROVIDERS
from tickets.results import (
    FULL,
    SHORT,
    BatchAnswer,
    TicketList,
    TicketRow,
    UserList,
    listed_ticket,
    listed_user,
)
from toolkit.errors import NotFound, OutcomeUnknown, Rejected
from toolkit.speech import phrases
from toolkit.speech.numbers import number_words
from toolkit.speech.text import cut
from toolkit.tenancy import tenant_provider

DESK: TicketProvider = Depends(tenant_provider(PROVIDERS))

READING, WRITING = 8.0, 15.0  # seconds
ANYTHING_ELSE = "Is there anything else?"
_SHOWN = 10  # ids and refusals of a bulk call
_SUBJECT, _NAME, _REASON = 70, 60, 80  # bytes


async def ticket_of(desk: TicketProvider, ticket: str) -> Ticket:
    """Return a ticket.

    Raises:
        NotFound: there is none.
    """
    found = await desk.tickets([known_id(ticket, "ticket")])
    if not found:
        raise NotFound("There is no such ticket.")
    return found[0]


async def user_of(desk: TicketProvider, user: str) -> User:
    """Return a user.

    Raises:
        NotFound: there is none.
    """
    found = await desk.users([known_id(user, "user")])
    if not found:
        raise NotFound("There is no such user.")
    return found[0]


async def organization_of(desk: TicketProvider, organization: str) -> Organization:
    """Return an organization.

    Raises:
        NotFound: there is none.
    """
    found = await desk.organization(known_id(organization, "organization"))
    if found is None:
        raise NotFound("There is no such organization.")
    return found


async def found_tickets(desk: TicketProvider, wanted: Wanted, detail: Detail) -> TicketList:
    """Return the tickets that are wanted, as many as are asked for."""
    page = await desk.find(wanted.model_copy(update={"limit": rows(detail)}))
    return listed_tickets(page, detail)


def listed_tickets(
    page: TicketPage, detail: Detail, missing: Sequence[str] | None = None
) -> TicketList:
    """Return tickets as a list of rows."""
    shown = page.tickets[: rows(detail)]
    more = page.more or len(page.tickets) > len(shown)
    return TicketList(
        say=_all_tickets(shown[:SHORT], more=more or len(shown) > SHORT),
        tickets=[listed_ticket(each, full=detail == "full") for each in shown],
        more=more,
        missing=[*missing][:_SHOWN] if missing else None,
    )


def listed_users(
    users: Sequence[User],
    detail: Detail,
    *,
    more: bool = False,
    missing: Sequence[str] | None = None,
) -> UserList:
    """Return users as a list of rows."""
    shown = users[: rows(detail)]
    more = more or len(users) > len(shown)
    return UserList(
        say=_all_users(shown[:SHORT], more=more or len(shown) > SHORT),
        users=[listed_user(each, full=detail == "full") for each in shown],
        more=more,
        missing=[*missing][:_SHOWN] if missing else None,
    )


def rows(detail: Detail) -> int:
    """Return how many rows an answer has at most."""
    return FULL if detail == "full" else SHORT


def done_one(batch: Batch) -> str:
    """Return the id of the one record that was to be done.

    Raises:
        Rejected: it was refused.
        OutcomeUnknown: the vendor is still at work on it.
    """
    if batch.done:
        return batch.done[0]
    if batch.refused:
        raise Rejected(batch.refused[0].reason)
    raise OutcomeUnknown("The desk has taken it, and has not finished.")


def done_many(batch: Batch, what: str, done: str) -> BatchAnswer:
    """Return what became of many records: `what` they are, and what has been `done` to them."""
    refused = {each.which: cut(each.reason, _REASON) for each in batch.refused[:_SHOWN]}
    return BatchAnswer(
        say=_done(batch, what, done),
        done=len(batch.done),
        ids=[*batch.done[:_SHOWN]] or None,
        refused=refused or None,
        job=batch.job,
    )


def counted(number: int, what: str) -> str:
    """Return `three tickets`."""
    plural = what if number == 1 else f"{what}s"
    return f"{number_words(number) if 0 <= number < 60 else number} {plural}"


def titled(ticket: Ticket | TicketRow) -> str:
    """Return `ticket 12, No light in the hall`."""
    return f"ticket {ticket.id}, {cut(ticket.subject, _SUBJECT)}"


def named(user: User) -> str:
    """Return who it is."""
    return cut(user.name or user.email or user.phone or user.id, _NAME)


def sentence(text: str) -> str:
    """Return a text as a sentence begins."""
    return text[:1].upper() + text[1:]


def _all_tickets(shown: Sequence[Ticket], *, more: bool) -> str:
    if not shown:
        return "I can't find any such ticket."
    each = phrases.join_words([titled(ticket) for ticket in shown], "and")
    return f"Among others, there is {each}." if more else f"I have {each}."


def _all_users(shown: Sequence[User], *, more: bool) -> str:
    if not shown:
        return "I can't find anybody like that."
    each = phrases.join_words([named(user) for user in shown], "and")
    return f"I found {each}, and others." if more else f"I found {each}."


def _done(batch: Batch, what: str, done: str) -> str:
    if batch.job is not None:
        return f"They are being {done}; that takes a little longer. The job is {batch.job}."
    number = len(batch.done)
    have = "has" if number == 1 else "have"
    if not batch.refused:
        return f"Done, {counted(number, what)} {have} been {done}."
    refused = len(batch.refused)
    others = f"{number_words(refused) if refused < 60 else refused} could not be"
    return f"{sentence(counted(number, what))} {have} been {done}, and {others}."
