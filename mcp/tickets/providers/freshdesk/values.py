"""Freshdesk's numbers and names for statuses, priorities and types."""

from collections.abc import Mapping

from tickets.provider import Priority, TicketType

OPEN, PHONE = 2, 3  # the status and the source of a new ticket
OUTBOUND_EMAIL = 10
# E-mail, portal, phone, chat and feedback widget: what a customer has begun.
CUSTOMER_SOURCES = frozenset({1, 2, PHONE, 7, 9})
STATUSES: Mapping[str, int] = {"new": 2, "open": 2, "pending": 3, "solved": 4, "closed": 5}
STATUS_NAMES: Mapping[int, str] = {2: "open", 3: "pending", 4: "solved", 5: "closed"}
PRIORITIES: Mapping[Priority, int] = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
PRIORITY_NAMES: Mapping[int, Priority] = {value: name for name, value in PRIORITIES.items()}
TYPES: Mapping[TicketType, str] = {
    "question": "Question",
    "incident": "Incident",
    "problem": "Problem",
    "task": "Task",
}
TYPE_NAMES: Mapping[str, TicketType] = {value.casefold(): name for name, value in TYPES.items()}
