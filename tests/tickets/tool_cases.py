"""For each tool: arguments that work, its argument for an id, and the errors of a fault."""

from collections.abc import Mapping
from typing import Any

from tests.support.faults import READ_ERRORS, WRITE_ERRORS
from tests.support.vendor_contract import reading_tools
from tests.tickets.double import Seed
from tickets.server import SERVER

_REFUSALS = ("404", "409", "422")

READ_TOOLS = reading_tools(tuple(SERVER.tools))
BULK_TOOLS = frozenset(
    {
        *("create_many_tickets", "update_many_tickets", "delete_many_tickets", "merge_tickets"),
        *("create_or_update_many_users", "update_many_users"),
    }
)
# Tools that return an empty list where the vendor finds nothing.
_LISTS = frozenset(
    {
        *("list_tickets", "list_problems", "search", "show_many_tickets"),
        *("list_users", "search_users", "show_many_users", "check_availability"),
    }
)
_UPSERT = "create_or_update_user"


def expected_errors(tool: str, fault: str) -> frozenset[str | None]:
    """Return the errors that a tool may report for a fault; None is success."""
    if tool in READ_TOOLS:
        kinds: set[str | None] = {READ_ERRORS[fault]}
        return frozenset(kinds | {None} if tool in _LISTS and fault == "404" else kinds)
    kind = WRITE_ERRORS[fault]
    if fault in _REFUSALS and tool in BULK_TOOLS:
        return frozenset({kind, None})  # each record may be refused for itself
    if fault in _REFUSALS and tool == _UPSERT:
        return frozenset({kind, "rejected"})  # one record of a bulk call of the vendor's
    return frozenset({kind})


def valid_arguments(seed: Seed) -> Mapping[str, dict[str, Any]]:
    """Return arguments that work, by tool: one table for all tools.

    Long because it is one table.
    """
    both = {"tickets": [seed.oven, seed.scale]}
    ines = {"name": "Ines Moreau", "email": "ines.moreau@example.org"}
    ticket = {
        "subject": "Mixer hums",
        "text": "It hums since this morning.",
        "requester": seed.katherine,
    }
    return {
        "create_ticket": ticket,
        "list_tickets": {},
        "show_ticket": {"ticket": seed.oven},
        "update_ticket": {"ticket": seed.oven, "priority": "low"},
        "show_many_tickets": both,
        "create_many_tickets": {"tickets": [ticket, {**ticket, "subject": "Mixer stops"}]},
        "update_many_tickets": {**both, "priority": "low"},
        "delete_ticket": {"ticket": seed.oven},
        "delete_many_tickets": both,
        "list_ticket_comments": {"ticket": seed.oven},
        "add_comment": {"ticket": seed.oven, "text": "It is needed on Friday."},
        "merge_tickets": {"into": seed.oven, "tickets": [seed.scale], "comment": "The same."},
        "list_problems": {},
        "add_tags": {"ticket": seed.oven, "tags": ["late"]},
        "remove_tags": {"ticket": seed.oven, "tags": ["oven"]},
        "search": {"text": "oven"},
        "get_user": {"user": seed.katherine},
        "list_users": {},
        "search_users": {"text": "Katherine Brandt"},
        "create_user": ines,
        "update_user": {"user": seed.katherine, "name": "Katherine Braun"},
        "delete_user": {"user": seed.katherine},
        "show_many_users": {"users": [seed.katherine, seed.tomasz]},
        "create_or_update_user": ines,
        "create_or_update_many_users": {
            "users": [ines, {"name": "Joao Lima", "email": "joao.lima@example.org"}]
        },
        "update_many_users": {
            "users": [
                {"id": seed.katherine, "name": "Katherine Braun"},
                {"id": seed.tomasz, "name": "Tomasz A. Nowak"},
            ]
        },
        "get_user_requested_tickets": {"user": seed.katherine},
        "get_user_assigned_tickets": {"user": seed.agent},
        "get_user_ccd_tickets": {"user": seed.tomasz},
        "get_organization": {"organization": seed.organization},
        "get_organization_tickets": {"organization": seed.organization},
        "log_call": {
            "phone": "+49 30 5550142",
            "direction": "inbound",
            "minutes": 4,
            "summary": "Asked when the technician comes.",
            "ticket": seed.oven,
        },
        "check_availability": {"agent": seed.agent},
    }


# Texts that a caller may say, or a client may send, in place of an id.
HOSTILE_IDS = ("../x", "..", "a/b?c#d", "%2e%2e", "' OR 1=1 --", " ")
# The argument of each tool that names a record by its id.
ID_ARGUMENTS = {
    **dict.fromkeys(("show_ticket", "update_ticket", "delete_ticket", "add_comment"), "ticket"),
    **dict.fromkeys(("list_ticket_comments", "add_tags", "remove_tags", "log_call"), "ticket"),
    **dict.fromkeys(("show_many_tickets", "update_many_tickets", "delete_many_tickets"), "tickets"),
    "merge_tickets": "into",
    **dict.fromkeys(("get_user", "update_user", "delete_user", "get_user_ccd_tickets"), "user"),
    **dict.fromkeys(("get_user_requested_tickets", "get_user_assigned_tickets"), "user"),
    "show_many_users": "users",
    **dict.fromkeys(("get_organization", "get_organization_tickets"), "organization"),
    "check_availability": "agent",
}
