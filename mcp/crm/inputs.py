"""The types of the tools' arguments, and functions that check and normalize the arguments."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from config.text import clean
from crm.provider import (
    CASE_STATUSES,
    PRIORITIES,
    STANDARD_FIELDS,
    TASK_STATUSES,
    CustomFields,
    FieldName,
    Filter,
    InputValue,
    InputValues,
    Kind,
    StandardField,
    Value,
)
from crm.sentences import say
from toolkit.errors import NotFound, Rejected
from toolkit.speech.clock import Clock
from toolkit.speech.times import format_utc

Text = Annotated[str, Field(max_length=300)]
Notes = Annotated[str, Field(max_length=4000)]
Id = Annotated[str, Field(max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Amount = Annotated[float, Field(ge=0, le=1e12)]
Minutes = Annotated[int, Field(ge=1, le=1440)]
FieldNames = Annotated[tuple[FieldName, ...], Field(max_length=20)]
_FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
CustomValues = Annotated[
    dict[FieldName, Notes | int | _FiniteNumber | bool | None], Field(max_length=20)
]
SearchText = Annotated[str, Field(min_length=1, max_length=200)]
Filters = Annotated[tuple[Filter, ...], Field(max_length=10)]
Limit = Annotated[int, Field(ge=1, le=20)]
Statement = Annotated[str, Field(min_length=1, max_length=4000)]
RawLimit = Annotated[int, Field(ge=1, le=50)]

_STANDARD_VALUES: Mapping[tuple[Kind, StandardField], tuple[str, ...]] = {
    ("task", "status"): TASK_STATUSES,
    ("task", "priority"): PRIORITIES,
    ("case", "status"): CASE_STATUSES,
    ("case", "priority"): PRIORITIES,
}
_MULTILINE_FIELDS = ("notes",)


def collect_values(**values: InputValue | None) -> dict[StandardField, InputValue]:
    """Return the values that were given, with clean whitespace; empty ones are left out."""
    tidied = {field: _tidy(field, value) for field, value in values.items()}
    return {field: value for field, value in tidied.items() if value is not None and value != ""}


def parse_id(kind: Kind, text: str) -> str:
    """Return the id of a record.

    Raises:
        NotFound: the text is empty.
    """
    record_id = clean(text).strip()
    if not record_id:
        raise record_not_found(kind)
    return record_id


def record_not_found(kind: Kind) -> NotFound:
    """Return the failure for an id that no record has."""
    return NotFound(
        f"There is no such {kind}.",
        say=say("no_such_record", kind=kind),
        next="Find it with search first, then pass on its id.",
    )


def normalize_values(kind: Kind, values: InputValues) -> dict[StandardField, InputValue]:
    """Return the values with the standard ones, such as `open`, in lower case."""
    return {field: _normalize_value(kind, field, value) for field, value in values.items()}


def custom_field_names(kind: Kind, names: Sequence[FieldName]) -> tuple[FieldName, ...]:
    """Return those names, each once, that are not standard fields of the kind."""
    return tuple(name for name in dict.fromkeys(names) if name not in STANDARD_FIELDS[kind])


def parse_custom_fields(kind: Kind, fields: CustomFields | None) -> dict[str, Value | None]:
    """Return the values of custom fields without invisible characters.

    Raises:
        Rejected: a field is a standard one.
    """
    values = dict(fields or {})
    standard = [name for name in values if name in STANDARD_FIELDS[kind] or name == "id"]
    if standard:
        raise Rejected(
            f"{standard[0]} is not one of the business's own fields.",
            next=f"Call again with {standard[0]} as an argument, if the tool has one.",
        )
    return {
        name: clean(value) if isinstance(value, str) else value for name, value in values.items()
    }


def parse_filter(kind: Kind, condition: Filter, clock: Clock) -> Filter:
    """Return a filter whose value is as a provider takes it.

    Days and times that a caller said become ISO 8601, and amounts numbers.

    Raises:
        Rejected: the value fits neither the operator nor the field.
    """
    is_list = isinstance(condition.value, list)
    if is_list != (condition.op == "one_of"):
        raise Rejected(
            f"{condition.op} takes {'one value' if is_list else 'a list of values'}.",
            next="Call again with an operator that fits the value.",
        )
    if isinstance(condition.value, list):
        values = [
            str(_normalize_value(kind, condition.field, clean(value))) for value in condition.value
        ]
        return condition.model_copy(update={"value": values})
    value = _parse_filter_value(kind, condition.field, condition.value, clock)
    return condition.model_copy(update={"value": value})


def _tidy(field: StandardField, value: InputValue | None) -> InputValue | None:
    if not isinstance(value, str):
        return value
    text = clean(value)
    return text.strip() if field in _MULTILINE_FIELDS else " ".join(text.split())


def _normalize_value(kind: Kind, field: StandardField, value: InputValue) -> InputValue:
    standard = _STANDARD_VALUES.get((kind, field), ())
    return value.casefold() if isinstance(value, str) and value.casefold() in standard else value


def _parse_filter_value(kind: Kind, field: FieldName, value: Value, clock: Clock) -> Value:
    if not isinstance(value, str):
        return value
    if field not in STANDARD_FIELDS[kind]:
        return clean(value)
    if field.endswith("_date"):
        return clock.parse_day(value).isoformat()
    if field.endswith("_at"):
        return format_utc(clock.parse_start(value))
    if field == "amount":
        return _parse_amount(value)
    return str(_normalize_value(kind, field, clean(value)))


def _parse_amount(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise Rejected(
            "The amount is to be a number.", next="Call again with digits alone."
        ) from None
