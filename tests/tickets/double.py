"""A ticket desk as tests play it, and what is in each of them when a test begins.

A vendor's test brings one class, a `Desk` with a memory of its own, and answers requests from it
as the vendor would:

* `seed()` puts `ORGANIZATION`, `PEOPLE` and `TICKETS` into the memory, in the vendor's words, and
  returns their ids. It is called once, before anything else.
* `held()`, `said(ticket)` and `people()` show the memory in our words, so that tests can compare.
* `answer()`, `base`, `specification`, `uncovered` and `reading_posts` are those of
  `tests.support.vendors.Vendor`. An id may hold any character: split `request.url.raw_path`
  before you unquote its segments.
* `slow_jobs` is True when no job that is begun from now on may come to its end; a vendor without
  jobs ignores it.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from tests.support.vendors import Vendor

ORGANIZATION = "Corner Bakery"


@dataclass(frozen=True)
class Person:
    """Somebody the desk knows. `member` is whether they belong to `ORGANIZATION`."""

    name: str
    email: str
    phone: str | None = None
    role: str = "customer"
    member: bool = False


@dataclass(frozen=True)
class Case:
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
    "oven": Case(
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
    "scale": Case(
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
    """The ids of what is in the desk."""

    organization: str
    agent: str
    katherine: str
    tomasz: str
    oven: str
    scale: str


class Desk(Vendor):
    """A played vendor."""

    slow_jobs: bool = False

    @abstractmethod
    def seed(self) -> Seed:
        """Put what each test begins with into the memory."""

    @abstractmethod
    def held(self) -> list[dict[str, Any]]:
        """Return the tickets that are there.

        Keys: id, subject, text, status, priority, tags (a sorted list), requester, assignee.
        """

    @abstractmethod
    def said(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's comments, oldest first. Keys: text, public."""

    @abstractmethod
    def people(self) -> list[dict[str, Any]]:
        """Return the users who are there. Keys: id, name, email, phone."""
