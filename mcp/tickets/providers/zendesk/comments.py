"""Zendesk's comments of tickets."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from config.columns import now
from tickets.provider import MAX_BATCH, Comment, Role
from tickets.providers.zendesk.client import ZendeskClient, take
from tickets.providers.zendesk.mapping import added_comment_id, to_comment
from tickets.providers.zendesk.payloads import to_number
from tickets.providers.zendesk.people import ZendeskPeople
from tickets.providers.zendesk.responses import CommentRecord, CommentRecords, TicketUpdateRecord
from toolkit.errors import NotFound

_RETRY_WINDOW = timedelta(days=1)  # in which the earlier try of a call has been


class ZendeskComments:
    """The comments of an account's tickets."""

    def __init__(self, client: ZendeskClient, people: ZendeskPeople) -> None:
        self._client = client
        self._people = people

    async def for_ticket(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; of more than a hundred the last hundred."""
        try:
            records = await self._latest(to_number(ticket_id, "ticket"))
        except NotFound:
            return None
        # Those below zero are no users.
        authors = {each.author_id for each in records if each.author_id and each.author_id > 0}
        own_id, people = await asyncio.gather(
            self._client.own_user_id(), self._people.get_records([*authors])
        )
        roles: dict[int, Role | None] = {each.id: each.our_role for each in people}
        return [to_comment(each, own_id, roles) for each in records]

    async def add(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id."""
        ticket = to_number(ticket_id, "ticket")
        values = {"id": ticket, "comment": {"body": text, "public": public}}
        updated = await self._client.run(
            lambda zenpy, models: zenpy.tickets.update(models.Ticket(**values)),
            TicketUpdateRecord,
            writes=True,
        )
        return added_comment_id(updated)

    async def find_lost_create(self, ticket_id: str, text: str) -> str | None:
        """Return our own comment of the last day with the same words, if this is a retry."""
        return await self.find_lost(ticket_id, lambda body: body.split() == text.split())

    async def find_lost(self, ticket_id: str, matches: Callable[[str], bool]) -> str | None:
        """Return our own comment of the last day whose body matches, if this is a retry."""
        if not self._client.call.is_retry:
            return None
        records = await self._latest(to_number(ticket_id, "ticket"))
        own_id, since = await self._client.own_user_id(), now() - _RETRY_WINDOW
        ours = [each for each in records if each.author_id == own_id and _is_after(each, since)]
        return next((str(each.id) for each in reversed(ours) if matches(each.body or "")), None)

    async def _latest(self, ticket: int) -> Sequence[CommentRecord]:
        records = await self._client.run(
            lambda zenpy, _: take(zenpy.tickets.comments(ticket), MAX_BATCH),
            CommentRecords,
            query={"sort": "-created_at"},
        )
        return records.root[::-1]


def _is_after(record: CommentRecord, moment: datetime) -> bool:
    return record.created_at is not None and record.created_at > moment
