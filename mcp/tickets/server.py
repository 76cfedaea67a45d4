"""The tickets server: its tools, in the order in which clients list them."""

from tickets.bulk_tools import (
    create_many_tickets,
    delete_many_tickets,
    merge_tickets,
    show_many_tickets,
    update_many_tickets,
)
from tickets.comment_tools import add_comment, list_ticket_comments
from tickets.organization_tools import (
    check_availability,
    get_organization,
    get_organization_tickets,
    log_call,
)
from tickets.registry import PROVIDERS
from tickets.ticket_tools import (
    add_tags,
    create_ticket,
    delete_ticket,
    list_problems,
    list_tickets,
    remove_tags,
    search,
    show_ticket,
    update_ticket,
)
from tickets.user_tools import (
    create_or_update_many_users,
    create_or_update_user,
    create_user,
    delete_user,
    get_user,
    get_user_assigned_tickets,
    get_user_ccd_tickets,
    get_user_requested_tickets,
    list_users,
    search_users,
    show_many_users,
    update_many_users,
    update_user,
)
from toolkit.server.build import ServerSpec

TOOLS = (
    create_ticket,
    list_tickets,
    show_ticket,
    update_ticket,
    show_many_tickets,
    create_many_tickets,
    update_many_tickets,
    delete_ticket,
    delete_many_tickets,
    list_ticket_comments,
    add_comment,
    merge_tickets,
    list_problems,
    add_tags,
    remove_tags,
    search,
    get_user,
    list_users,
    search_users,
    create_user,
    update_user,
    delete_user,
    show_many_users,
    create_or_update_user,
    create_or_update_many_users,
    update_many_users,
    get_user_requested_tickets,
    get_user_assigned_tickets,
    get_user_ccd_tickets,
    get_organization,
    get_organization_tickets,
    log_call,
    check_availability,
)
SERVER = ServerSpec(
    "tickets",
    "Tickets, their comments, and the people they are about. Tickets are passed on by their id.",
    TOOLS,
    providers=PROVIDERS,
)
