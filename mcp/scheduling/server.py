"""The scheduling server: its tools, in the order of the catalogue."""

from scheduling.booking_tools import (
    cancel_booking,
    create_booking,
    get_available_slots,
    get_booking,
    list_bookings,
    reschedule_booking,
)
from scheduling.providers.builtin.provider import calendar_names
from scheduling.registry import PROVIDERS
from toolkit.server.build import ServerSpec

TOOLS = (
    get_available_slots,
    create_booking,
    get_booking,
    list_bookings,
    reschedule_booking,
    cancel_booking,
)
SERVER = ServerSpec(
    "scheduling",
    "Free times and bookings. Times are passed on as handles or in the caller's own words.",
    TOOLS,
    providers=PROVIDERS,
    named_records=calendar_names,
)
