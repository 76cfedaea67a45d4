"""The types of the tools' arguments, and the forms in which they are passed on."""

from typing import Annotated

from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    parse,
)
from pydantic import Field

Text = Annotated[str, Field(max_length=300)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


def normalize_name(name: str) -> str:
    """Return a person's name with single spaces between its words."""
    return " ".join(name.split())


def international_phone(phone: str, country: str | None) -> str | None:
    """Return a phone number with its country code, and `ext. 12` if it has an extension.

    A number without a country code is one of `country`, an ISO 3166 code. None if it is none.
    """
    line, ext, extension = phone.partition(" ext. ")
    if line.startswith("00"):
        line = f"+{line[2:]}"
    try:
        number = parse(line, country and country.upper())
    except NumberParseException:
        return None
    if is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    return f"{format_number(number, PhoneNumberFormat.E164)}{ext}{extension}"
