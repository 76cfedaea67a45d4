"""Finds the records, users and groups that callers name, and builds the tools' results."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, TypeVar

from fastmcp.dependencies import Depends

from servicenow import sentences
from servicenow.inputs import parse_record_key, parse_search_terms
from servicenow.provider import (
    Group,
    Kind,
    Record,
    RecordChange,
    RecordKey,
    SearchQuery,
    ServiceNowProvider,
    User,
)
from servicenow.registry import PROVIDERS
from servicenow.results import (
    SHORT_ROWS,
    Detail,
    RecordListResult,
    RecordResult,
    max_rows,
    to_record_row,
    to_record_view,
)
from toolkit.errors import NotFound, Rejected
from toolkit.instants import first_moment
from toolkit.speech import phrases
from toolkit.speech.clock import CLOCK, Clock
from toolkit.speech.emails import spoken_email
from toolkit.speech.people import fold, is_similar, similarity
from toolkit.speech.when import parse_when
from toolkit.tenancy import tenant_provider

T = TypeVar("T", User, Group)

READ_TIMEOUT, WRITE_TIMEOUT = 8.0, 15.0  # seconds
_MAX_CHOICES = 3  # names that a caller is asked to choose from
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class ServiceNowOperations:
    """One tenant's ServiceNow instance, and the tenant's clock."""

    provider: ServiceNowProvider
    clock: Clock

    async def get_record(self, kind: Kind, text: str) -> Record:
        """Return the record that a caller named.

        Raises:
            NotFound: there is none.
        """
        key = parse_record_key(text, kind)
        record = await self.provider.get_record(kind, key) if _is_key(key) else None
        if record is None:
            say = sentences.say("no_such_record", kind=kind)
            raise NotFound(f"There is no such {kind}.", say=say)
        return record

    async def find_task_record_id(self, text: str) -> str:
        """Return the id of the incident, case or task that a caller named.

        Raises:
            NotFound: there is none.
        """
        key = parse_record_key(text, "task")
        record = await self.provider.find_task_record(key) if _is_key(key) else None
        if record is None:
            raise NotFound("There is no such record.", say=sentences.say("no_such_number"))
        return record.id

    async def find_user(self, text: str, *, contact: bool = False) -> User:
        """Return the user with this id, e-mail address, login or name.

        With `contact` a customer's contact is searched for instead.

        Raises:
            NotFound: there is none, or they have left.
            Rejected: there are several.
        """
        if user_id := parse_record_key(text, "task").id:
            user = await self.provider.get_user(user_id, contact=contact)
            if user and not user.active:
                say = sentences.say("person_gone")
                raise NotFound("That person's account is no longer active.", say=say)
            candidates = [user] if user else []
        elif address := spoken_email(text):
            users = await self.provider.find_users(email=address, contact=contact)
            candidates = with_email(users, address)
        else:
            name = " ".join(text.split())
            users = await self.provider.find_users(name=name, contact=contact)
            candidates = _with_login_or_name(users, name)
        return _require_one(candidates, "person")

    async def find_group(self, text: str) -> Group:
        """Return the group that a caller named.

        Raises:
            NotFound: there is none.
            Rejected: there are several.
        """
        return _require_one(await self.find_groups(text), "group")

    async def find_groups(self, text: str) -> list[Group]:
        """Return the group with this id, or those with a similar name, the most similar first."""
        group_id = parse_record_key(text, "task").id
        if group_id:
            return [each for each in await self.provider.find_groups() if each.id == group_id]
        terms = parse_search_terms(text)
        groups = _similar(text, await self.provider.find_groups(terms)) if terms else []
        return groups or _similar(text, await self.provider.find_groups())

    def parse_due(self, text: str) -> datetime:
        """Return a due time: the time that was said, or the end of the day that was said.

        Raises:
            Rejected: no day was said, or several.
        """
        request = parse_when(text, self.clock.now, self.clock.zone)
        if request is not None and request.daytime.at is not None:
            return self.clock.parse_datetime(text)
        next_day = self.clock.parse_day(text) + _DAY
        return first_moment(next_day, time.min, self.clock.zone) - _MINUTE

    async def list_records(self, query: SearchQuery, detail: Detail) -> RecordListResult:
        """Return the records that a query finds, as many rows as `detail` allows."""
        page = await self.provider.query(query.model_copy(update={"limit": max_rows(detail)}))
        more = page.more or len(page.records) > SHORT_ROWS
        return RecordListResult(
            say=sentences.describe_records(query.kind, page.records[:SHORT_ROWS], more=more),
            records=[to_record_row(record, detail) for record in page.records],
            more=page.more,
        )

    def to_result(self, record: Record, detail: Detail) -> RecordResult:
        """Return a record, and sentences about it."""
        due = self.clock.describe(record.due_at) if record.due_at else None
        updated = self.clock.describe(record.updated_at) if record.updated_at else None
        say = sentences.describe_record(record, due, updated)
        return _to_record_result(record, say, detail)

    def describe_change(
        self, change: RecordChange, *, assignee: User | None = None, group: Group | None = None
    ) -> str:
        """Return what is to change, as it is read back.

        Raises:
            Rejected: nothing is.
        """
        changes = sentences.describe_changes(
            {
                "state": change.state,
                "urgency": change.urgency,
                "impact": change.impact,
                "priority": change.priority,
                "assignee": assignee.name if assignee else None,
                "group": group.name if group else None,
                "due": self.clock.describe(change.due_at) if change.due_at else None,
                "note": change.note,
            }
        )
        if not changes:
            raise Rejected(
                "Nothing is to change.",
                say=sentences.say("which_change"),
                next="Call again with what is to change.",
            )
        return changes


def require_search_terms(text: str | None) -> tuple[str, ...]:
    """Return the words to search for; none where there is no text.

    Raises:
        Rejected: the text has no words.
    """
    terms = parse_search_terms(text) if text else ()
    if text and not terms:
        raise Rejected("There is nothing to look for.", say=sentences.say("which_words"))
    return terms


def creation_result(record: Record) -> RecordResult:
    """Return the result of a tool that has created a record."""
    return _to_record_result(record, sentences.creation_done(record))


def update_result(record: Record, change: RecordChange) -> RecordResult:
    """Return the result of a tool that has changed a record."""
    say = sentences.update_done(record, state_changed=bool(change.state))
    return _to_record_result(record, say)


def with_email(users: Sequence[User], address: str) -> list[User]:
    """Return the users with exactly this e-mail address, in upper or lower case."""
    return [each for each in users if (each.email or "").casefold() == address.casefold()]


def _to_record_result(record: Record, say: str, detail: Detail = "short") -> RecordResult:
    return RecordResult(say=say, **to_record_view(record, detail).model_dump())


def _is_key(key: RecordKey) -> bool:
    return bool(key.id or key.numbers)


def _with_login_or_name(users: Sequence[User], name: str) -> list[User]:
    """Return the users with this login, or else those with a similar name."""
    logins = [each for each in users if (each.login or "").casefold() == name.casefold()]
    return logins or _similar(name, users)


def _similar(name: str, candidates: Sequence[T]) -> list[T]:
    """Return those with this very name, or else those with a similar one, best first."""
    exact = [each for each in candidates if fold(each.name) == fold(name)]
    near = [each for each in candidates if is_similar(name, each.name)]
    return exact or sorted(near, key=lambda each: -similarity(name, each.name))


def _require_one(candidates: Sequence[T], what: Literal["person", "group"]) -> T:
    if not candidates:
        raise NotFound(f"There is no such {what}.", say=sentences.say("not_found", what=what))
    if len(candidates) > 1:
        choices = candidates[:_MAX_CHOICES]
        names = phrases.join_words([sentences.shorten_name(each.name) for each in choices])
        raise Rejected(
            f"Several may be meant: {names}.",
            say=sentences.say("several_found", what=what, names=names),
            next="Call again with the id or the full name of the one who is meant.",
        )
    return candidates[0]


_PROVIDER: ServiceNowProvider = Depends(tenant_provider(PROVIDERS))


async def _open_operations(
    provider: ServiceNowProvider = _PROVIDER, clock: Clock = CLOCK
) -> ServiceNowOperations:
    return ServiceNowOperations(provider, clock)


OPERATIONS: ServiceNowOperations = Depends(_open_operations)
