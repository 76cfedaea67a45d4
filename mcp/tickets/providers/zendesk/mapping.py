"""Converts Zendesk's responses into the provider's models."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from tickets.provider import (
    BatchOutcome,
    Comment,
    Organization,
    Priority,
    Refusal,
    Role,
    Ticket,
    TicketDraft,
    TicketType,
    User,
    Writer,
)
from tickets.providers.zendesk.responses import (
    CommentRecord,
    JobRecord,
    JobResult,
    OrganizationRecord,
    TicketRecord,
    TicketUpdateRecord,
    UserRecord,
)

_ON_HOLD = "hold"  # is our "pending", too


def to_ticket(record: TicketRecord) -> Ticket:
    """Return a ticket."""
    return Ticket(
        id=str(record.id),
        subject=record.subject or "",
        status="pending" if record.status == _ON_HOLD else record.status or "open",
        priority=_if_known(record.priority, get_args(Priority)),
        type=_if_known(record.type, get_args(TicketType)),
        requester=_to_id(record.requester_id),
        assignee=_to_id(record.assignee_id),
        organization=_to_id(record.organization_id),
        tags=tuple(record.tags or ()),
        text=record.description,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def to_comment(
    record: CommentRecord, own_id: int | None, roles: Mapping[int, Role | None]
) -> Comment:
    """Return a comment; `own_id` is our own user's id, and `roles` are those of the authors."""
    return Comment(
        id=str(record.id),
        text=record.body or record.plain_body or "",
        by=_writer(record, own_id, roles),
        author=_to_id(record.author_id),
        public=record.public,
        created_at=record.created_at,
    )


def to_user(record: UserRecord) -> User:
    """Return a user."""
    return User(
        id=str(record.id),
        name=record.name or "",
        email=record.email or None,
        phone=record.phone or None,
        role=record.our_role,
        organization=_to_id(record.organization_id),
        gone=record.is_gone,
    )


def to_organization(record: OrganizationRecord) -> Organization:
    """Return an organization."""
    return Organization(id=str(record.id), name=record.name, notes=record.notes or record.details)


def added_comment_id(record: TicketUpdateRecord) -> str:
    """Return the id of the comment that an update has added; "" if there is none."""
    ids = [event.id for event in record.audit.events if event.type == "Comment"]
    return str(next((id for id in ids if id is not None), ""))


def to_outcome(job: JobRecord, records: Sequence[str], *, created: bool) -> BatchOutcome:
    """Return what a finished job did with the `records`: their ids, or new ones if `created`.

    A record without a result counts as done if the job is completed; but a record that was to be
    created must have an id, and a result that cannot be read says nothing.
    """
    results: list[Any] = job.results if isinstance(job.results, list) else []
    ids = () if created else records
    by_place = {_place(result, n, ids): result for n, result in enumerate(results)}
    done_by_default = job.status == "completed" and not created
    done: list[str] = []
    refused: list[Refusal] = []
    for place, record in enumerate(records):
        result = by_place.get(place)
        if result is not None and not isinstance(result, JobResult):
            refused.append(Refusal(record=record, reason="Whether it was done is not known."))
        elif done_by_default if result is None else result.is_done(created=created):
            done.append(str(result.id) if created and result else record)
        else:
            refused.append(Refusal(record=record, reason="Zendesk did not take it."))
    return BatchOutcome(done=tuple(done), refused=tuple(refused))


def lost_create_outcome(
    drafts: Sequence[TicketDraft], records: Sequence[TicketRecord]
) -> BatchOutcome | None:
    """Return which drafts are among the tickets that an earlier try has created.

    Drafts are told apart by their subjects. Returns None if there are no such tickets.
    """
    remaining = sorted(records, key=lambda each: each.id)
    done: list[str] = []
    refused: list[Refusal] = []
    for place, draft in enumerate(drafts, start=1):
        match = next((each for each in remaining if each.subject == draft.subject), None)
        if match is None:
            refused.append(Refusal(record=str(place), reason="It is not known to be open yet."))
        else:
            remaining.remove(match)
            done.append(str(match.id))
    return BatchOutcome(done=tuple(done), refused=tuple(refused)) if records else None


def _writer(record: CommentRecord, own_id: int | None, roles: Mapping[int, Role | None]) -> Writer:
    if record.is_automatic:
        return "system"
    if record.author_id is None:
        return "unknown"
    if record.author_id == own_id:
        return "us"
    return roles.get(record.author_id) or "unknown"


def _place(result: object, n: int, ids: Sequence[str]) -> int:
    if not isinstance(result, JobResult):
        return n
    if result.index is not None:
        return result.index
    return ids.index(str(result.id)) if str(result.id) in ids else n


def _to_id(number: int | None) -> str | None:
    return None if number is None else str(number)


def _if_known(value: str | None, known: Sequence[Any]) -> Any:
    return value if value in known else None
