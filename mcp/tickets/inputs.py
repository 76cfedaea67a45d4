"""What the tools are given, and how it is made ours: spoken numbers and addresses, tidy words."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.text import clean, clean_all
from tickets.provider import (
    MOST,
    STATUSES,
    Change,
    Draft,
    FieldName,
    Priority,
    TicketType,
    UserDraft,
    Value,
)
from toolkit.errors import NotFound, Rejected
from toolkit.speech.emails import email_address
from toolkit.speech.numbers import phone_number
from toolkit.speech.people import number_in

Id = Annotated[str, Field(min_length=1, max_length=100)]
Line = Annotated[str, Field(min_length=1, max_length=300)]
Words = Annotated[str, Field(min_length=1, max_length=10_000)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST)]
Tags = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=80)]], Field(min_length=1, max_length=20)
]
FieldValues = Annotated[dict[FieldName, Value | None], Field(max_length=50)]
Detail = Literal["short", "full"]


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NewTicket(_Input):
    """A ticket to be opened."""

    subject: Line
    text: Words
    requester: Id | None = None
    requester_name: Line | None = None
    requester_email: Line | None = None
    requester_phone: Line | None = None
    assignee: Id | None = None
    priority: Priority | None = None
    type: TicketType | None = None
    tags: Tags | None = None
    fields: FieldValues | None = None

    def draft(self) -> Draft:
        """Return the ticket in the protocol's words."""
        name = self.requester_name
        return Draft(
            subject=tidy(worded(self.subject)),
            text=worded(self.text),
            requester=known_id(self.requester) if self.requester else None,
            requester_name=tidy(worded(name)) if name else None,
            requester_email=address(self.requester_email) if self.requester_email else None,
            requester_phone=number(self.requester_phone) if self.requester_phone else None,
            assignee=known_id(self.assignee) if self.assignee else None,
            priority=self.priority,
            type=self.type,
            tags=labels(self.tags),
            fields=clean_all(self.fields or {}),
        )


class NewUser(_Input):
    """A user, with what is known of them."""

    name: Line | None = None
    email: Line | None = None
    phone: Line | None = None
    organization: Line | None = None

    def draft(self, user: str | None = None) -> UserDraft:
        """Return the user in the protocol's words; `user` is the id of one who exists."""
        return UserDraft(
            id=user,
            name=tidy(worded(self.name)) if self.name else None,
            email=address(self.email) if self.email else None,
            phone=number(self.phone) if self.phone else None,
            organization=tidy(worded(self.organization)) if self.organization else None,
        )


class ChangedUser(NewUser):
    """A user who exists, with what is to change."""

    id: Id


class Who(BaseModel):
    """A person as a caller names them: one of the three."""

    model_config = ConfigDict(frozen=True)

    name: str | None = None
    email: str | None = None
    phone: str | None = None


def who(text: str) -> Who:
    """Return whether a name, an e-mail address or a phone number was said."""
    if email := email_address(text):
        return Who(email=email)
    if phone := number_in(text):
        return Who(phone=phone)
    return Who(name=tidy(text))


def address(text: str) -> str:
    """Return an e-mail address.

    Raises:
        Rejected: it is none.
    """
    found = email_address(text)
    if found is None:
        raise Rejected("That is no e-mail address.", say="How is your e-mail address spelled?")
    return found


def number(text: str) -> str:
    """Return a phone number in digits.

    Raises:
        Rejected: it is none.
    """
    found = phone_number(text)
    if found is None:
        raise Rejected("That is no phone number.", say="What is the phone number again?")
    return found


def known_id(text: str, what: str = "record") -> str:
    """Return an id as it is written, without the number sign that people put before it.

    Raises:
        NotFound: nothing is left of it.
    """
    found = text.strip().removeprefix("#").strip()
    if not found:
        raise NotFound(f"There is no such {what}.")
    return found


def known_ids(texts: list[str], what: str) -> list[str]:
    """Return ids, each once, in their order."""
    return [*dict.fromkeys(known_id(text, what) for text in texts)]


def labels(tags: list[str] | None) -> tuple[str, ...]:
    """Return tags as desks keep them: in one word, each once."""
    words = (tidy(tag).replace(" ", "_") for tag in tags or ())
    return tuple(dict.fromkeys(word for word in words if word))


def standing(status: str | None) -> str | None:
    """Return a status: one of ours in whatever case, or the business's own as it is."""
    if status is None:
        return None
    word = tidy(status)
    return word.casefold() if word.casefold() in STATUSES else word


def tidy(text: str) -> str:
    """Return a line with single spaces."""
    return " ".join(clean(text).split())


def worded(text: str) -> str:
    """Return a text without what nobody can see.

    Raises:
        Rejected: nothing is left of it.
    """
    found = clean(text).strip()
    if not found:
        raise Rejected("There is nothing in that text.", say="What should I write?")
    return found


def change_of(
    ticket: str,
    *,
    subject: str | None,
    status: str | None,
    priority: Priority | None,
    type: TicketType | None,
    assignee: str | None,
    add_tags: list[str] | None,
    remove_tags: list[str] | None,
    fields: dict[str, Value | None] | None,
) -> Change:
    """Return what is to change of a ticket.

    Raises:
        Rejected: nothing is.
    """
    change = Change(
        id=ticket,
        subject=tidy(worded(subject)) if subject else None,
        status=standing(status),
        priority=priority,
        type=type,
        assignee=known_id(assignee, "agent") if assignee else None,
        add_tags=labels(add_tags),
        remove_tags=labels(remove_tags),
        fields=clean_all(fields or {}),
    )
    if change == Change(id=ticket):
        raise Rejected(
            "Nothing is to change.",
            say="What should I change?",
            next="Call again with what is to change.",
        )
    return change
