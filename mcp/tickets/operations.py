"""What the tools share: the tenant's provider, records by id, and results made of records."""

from collections.abc import Sequence

from fastmcp.dependencies import Depends

from tickets import sentences
from tickets.inputs import Detail, to_id
from tickets.provider import (
    BatchOutcome,
    Organization,
    Ticket,
    TicketPage,
    TicketProvider,
    TicketQuery,
    User,
)
from tickets.registry import PROVIDERS
from tickets.results import (
    FULL,
    SHORT,
    BatchResult,
    TicketList,
    TicketResult,
    UserList,
    list_row,
    ticket_row,
    user_row,
)
from tickets.sentences import BatchKind, Deed
from toolkit.errors import NotFound, OutcomeUnknown, Rejected
from toolkit.speech.text import cut
from toolkit.tenancy import tenant_provider

PROVIDER: TicketProvider = Depends(tenant_provider(PROVIDERS))

READ_TIMEOUT, WRITE_TIMEOUT = 8.0, 15.0  # seconds
_MAX_LISTED = 10  # ids and refusals in the result of a bulk call
_REASON = 80  # bytes


async def require_ticket(provider: TicketProvider, ticket: str) -> Ticket:
    """Return a ticket by its id or number.

    Raises:
        NotFound: it does not exist.
    """
    found = await provider.tickets.get([to_id(ticket, "ticket")])
    if not found:
        raise NotFound("There is no such ticket.")
    return found[0]


async def require_user(provider: TicketProvider, user: str) -> User:
    """Return a user by id.

    Raises:
        NotFound: they do not exist, or are gone.
    """
    found = await provider.people.get([to_id(user, "user")])
    if not found:
        raise NotFound("There is no such user.")
    if found[0].gone:
        raise NotFound(
            "That user has been deleted or deactivated.",
            say=sentences.say("user_gone"),
            next="Ask the caller who else it is about.",
        )
    return found[0]


async def require_organization(provider: TicketProvider, organization: str) -> Organization:
    """Return an organization by id.

    Raises:
        NotFound: it does not exist.
    """
    found = await provider.people.get_organization(to_id(organization, "organization"))
    if found is None:
        raise NotFound("There is no such organization.")
    return found


async def search_tickets(
    provider: TicketProvider, query: TicketQuery, detail: Detail
) -> TicketList:
    """Return the tickets that match; `detail` sets how many."""
    page = await provider.tickets.search(query.model_copy(update={"limit": max_rows(detail)}))
    return ticket_list(page, detail)


def ticket_list(
    page: TicketPage, detail: Detail, missing: Sequence[str] | None = None
) -> TicketList:
    """Return tickets as a result; `missing` are ids that do not exist."""
    tickets = page.tickets[: max_rows(detail)]
    more = page.more or len(page.tickets) > len(tickets)
    return TicketList(
        say=sentences.describe_tickets(tickets, more=more),
        tickets=[list_row(each, full=detail == "full") for each in tickets],
        more=more,
        missing=[*missing][:_MAX_LISTED] if missing else None,
    )


def user_list(
    users: Sequence[User],
    detail: Detail,
    *,
    more: bool = False,
    missing: Sequence[str] | None = None,
) -> UserList:
    """Return users as a result; `missing` are ids that do not exist."""
    shown = users[: max_rows(detail)]
    more = more or len(users) > len(shown)
    return UserList(
        say=sentences.describe_users(shown, more=more),
        users=[user_row(each, full=detail == "full") for each in shown],
        more=more,
        missing=[*missing][:_MAX_LISTED] if missing else None,
    )


def ticket_result(ticket: Ticket, say: str, *, full: bool = False) -> TicketResult:
    """Return one ticket as a result."""
    return TicketResult(say=say, **ticket_row(ticket, full=full).model_dump())


def max_rows(detail: Detail) -> int:
    """Return how many rows a list has at most."""
    return FULL if detail == "full" else SHORT


def single_id(outcome: BatchOutcome) -> str:
    """Return the id of the only record of a bulk call.

    Raises:
        Rejected: it was refused.
        OutcomeUnknown: the vendor's job still runs.
    """
    if outcome.done:
        return outcome.done[0]
    if outcome.refused:
        raise Rejected(outcome.refused[0].reason)
    raise OutcomeUnknown("The desk has taken it, and has not finished.")


def batch_result(outcome: BatchOutcome, kind: BatchKind, deed: Deed) -> BatchResult:
    """Return a bulk call's outcome as a result."""
    refused = outcome.refused[:_MAX_LISTED]
    return BatchResult(
        say=sentences.describe_batch(outcome, kind, deed),
        done=len(outcome.done),
        ids=[*outcome.done[:_MAX_LISTED]] or None,
        refused={each.record: cut(each.reason, _REASON) for each in refused} or None,
        job=outcome.job,
    )
