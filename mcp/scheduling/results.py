"""The models that the tools return."""

from pydantic import BaseModel, ConfigDict

from toolkit.middleware.results import Result


class OfferedSlot(BaseModel):
    """A free time: its handle, and how to say it."""

    model_config = ConfigDict(frozen=True)

    handle: str
    label: str


class SlotsResult(Result):
    """Free times; `more` says whether there are others."""

    offered: list[OfferedSlot]
    more: bool = False


class BookingDetails(BaseModel):
    """One booking."""

    model_config = ConfigDict(frozen=True)

    id: str
    service: str
    starts_at: str
    label: str
    name: str
    phone: str | None = None
    status: str


class BookingResult(BookingDetails, Result):
    """One booking, and what to say about it."""


class BookingListResult(Result):
    """A person's bookings."""

    bookings: list[BookingDetails]
