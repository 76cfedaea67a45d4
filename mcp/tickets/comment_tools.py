"""The tools for a ticket's comments."""

from fastmcp.tools import tool

from tickets import sentences
from tickets.inputs import Detail, Id, LongText, to_id, to_line, to_text
from tickets.operations import PROVIDER, READ_TIMEOUT, WRITE_TIMEOUT, require_ticket
from tickets.provider import TicketProvider
from tickets.results import MAX_COMMENTS, SHORT, AddedComment, CommentList, comment_row
from toolkit.effects import READS, WRITES
from toolkit.errors import NotFound
from toolkit.middleware.confirmation import confirm


@tool(title="List a ticket's comments", annotations=READS, timeout=READ_TIMEOUT)
async def list_ticket_comments(
    ticket: Id, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> CommentList:
    """List a ticket's last comments, oldest first. detail full: all, with their whole text."""
    ticket_id, full = to_id(ticket, "ticket"), detail == "full"
    comments = await provider.comments.for_ticket(ticket_id)
    if comments is None:
        raise NotFound("There is no such ticket.")
    shown = comments[-(MAX_COMMENTS if full else SHORT) :]
    last = to_line(shown[-1].text) if shown else ""
    return CommentList(
        say=sentences.describe_comments(ticket_id, len(comments), last),
        ticket=ticket_id,
        comments=[comment_row(each, full=full) for each in shown],
        more=len(comments) > len(shown),
    )


@tool(
    title="Comment on a ticket",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITE_TIMEOUT,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "Please add to ticket 4711 that it is cold in the kitchen, too.",
                    "arguments": {"ticket": "4711", "text": "It is cold in the kitchen, too."},
                }
            ]
        }
    },
)
async def add_comment(
    ticket: Id, text: LongText, public: bool = True, provider: TicketProvider = PROVIDER
) -> AddedComment:
    """Add a comment to a ticket. public: whether the customer sees it."""
    ticket_id, comment = to_id(ticket, "ticket"), to_text(text)
    if lost := await provider.comments.find_lost_create(ticket_id, comment):
        return _added(ticket_id, lost)
    found = await require_ticket(provider, ticket_id)
    confirm(sentences.confirm_comment(found, to_line(comment)))
    return _added(found.id, await provider.comments.add(found.id, comment, public=public))


def _added(ticket_id: str, comment_id: str) -> AddedComment:
    say = sentences.say("comment_added", ticket=ticket_id)
    return AddedComment(say=say, id=comment_id, ticket=ticket_id)
