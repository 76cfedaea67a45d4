"""Freshdesk's comments of tickets: replies and notes, which it calls conversations."""

from tickets.provider import Comment
from tickets.providers.freshdesk import responses
from tickets.providers.freshdesk.client import (
    FreshdeskClient,
    is_number,
    is_since,
    retry_window_start,
    to_number,
)
from tickets.providers.freshdesk.mapping import description_comment, to_comment
from tickets.providers.freshdesk.matching import is_same_text
from tickets.providers.freshdesk.payloads import to_html
from tickets.providers.freshdesk.reader import TicketReader

_MAX_PAGES = 10  # of conversations


class FreshdeskComments:
    """The comments of an account's tickets."""

    def __init__(self, client: FreshdeskClient) -> None:
        self._client = client
        self._reader = TicketReader(client)

    async def for_ticket(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's description, its replies and its notes, oldest first."""
        ticket = await self._reader.find(ticket_id)
        if ticket is None:
            return None
        conversations = await self._conversations(ticket_id)
        own_id = await self._client.own_agent_id()
        comments = sorted((to_comment(each, own_id) for each in conversations), key=_created_at)
        return [description_comment(ticket), *comments]

    async def add(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Reply to the requester, by e-mail; or add a private note, which only agents see."""
        to_number(ticket_id, "ticket")
        body = {"body": to_html(text)}
        kind, values = ("reply", {}) if public else ("notes", {"private": True})
        path = ("tickets", ticket_id, kind)
        added = await self._client.send("POST", responses.Created, *path, json={**body, **values})
        return str(added.id)

    async def find_lost_create(self, ticket_id: str, text: str) -> str | None:
        """Return our own comment of the last day with that text, if this is a retry."""
        if not self._client.call.is_retry or not is_number(ticket_id):
            return None
        since = retry_window_start()
        own_id = await self._client.own_agent_id()
        for each in reversed(await self._conversations(ticket_id)):
            is_ours = each.user_id == own_id and not each.incoming
            is_recent = is_since(each.created_at, since)
            if is_ours and is_recent and is_same_text(each.body_text, text):
                return str(each.id)
        return None

    async def _conversations(self, ticket_id: str) -> list[responses.Conversation]:
        path = ("tickets", ticket_id, "conversations")
        pages = await self._client.get_pages(responses.Conversations, *path, pages=_MAX_PAGES)
        return pages[0]


def _created_at(comment: Comment) -> float:
    return comment.created_at.timestamp() if comment.created_at else 0.0
