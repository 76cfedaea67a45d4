"""The tools' argument types, and the conversion of arguments into the provider's models.

Addresses and numbers may be written or spoken, and texts may have any white space.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.text import clean, clean_all
from tickets.provider import (
    MAX_BATCH,
    STATUSES,
    FieldName,
    FieldValue,
    Priority,
    TicketChange,
    TicketDraft,
    TicketType,
    UserDraft,
)
from tickets.sentences import say
from toolkit.errors import NotFound, Rejected
from toolkit.speech.contact import optional_email, optional_phone
from toolkit.speech.emails import spoken_email
from toolkit.speech.people import as_phone_number

Id = Annotated[str, Field(min_length=1, max_length=100)]
ShortText = Annotated[str, Field(min_length=1, max_length=300)]
LongText = Annotated[str, Field(min_length=1, max_length=10_000)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MAX_BATCH)]
Tags = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=80)]], Field(min_length=1, max_length=20)
]
FieldValues = Annotated[dict[FieldName, FieldValue | None], Field(max_length=50)]
Detail = Literal["short", "full"]


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NewTicket(_Input):
    """A ticket to be opened."""

    subject: ShortText
    text: LongText
    requester: Id | None = None
    requester_name: ShortText | None = None
    requester_email: ShortText | None = None
    requester_phone: ShortText | None = None
    assignee: Id | None = None
    priority: Priority | None = None
    type: TicketType | None = None
    tags: Tags | None = None
    fields: FieldValues | None = None

    def to_draft(self) -> TicketDraft:
        """Return the ticket as the provider's model."""
        name = self.requester_name
        return TicketDraft(
            subject=to_line(to_text(self.subject)),
            text=to_text(self.text),
            requester=to_id(self.requester) if self.requester else None,
            requester_name=to_line(to_text(name)) if name else None,
            requester_email=optional_email(self.requester_email),
            requester_phone=optional_phone(self.requester_phone),
            assignee=to_id(self.assignee) if self.assignee else None,
            priority=self.priority,
            type=self.type,
            tags=to_tags(self.tags),
            fields=clean_all(self.fields or {}),
        )


class NewUser(_Input):
    """A user, with what is known of them."""

    name: ShortText | None = None
    email: ShortText | None = None
    phone: ShortText | None = None
    organization: ShortText | None = None

    def to_draft(self, user_id: str | None = None) -> UserDraft:
        """Return the user as the provider's model; `user_id` is the id of one who exists."""
        return UserDraft(
            id=user_id,
            name=to_line(to_text(self.name)) if self.name else None,
            email=optional_email(self.email),
            phone=optional_phone(self.phone),
            organization=to_line(to_text(self.organization)) if self.organization else None,
        )


class ChangedUser(NewUser):
    """A user who exists, with what is to change."""

    id: Id


class Person(BaseModel):
    """A person as a caller names them; one of the three is set."""

    model_config = ConfigDict(frozen=True)

    name: str | None = None
    email: str | None = None
    phone: str | None = None


def parse_person(text: str) -> Person:
    """Return the e-mail address or the phone number in a text, else the text as a name."""
    if email := spoken_email(text):
        return Person(email=email)
    if phone := as_phone_number(text):
        return Person(phone=phone)
    return Person(name=to_line(text))


def to_id(text: str, what: str = "record") -> str:
    """Return an id without the number sign that people put before it.

    Raises:
        NotFound: nothing is left of it; `what` is named in the message.
    """
    id = text.strip().removeprefix("#").strip()
    if not id:
        raise NotFound(f"There is no such {what}.")
    return id


def to_ids(texts: list[str], what: str) -> list[str]:
    """Return ids without repeats, in their order."""
    return [*dict.fromkeys(to_id(text, what) for text in texts)]


def to_tags(texts: list[str] | None) -> tuple[str, ...]:
    """Return tags without repeats, each as one word: vendors allow no spaces."""
    words = (to_line(text).replace(" ", "_") for text in texts or ())
    return tuple(dict.fromkeys(word for word in words if word))


def to_status(text: str | None) -> str | None:
    """Return one of our statuses in lower case, or the tenant's own as it is."""
    if text is None:
        return None
    status = to_line(text)
    return status.casefold() if status.casefold() in STATUSES else status


def to_line(text: str) -> str:
    """Return a text in one line, with single spaces and without control characters."""
    return " ".join(clean(text).split())


def to_text(text: str) -> str:
    """Return a text without control characters, and without white space around it.

    Raises:
        Rejected: nothing is left of it.
    """
    cleaned = clean(text).strip()
    if not cleaned:
        raise Rejected("There is nothing in that text.", say=say("which_text"))
    return cleaned


def to_change(
    ticket_id: str,
    *,
    subject: str | None,
    status: str | None,
    priority: Priority | None,
    type: TicketType | None,
    assignee: str | None,
    add_tags: list[str] | None,
    remove_tags: list[str] | None,
    fields: dict[str, FieldValue | None] | None,
) -> TicketChange:
    """Return the changes of one ticket.

    Raises:
        Rejected: there is nothing to change.
    """
    change = TicketChange(
        id=ticket_id,
        subject=to_line(to_text(subject)) if subject else None,
        status=to_status(status),
        priority=priority,
        type=type,
        assignee=to_id(assignee, "agent") if assignee else None,
        add_tags=to_tags(add_tags),
        remove_tags=to_tags(remove_tags),
        fields=clean_all(fields or {}),
    )
    if change == TicketChange(id=ticket_id):
        raise Rejected(
            "Nothing is to change.",
            say=say("which_change"),
            next="Call again with what is to change.",
        )
    return change
