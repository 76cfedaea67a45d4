"""The base of the fake ticket vendors, and the records that each of them is seeded with.

A vendor's tests have a subclass of `TicketVendor`, which stores records and answers requests as the
vendor would:

* `seed()` stores `ORGANIZATION`, `PEOPLE` and `TICKETS` and returns their ids. It is called once,
  before anything else.
* `list_tickets()`, `list_comments(ticket)` and `list_users()` return what is stored, in our words.
* `answer()`, `base`, `specification`, `uncovered` and `reading_posts` are those of
  `tests.support.vendors.Vendor`. An id may hold any character: split `request.url.raw_path`
  before you unquote its segments.
* While `slow_jobs` is True, no job ends; a vendor without jobs ignores it.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from tests.support.vendors import Vendor

ORGANIZATION = "Corner Bakery"


@dataclass(frozen=True)
class Person:
    """A user. `member` is whether they belong to `ORGANIZATION`."""

    name: str
    email: str
    phone: str | None = None
    role: str = "customer"
    member: bool = False


@dataclass(frozen=True)
class TicketCase:
    """A ticket. People are keys of `PEOPLE`; comments are (author, text), all of them public."""

    subject: str
    text: str
    status: str
    priority: str
    type: str
    requester: str
    assignee: str | None = None
    copied: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    comments: tuple[tuple[str, str], ...] = ()


PEOPLE = {
    # Available for calls; not the one whose account we use.
    "agent": Person("Mara Lindqvist", "mara.lindqvist@desk.example", role="agent"),
    "katherine": Person(
        "Katherine Brandt", "katherine.brandt@bakery.example", "+49 30 5550142", member=True
    ),
    "tomasz": Person("Tomasz Nowak", "tomasz.nowak@example.net", "+48 22 5550177"),
}
TICKETS = {
    "oven": TicketCase(
        subject="Oven stays cold",
        text="The big oven does not heat since Monday.",
        status="open",
        priority="high",
        type="incident",
        requester="katherine",
        assignee="agent",
        copied=("tomasz",),
        tags=("oven",),
        comments=(("agent", "A technician is on the way."), ("katherine", "Good to know.")),
    ),
    "scale": TicketCase(
        subject="Scale shows nothing",
        text="Its display is dark.",
        status="open",
        priority="normal",
        type="problem",
        requester="tomasz",
    ),
}


@dataclass(frozen=True)
class Seed:
    """The ids of the seeded records."""

    organization: str
    agent: str
    katherine: str
    tomasz: str
    oven: str
    scale: str


class TicketVendor(Vendor):
    """A fake vendor of tickets."""

    slow_jobs: bool = False

    @abstractmethod
    def seed(self) -> Seed:
        """Store the seeded records and return their ids."""

    @abstractmethod
    def list_tickets(self) -> list[dict[str, Any]]:
        """Return the stored tickets.

        Keys: id, subject, text, status, priority, tags (a sorted list), requester, assignee.
        """

    @abstractmethod
    def list_comments(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's comments, oldest first. Keys: text, public."""

    @abstractmethod
    def list_users(self) -> list[dict[str, Any]]:
        """Return the stored users. Keys: id, name, email, phone."""
