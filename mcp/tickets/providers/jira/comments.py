"""Jira's comments of issues."""

from tickets.provider import Comment
from tickets.providers.jira import responses
from tickets.providers.jira.adf import to_adf
from tickets.providers.jira.client import JiraClient, Query
from tickets.providers.jira.mapping import to_comment
from tickets.providers.jira.marks import is_marked, mark_properties
from tickets.providers.jira.settings import JiraSettings
from tickets.providers.jira.tickets import require_key
from toolkit.errors import NotFound

_PAGE_SIZE = 100  # comments
_MAX_PAGES = 5
# Jira Service Management shows such a comment to agents only.
_INTERNAL = {"key": "sd.public.comment", "value": {"internal": True}}


class JiraComments:
    """The comments of an account's issues."""

    def __init__(self, client: JiraClient, settings: JiraSettings) -> None:
        self._client = client
        self._settings = settings

    async def for_ticket(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; of more than five hundred the last ones."""
        key = self._settings.issue_key(ticket_id)
        if key is None:
            return None
        try:
            newest_first = await self._client.at_current_key(key, self._all)
        except NotFound:
            return None
        own_id = await self._client.own_account_id()
        return [to_comment(each, own_id) for each in reversed(newest_first)]

    async def add(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id.

        One that is not public is internal in projects of Jira Service Management.
        """
        mark = mark_properties(self._client.call.idempotency_key)
        properties = [*mark, *([] if public else [_INTERNAL])]
        body = {"body": to_adf(text), "properties": properties}

        async def add(key: str) -> str:
            path = ("issue", key, "comment")
            return (await self._client.request("POST", path, responses.Comment, body=body)).id

        return await self._client.at_current_key(require_key(self._settings, ticket_id), add)

    async def find_lost_create(self, ticket_id: str, text: str) -> str | None:
        """Return the comment that has this call's mark, if this is a retry."""
        key = self._settings.issue_key(ticket_id)
        if not self._client.call.is_retry or key is None:
            return None
        try:
            page = await self._client.at_current_key(key, self._newest)
        except NotFound:
            return None
        ids = [int(each.id) for each in page.comments.root if each.id.isdecimal()]
        if not ids:
            return None
        # The list of an issue's comments has no properties; the list by ids has them.
        comments = await self._client.request(
            "POST",
            ("comment", "list"),
            responses.CommentList,
            query={"expand": "properties"},
            body={"ids": ids},
        )
        call = self._client.call.idempotency_key
        return next((each.id for each in comments.values if is_marked(each.properties, call)), None)

    async def _all(self, key: str) -> list[responses.Comment]:
        newest_first: list[responses.Comment] = []
        start = 0
        for _ in range(_MAX_PAGES):
            page = await self._newest(key, start)
            newest_first += page.comments.root
            start += page.comments.count
            if not page.comments.count or start >= page.total:
                break
        return newest_first

    async def _newest(self, key: str, start: int = 0) -> responses.CommentPage:
        path = ("issue", key, "comment")
        query: Query = {"orderBy": "-created", "startAt": start, "maxResults": _PAGE_SIZE}
        return await self._client.request("GET", path, responses.CommentPage, query=query)
