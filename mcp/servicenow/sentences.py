"""What callers are told about records, users, groups and articles."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from config.language.catalogue import Catalogue
from servicenow.provider import Article, Group, Kind, NewRecord, Record, User
from servicenow.results import SHORT_ROWS
from toolkit.speech import phrases
from toolkit.speech.text import cut

ChangedField = Literal["state", "urgency", "impact", "priority", "assignee", "group", "due", "note"]

_MAX_TEXT = 90  # bytes of a text that is read back
_MAX_GROUP = 60  # bytes of a group's name

say = Catalogue("servicenow")


def spoken_number(number: str) -> str:
    """Return a record's number as it is said: `INC 10001`."""
    match = re.fullmatch(r"([A-Z]+)0*(\d+)", number)
    return f"{match[1]} {match[2]}" if match else number


def shorten_text(text: str) -> str:
    """Return a text short enough to be read back, without a full stop."""
    return cut(" ".join(text.split()), _MAX_TEXT).rstrip(" .")


def shorten_name(name: str) -> str:
    """Return a name short enough to be said."""
    return cut(name, _MAX_TEXT)


def describe_record(record: Record, due: str | None, updated: str | None) -> str:
    """Return sentences about a record; `due` and `updated` are its times as they are said."""
    return say(
        "record",
        **_title(record),
        state=_state(record),
        group=shorten_name(record.group.name) if record.group else "",
        due=due or "",
        updated=updated or "",
        grouped=_yes(record.group),
        scheduled=_yes(due),
        dated=_yes(updated),
    )


def describe_records(kind: Kind, records: Sequence[Record], *, more: bool) -> str:
    """Return a sentence about records; `more` says that there are others."""
    if not records:
        return say("no_records", kind=kind)
    listed = [say("listed_record", **_title(each), state=_state(each)) for each in records]
    rows = phrases.list_words(listed, "semicolon")
    return say("records", records=rows, count=len(listed), more=_yes(more))


def describe_changes(values: Mapping[ChangedField, str | None]) -> str:
    """Return the changes of a record as they are read back: `state solved; due Thursday`."""
    return phrases.list_words(
        [
            say("change", field=field, value=shorten_text(value))
            for field, value in values.items()
            if value
        ],
        "semicolon",
    )


def confirm_create(new: NewRecord, user: User | None, group: Group | None) -> str:
    """Return the question whether to create a record, for a user and with a group."""
    return say(
        "confirm_create",
        kind=new.kind,
        summary=shorten_text(new.summary),
        user=shorten_name(user.name) if user else "",
        group=shorten_name(group.name) if group else "",
        called=_yes(user),
        grouped=_yes(group),
    )


def confirm_update(record: Record, changes: str) -> str:
    """Return the question whether to change a record."""
    return say("confirm_update", **_title(record), changes=changes)


def creation_done(record: Record) -> str:
    """Return the sentence after a record has been created."""
    return say("created", kind=record.kind, number=spoken_number(record.number))


def update_done(record: Record, *, state_changed: bool) -> str:
    """Return the sentence after a record has been changed."""
    return say(
        "updated",
        kind=record.kind,
        number=spoken_number(record.number),
        state=_state(record),
        changed="state" if state_changed else "other",
    )


def user_label(user: User) -> str:
    """Return `Tom Hill, of Sales`."""
    name = user.name or user.email or ""
    return say(
        "person",
        name=name,
        department=user.department or "",
        named=_yes(name),
        placed=_yes(user.department),
    )


def describe_users(users: Sequence[User], by: Literal["phone", "email"]) -> str:
    """Return a sentence about the users with the same phone number or e-mail address."""
    if not users:
        return say("nobody_found", by=by)
    labels = [user_label(each) for each in users[:SHORT_ROWS]]
    return say(
        "people",
        people=phrases.join_words(labels, "and"),
        count=len(labels),
        more=_yes(len(users) > SHORT_ROWS),
    )


def describe_groups(groups: Sequence[Group]) -> str:
    """Return a sentence about groups, naming the first ones."""
    if not groups:
        return say("no_groups")
    names = [cut(each.name, _MAX_GROUP) for each in groups[:SHORT_ROWS]]
    return say(
        "groups",
        groups=phrases.join_words(names, "and"),
        count=len(names),
        more=_yes(len(groups) > SHORT_ROWS),
    )


def describe_articles(articles: Sequence[Article]) -> str:
    """Return a sentence about articles, naming the first ones by their titles only."""
    if not articles:
        return say("no_articles")
    titles = [shorten_name(each.title) for each in articles[:SHORT_ROWS]]
    return say("articles", titles=phrases.join_words(titles), count=len(titles))


def _title(record: Record) -> dict[str, str]:
    """Return the parts that name a record: its kind, its number and its summary."""
    return {
        "kind": record.kind,
        "number": spoken_number(record.number),
        "summary": shorten_text(record.summary),
        "summarized": _yes(record.summary),
    }


def _state(record: Record) -> str:
    return record.state or "no_state"


def _yes(part: object) -> str:
    return "yes" if part else "no"
