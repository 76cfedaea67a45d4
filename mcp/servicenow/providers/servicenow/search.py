"""Builds ServiceNow's encoded queries: `sysparm_query`, of fields, operators and values.

https://www.servicenow.com/docs/r/platform-user-interface/c_EncodedQueryStrings.html. A caret ends a
value, and no way to escape one is documented; a value that begins with `javascript:` is run as a
script on the instance. Such values are refused. ServiceNow ignores conditions that it does not
understand and then finds too much, so the caller has to check the rows again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from config.text import clean
from servicenow.provider import Kind, SearchQuery
from servicenow.providers.servicenow.mapping import CALLERS, STATES, TABLES
from servicenow.sentences import say
from toolkit.errors import Rejected
from toolkit.speech.people import digits

Operator = Literal["=", "!=", "LIKE"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
Alternatives = Sequence[str]  # conditions, one of which has to be met

_NOT_A_VALUE = re.compile(r"\^|javascript\s*:", re.IGNORECASE)
_ENDING = 4  # last digits of a phone number, by which it is searched
_SEPARATORS = (" ", "-", ".", "/")  # that may stand between those digits
_PHONE_FIELDS = ("phone", "mobile_phone", "home_phone")
_MIN_LETTERS = 2  # letters of a part of a name


def literal(value: str) -> str:
    """Return a value that can stand in a condition.

    Raises:
        Rejected: the value cannot be written in an encoded query.
    """
    plain = " ".join(clean(value).split())
    # A condition without a value would match the records whose field is empty.
    if not plain or _NOT_A_VALUE.search(plain):
        raise Rejected(
            "ServiceNow cannot look for that.",
            say=say("other_words"),
            next="Call again with plain words.",
        )
    return plain


def condition(field: str, operator: Operator, value: str) -> str:
    """Return one condition.

    Raises:
        Rejected: the value cannot be written in an encoded query.
    """
    return f"{field}{operator}{literal(value)}"


def one_of(field: str, values: Iterable[str]) -> str:
    """Return the condition that a field has one of the values; a comma in one becomes a space.

    Raises:
        Rejected: one of the values cannot be written in an encoded query.
    """
    return f"{field}IN{','.join(literal(value).replace(',', ' ') for value in values)}"


def join_conditions(*conditions: str | Alternatives) -> str:
    """Return the query for rows that meet every condition; of alternatives, one has to be met."""
    return "^".join(each if isinstance(each, str) else "^OR".join(each) for each in conditions)


def records_query(query: SearchQuery, references: Mapping[str, str]) -> str:
    """Return the encoded query for records, with fields that refer to records by sys_id.

    Raises:
        Rejected: a value cannot be written in an encoded query.
    """
    words: list[Alternatives] = [
        [condition(field, "LIKE", word) for field in ("short_description", "description")]
        for word in query.words
    ]
    parties = [condition(field, "=", sys_id) for field, sys_id in references.items()]
    return join_conditions(*words, *parties, *_state_conditions(query), "ORDERBYDESCsys_updated_on")


def reference_fields(query: SearchQuery) -> dict[str, str]:
    """Return the fields that have to refer to a record, each with the record's sys_id."""
    fields = {
        CALLERS.get(query.kind, ""): query.caller,
        "assigned_to": query.assignee,
        "assignment_group": query.group,
        "parent": query.about,
    }
    return {field: sys_id for field, sys_id in fields.items() if field and sys_id}


def users_query(*, email: str | None, phone: str | None, name: str | None) -> str:
    """Return the encoded query for active users by e-mail, else by phone, else by name.

    Raises:
        Rejected: a value cannot be written in an encoded query.
    """
    if email:
        # Whether upper and lower case differ depends on the instance's database.
        alternatives = [
            condition("email", "=", each) for each in dict.fromkeys((email, email.lower()))
        ]
    elif phone:
        endings = _phone_endings(phone)
        alternatives = [
            condition(field, "LIKE", ending) for field in _PHONE_FIELDS for ending in endings
        ]
    else:
        parts = [part for part in (name or "").split() if len(part) >= _MIN_LETTERS]
        login = condition("user_name", "=", name or "")
        alternatives = [login, *(condition("name", "LIKE", part) for part in parts)]
    return join_conditions("active=true", alternatives)


def groups_query(words: Sequence[str]) -> str:
    """Return the encoded query for active groups whose name has one of the words, or for all."""
    names = [[condition("name", "LIKE", word) for word in words]] if words else []
    return join_conditions("active=true", *names, "ORDERBYname")


def _state_conditions(query: SearchQuery) -> list[str]:
    """Return the conditions on class and state."""
    kind: Kind = query.kind
    others: tuple[Kind, ...] = ("incident", "case") if kind == "task" else ()
    conditions = [condition("sys_class_name", "!=", TABLES[other]) for other in others]
    if query.state == "open":
        # A solved record stays active until it is closed.
        solved = [] if kind == "task" else [condition("state", "!=", STATES[kind]["solved"])]
        return [*conditions, "active=true", *solved]
    if query.state:
        conditions.append(condition("state", "=", STATES[kind][query.state]))
    return conditions


def _phone_endings(phone: str) -> list[str]:
    """Return the ways to write the end of a number: `LIKE` has no wildcards within a value."""
    end = digits(phone)[-_ENDING:]
    split = [
        end[:n] + separator + end[n:] for n in (1, 2) if n < len(end) for separator in _SEPARATORS
    ]
    return [end, *split]
