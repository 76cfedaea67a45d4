"""The tools for a ticket's comments, as the model sees them."""

from fastmcp.tools import tool

from tickets.inputs import Detail, Id, Words, known_id, tidy, worded
from tickets.operations import ANYTHING_ELSE, DESK, READING, WRITING, ticket_of, titled
from tickets.provider import TicketProvider
from tickets.results import COMMENTS, SHORT, AddedComment, CommentList, listed_comment
from toolkit.effects import READS, WRITES
from toolkit.errors import NotFound
from toolkit.middleware.confirmation import confirm
from toolkit.speech.text import cut

_READ_BACK = 200  # bytes


@tool(title="List a ticket's comments", annotations=READS, timeout=READING)
async def list_ticket_comments(
    ticket: Id, detail: Detail = "short", desk: TicketProvider = DESK
) -> CommentList:
    """List a ticket's last comments, oldest first. detail full: all, with their whole text."""
    wanted, full = known_id(ticket, "ticket"), detail == "full"
    found = await desk.comments(wanted)
    if found is None:
        raise NotFound("There is no such ticket.")
    shown = found[-(COMMENTS if full else SHORT) :]
    last = f" The last one says: {cut(tidy(shown[-1].text), _READ_BACK)}" if shown else ""
    how_many = {0: "no comments", 1: "one comment"}.get(len(found), f"{len(found)} comments")
    return CommentList(
        say=f"Ticket {wanted} has {how_many}.{last}",
        ticket=wanted,
        comments=[listed_comment(each, full=full) for each in shown],
        more=len(found) > len(shown),
    )


@tool(
    title="Comment on a ticket",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITING,
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
    ticket: Id, text: Words, public: bool = True, desk: TicketProvider = DESK
) -> AddedComment:
    """Add a comment to a ticket. public: whether the customer sees it."""
    wanted, comment = known_id(ticket, "ticket"), worded(text)
    if before := await desk.find_lost_comment(wanted, comment):
        return _commented(wanted, before)
    found = await ticket_of(desk, wanted)
    read_back = cut(tidy(comment), _READ_BACK).rstrip(".!?")
    confirm(f"In {titled(found)}: {read_back}. Shall I add that?")
    return _commented(found.id, await desk.comment(found.id, comment, public=public))


def _commented(ticket: str, comment: str) -> AddedComment:
    say = f"Done, that is now in ticket {ticket}. {ANYTHING_ELSE}"
    return AddedComment(say=say, id=comment, ticket=ticket)
