"""ServiceNow's encoded queries: `sysparm_query`, built from fields, operators and values.

https://www.servicenow.com/docs/r/platform-user-interface/c_EncodedQueryStrings.html. A caret ends a
value, and nothing that ServiceNow describes quotes one; a value that begins with `javascript:` is
run as a script on the instance. Such values are refused. A condition that ServiceNow does not
understand is left out, and more is found than was asked for: who asks looks at it once more.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from config.text import clean
from servicenow.provider import Kind, Wanted
from servicenow.providers.servicenow.mapping import CALLERS, STATES, TABLES
from toolkit.errors import Rejected
from toolkit.speech.people import digits

Operator = Literal["=", "!=", "LIKE"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
Alternatives = Sequence[str]  # conditions, one of which is to be fulfilled

_NOT_A_VALUE = re.compile(r"\^|javascript\s*:", re.IGNORECASE)
_ENDING = 4  # digits of a number by which it is looked for
_BETWEEN = (" ", "-", ".", "/")  # what may be written between them
_NUMBERS = ("phone", "mobile_phone", "home_phone")
_SHORTEST = 2  # letters of a part of a name


def literal(value: str) -> str:
    """Return a value as ServiceNow takes it.

    Raises:
        Rejected: it has no way to take this one.
    """
    plain = " ".join(clean(value).split())
    # With nothing after its operator a condition asks for what has nothing in the field.
    if not plain or _NOT_A_VALUE.search(plain):
        raise Rejected(
            "ServiceNow cannot look for that.",
            say="I can't look for that. Could you say it in other words?",
            next="Call again with plain words.",
        )
    return plain


def condition(field: str, operator: Operator, value: str) -> str:
    """Return one condition.

    Raises:
        Rejected: ServiceNow has no way to take the value.
    """
    return f"{field}{operator}{literal(value)}"


def one_of(field: str, values: Iterable[str]) -> str:
    """Return the condition that a field has one of the values, none of which has a comma.

    Raises:
        Rejected: ServiceNow has no way to take one of the values.
    """
    return f"{field}IN{','.join(literal(value).replace(',', ' ') for value in values)}"


def encoded(*conditions: str | Alternatives) -> str:
    """Return the query for what fulfils every condition, or one of its alternatives."""
    return "^".join(each if isinstance(each, str) else "^OR".join(each) for each in conditions)


def newest_first(wanted: Wanted, pointed: Mapping[str, str]) -> str:
    """Return the query for records that are wanted, and whose fields point to others.

    Raises:
        Rejected: ServiceNow has no way to take what is wanted.
    """
    words: list[Alternatives] = [
        [condition(field, "LIKE", word) for field in ("short_description", "description")]
        for word in wanted.words
    ]
    parties = [condition(field, "=", sys_id) for field, sys_id in pointed.items()]
    return encoded(*words, *parties, *_standing(wanted), "ORDERBYDESCsys_updated_on")


def pointed(wanted: Wanted) -> dict[str, str]:
    """Return the fields that are to point to a record, each with its sys_id."""
    fields = {
        CALLERS.get(wanted.kind, ""): wanted.caller,
        "assigned_to": wanted.assignee,
        "assignment_group": wanted.group,
        "parent": wanted.about,
    }
    return {field: sys_id for field, sys_id in fields.items() if field and sys_id}


def people(*, email: str | None, phone: str | None, name: str | None) -> str:
    """Return the query for active people who may be meant by what is given of the three.

    Raises:
        Rejected: ServiceNow has no way to take it.
    """
    if email:
        # Whether the case of letters counts depends on the instance's database.
        meant = [condition("email", "=", each) for each in dict.fromkeys((email, email.lower()))]
    elif phone:
        endings = _endings(phone)
        meant = [condition(field, "LIKE", ending) for field in _NUMBERS for ending in endings]
    else:
        parts = [part for part in (name or "").split() if len(part) >= _SHORTEST]
        logins = condition("user_name", "=", name or "")
        meant = [logins, *(condition("name", "LIKE", part) for part in parts)]
    return encoded("active=true", meant)


def named(words: Sequence[str]) -> str:
    """Return the query for what is active and has one of the words in its name, or for all."""
    meant = [[condition("name", "LIKE", word) for word in words]] if words else []
    return encoded("active=true", *meant, "ORDERBYname")


def _standing(wanted: Wanted) -> list[str]:
    """Return the conditions on class and state."""
    kind: Kind = wanted.kind
    others: tuple[Kind, ...] = ("incident", "case") if kind == "task" else ()
    found = [condition("sys_class_name", "!=", TABLES[other]) for other in others]
    if wanted.state == "open":
        # What is solved stays active until it is closed.
        solved = [] if kind == "task" else [condition("state", "!=", STATES[kind]["solved"])]
        return [*found, "active=true", *solved]
    if wanted.state:
        found.append(condition("state", "=", STATES[kind][wanted.state]))
    return found


def _endings(phone: str) -> list[str]:
    """Return how the end of a number may be written; `LIKE` has no wildcards within."""
    end = digits(phone)[-_ENDING:]
    split = [end[:n] + between + end[n:] for n in (1, 2) if n < len(end) for between in _BETWEEN]
    return [end, *split]
