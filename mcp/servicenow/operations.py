"""What the tools share: whom and what a caller means, and sentences about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, TypeVar

from fastmcp.dependencies import Depends
from pydantic import Field

from servicenow import inputs
from servicenow.provider import (
    Change,
    Draft,
    Group,
    Kind,
    Record,
    Reference,
    ServiceDesk,
    User,
    Wanted,
)
from servicenow.registry import PROVIDERS
from servicenow.results import (
    SHORT,
    Detail,
    RecordAnswer,
    RecordList,
    listed,
    rows,
    shown,
)
from toolkit.errors import NotFound, Rejected
from toolkit.speech import phrases
from toolkit.speech.clock import CLOCK, Clock
from toolkit.speech.emails import email_address
from toolkit.speech.people import fold, is_similar, likeness
from toolkit.speech.text import cut
from toolkit.speech.when import parse_when
from toolkit.tenancy import tenant_provider

T = TypeVar("T", User, Group)

SERVICE: ServiceDesk = Depends(tenant_provider(PROVIDERS))

Name = Annotated[str, Field(min_length=1, max_length=120)]
Summary = Annotated[str, Field(min_length=1, max_length=160)]  # ServiceNow keeps no more
Words = Annotated[str, Field(min_length=1, max_length=4000)]

READING, WRITING = 8.0, 15.0  # seconds
ANYTHING_ELSE = "Is there anything else?"
_SAID = 90  # bytes of a text that is read back
_CHOICES = 3  # names that a caller is asked to choose from
_DAY_ENDS = time(23, 59)


@dataclass(frozen=True)
class Desk:
    """One tenant's service desk, at one moment."""

    service: ServiceDesk
    clock: Clock

    async def record(self, kind: Kind, said: str) -> Record:
        """Return the record that is meant.

        Raises:
            NotFound: there is none.
        """
        reference = inputs.reference(said, kind)
        found = await self.service.record(kind, reference) if _names(reference) else None
        if found is None:
            raise NotFound(
                f"There is no such {kind}.", say=f"I can't find that {kind}. What is its number?"
            )
        return found

    async def anything(self, said: str) -> str:
        """Return the id of the incident, the case or the task that is meant.

        Raises:
            NotFound: there is none.
        """
        reference = inputs.reference(said, "task")
        found = await self.service.anything(reference) if _names(reference) else None
        if found is None:
            raise NotFound("There is no such record.", say="I can't find that. What is its number?")
        return found.id

    async def person(self, said: str, *, contact: bool = False) -> User:
        """Return the user, or the customer's contact, whose id, address, login or name was said.

        Raises:
            NotFound: there is none.
            Rejected: there are several.
        """
        if user_id := inputs.reference(said, "task").id:
            found = await self.service.user(user_id, contact=contact)
            candidates = [found] if found else []
        elif address := email_address(said):
            people = await self.service.users(email=address, contact=contact)
            candidates = [each for each in people if _has(each, address)]
        else:
            name = " ".join(said.split())
            people = await self.service.users(name=name, contact=contact)
            candidates = _called(name, people)
        return _only(candidates, "person", "Who is it? What is the e-mail address?")

    async def group(self, said: str) -> Group:
        """Return the group that is meant.

        Raises:
            NotFound: there is none.
            Rejected: there are several.
        """
        return _only(await self.groups(said), "group", "Which group?")

    async def groups(self, said: str) -> list[Group]:
        """Return the groups that may be meant, the likeliest first."""
        group_id = inputs.reference(said, "task").id
        if group_id:
            return [each for each in await self.service.groups() if each.id == group_id]
        words = inputs.terms(said)
        found = _alike(said, await self.service.groups(words)) if words else []
        return found or _alike(said, await self.service.groups())

    def due(self, said: str) -> datetime:
        """Return when a thing is due: at the time that was said, or at the end of the day.

        Raises:
            Rejected: no day was said, or several.
        """
        wish = parse_when(said, self.clock.now, self.clock.zone)
        if wish is not None and wish.daytime.at is not None:
            return self.clock.moment(said)
        return datetime.combine(self.clock.day(said), _DAY_ENDS, self.clock.zone)

    async def list(self, wanted: Wanted, detail: Detail) -> RecordList:
        """Return the records that are wanted, as many as are asked for."""
        page = await self.service.query(wanted.model_copy(update={"limit": rows(detail)}))
        several = page.more or len(page.records) > SHORT
        return RecordList(
            say=_all(wanted.kind, page.records[:SHORT], more=several),
            records=[listed(record, detail) for record in page.records],
            more=page.more,
        )

    def tell(self, record: Record, detail: Detail) -> RecordAnswer:
        """Return a record, and what there is to say about it."""
        state = f"Its state is {record.state}" if record.state else "It has no state"
        group = f", with {cut(record.group.name, _SAID)}" if record.group else ""
        due = f" It is due {self.clock.said(record.due_at)}." if record.due_at else ""
        changed = record.updated_at
        last = f" It was last changed {self.clock.said(changed)}." if changed else ""
        say = f"{sentence(titled(record))}. {state}{group}.{due}{last}"
        return answer(record, say, detail)

    def to_be(
        self, change: Change, *, assignee: str | None = None, group: str | None = None
    ) -> str:
        """Return what is to change, as it is read back.

        Raises:
            Rejected: nothing is.
        """
        values = {
            "state": change.state,
            "urgency": change.urgency,
            "impact": change.impact,
            "priority": change.priority,
            "assigned to": assignee,
            "for the group": group,
            "due": self.clock.said(change.due_at) if change.due_at else None,
            "with the note": change.note,
        }
        told = [f"{name} {_briefly(value)}" for name, value in values.items() if value]
        if not told:
            raise Rejected(
                "Nothing is to change.",
                say="What should I change?",
                next="Call again with what is to change.",
            )
        return "; ".join(told)


