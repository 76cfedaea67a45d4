"""What callers are told about records, users, groups and articles."""

import re
from collections.abc import Mapping, Sequence

from servicenow.provider import Article, Group, Kind, NewRecord, Record, User
from servicenow.results import SHORT_ROWS
from toolkit.speech import phrases
from toolkit.speech.text import capitalize, cut

_ANYTHING_ELSE = "Is there anything else?"
_MAX_TEXT = 90  # bytes of a text that is read back
_MAX_GROUP = 60  # bytes of a group's name


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


def record_title(record: Record) -> str:
    """Return `incident INC 10001, No light in the hall`."""
    summary = f", {shorten_text(record.summary)}" if record.summary else ""
    return f"{record.kind} {spoken_number(record.number)}{summary}"


def describe_record(record: Record, due: str | None, updated: str | None) -> str:
    """Return sentences about a record; `due` and `updated` are its times as they are said."""
    state = f"Its state is {record.state}" if record.state else "It has no state"
    group = f", with {shorten_name(record.group.name)}" if record.group else ""
    due_at = f" It is due {due}." if due else ""
    updated_at = f" It was last changed {updated}." if updated else ""
    return f"{capitalize(record_title(record))}. {state}{group}.{due_at}{updated_at}"


def describe_records(kind: Kind, records: Sequence[Record], *, more: bool) -> str:
    """Return a sentence about records; `more` says that there are others."""
    if not records:
        return f"I can't find any such {kind}."
    names = "; ".join(f"{record_title(record)}, {record.state}" for record in records)
    return f"Among others, there is {names}." if more else f"I have {names}."


def describe_changes(values: Mapping[str, str | None]) -> str:
    """Return the changes of a record as they are read back: `state solved; due Thursday`."""
    return "; ".join(f"{name} {shorten_text(value)}" for name, value in values.items() if value)


def confirm_create(new: NewRecord, user: User | None, group: Group | None) -> str:
    """Return the question whether to create a record, for a user and with a group."""
    article = "An" if new.kind == "incident" else "A"
    user_part = f", for {shorten_name(user.name)}" if user else ""
    group_part = f", with {shorten_name(group.name)}" if group else ""
    summary = shorten_text(new.summary)
    return f"{article} {new.kind} about {summary}{user_part}{group_part}. Shall I open it?"


def confirm_update(record: Record, changes: str) -> str:
    """Return the question whether to change a record."""
    return f"{capitalize(record_title(record))}: {changes}. Shall I change it?"


def creation_done(record: Record) -> str:
    """Return the sentence after a record has been created."""
    number = spoken_number(record.number)
    return f"Done, your {record.kind} is {number}. {_ANYTHING_ELSE}"


def update_done(record: Record, *, state_changed: bool) -> str:
    """Return the sentence after a record has been changed."""
    outcome = f"is now {record.state}" if state_changed else "has been changed"
    number = spoken_number(record.number)
    return f"Done, {record.kind} {number} {outcome}. {_ANYTHING_ELSE}"


def user_label(user: User) -> str:
    """Return `Tom Hill, of Sales`."""
    name = user.name or user.email or "somebody without a name"
    return f"{name}, of {user.department}" if user.department else name


def describe_users(users: Sequence[User], searched_by: str) -> str:
    """Return a sentence about the users with the same `number` or `e-mail address`."""
    if not users:
        return f"I can't find anyone with that {searched_by}."
    names = phrases.join_words([user_label(each) for each in users[:SHORT_ROWS]], "and")
    return f"I found {names}{', and others' if len(users) > SHORT_ROWS else ''}."


def describe_groups(groups: Sequence[Group]) -> str:
    """Return a sentence about groups, naming the first ones."""
    if not groups:
        return "I can't find any such group."
    names = phrases.join_words([cut(each.name, _MAX_GROUP) for each in groups[:SHORT_ROWS]], "and")
    return f"{'Among others, there is' if len(groups) > SHORT_ROWS else 'There is'} {names}."


def describe_articles(articles: Sequence[Article]) -> str:
    """Return a sentence about articles, naming the first ones by their titles only."""
    if not articles:
        return "I can't find an article about that."
    titles = phrases.join_words([shorten_name(each.title) for each in articles[:SHORT_ROWS]])
    return f"I found {titles}."