def looked_for(text: str | None) -> tuple[str, ...]:
    """Return the words that something is looked for by.

    Raises:
        Rejected: the text has none.
    """
    words = inputs.terms(text) if text else ()
    if text and not words:
        raise Rejected("There is nothing to look for.", say="What should I look for?")
    return words


async def _open_desk(service: ServiceDesk = SERVICE, clock: Clock = CLOCK) -> Desk:
    return Desk(service, clock)


DESK: Desk = Depends(_open_desk)


def answer(record: Record, say: str, detail: Detail = "short") -> RecordAnswer:
    """Return a record, with what to say."""
    return RecordAnswer(say=say, **shown(record, detail).model_dump())


def asked(draft: Draft, who: User | None, group: Group | None) -> str:
    """Return the question whether to create a record: for whom it is, and with which group."""
    a = "An" if draft.kind == "incident" else "A"
    whose = f", for {cut(who.name, _SAID)}" if who else ""
    team = f", with {cut(group.name, _SAID)}" if group else ""
    return f"{a} {draft.kind} about {_briefly(draft.summary)}{whose}{team}. Shall I open it?"


def opened(record: Record) -> RecordAnswer:
    """Return a record that has been created."""
    number = inputs.aloud(record.number)
    return answer(record, f"Done, your {record.kind} is {number}. {ANYTHING_ELSE}")


def done(record: Record, change: Change) -> RecordAnswer:
    """Return a record that has been changed."""
    now = f"is now {record.state}" if change.state else "has been changed"
    number = inputs.aloud(record.number)
    return answer(record, f"Done, {record.kind} {number} {now}. {ANYTHING_ELSE}")


def titled(record: Record) -> str:
    """Return `incident INC 10001, No light in the hall`."""
    number = inputs.aloud(record.number)
    summary = f", {_briefly(record.summary)}" if record.summary else ""
    return f"{record.kind} {number}{summary}"


def sentence(text: str) -> str:
    """Return a text as a sentence begins."""
    return text[:1].upper() + text[1:]


def _briefly(text: str) -> str:
    """Return a text as a part of a sentence."""
    return cut(" ".join(text.split()), _SAID).rstrip(" .")


def _all(kind: Kind, found: Sequence[Record], *, more: bool) -> str:
    if not found:
        return f"I can't find any such {kind}."
    each = [f"{titled(record)}, {record.state}" for record in found]
    named = "; ".join(each)
    return f"Among others, there is {named}." if more else f"I have {named}."


def _names(reference: Reference) -> bool:
    return bool(reference.id or reference.numbers)


def _has(user: User, address: str) -> bool:
    return (user.email or "").casefold() == address.casefold()


def _called(name: str, people: Sequence[User]) -> list[User]:
    """Return those who sign in with a name, or else those who are called like it."""
    logins = [each for each in people if (each.login or "").casefold() == name.casefold()]
    return logins or _alike(name, people)


def _alike(said: str, found: Sequence[T]) -> list[T]:
    """Return those whose name is like what was said, the likeliest first."""
    exact = [each for each in found if fold(each.name) == fold(said)]
    near = [each for each in found if is_similar(said, each.name)]
    return exact or sorted(near, key=lambda each: -likeness(said, each.name))


def _only(found: Sequence[T], what: str, ask: str) -> T:
    if not found:
        raise NotFound(f"There is no such {what}.", say=f"I can't find that {what}. {ask}")
    if len(found) > 1:
        names = phrases.join_words([cut(each.name, _SAID) for each in found[:_CHOICES]])
        raise Rejected(
            f"Several may be meant: {names}.",
            say=f"I have {names}. {ask}",
            next="Call again with the id or the full name of the one who is meant.",
        )
    return found[0]
