"""Phone numbers and e-mail addresses that a caller gives: read, or asked for once more."""

from toolkit.errors import Rejected
from toolkit.speech.emails import spoken_email
from toolkit.speech.numbers import spoken_phone_number
from toolkit.speech.phrases import say


def to_phone(text: str) -> str:
    """Return a phone number in digits, with the plus if it has one.

    Raises:
        Rejected: the text is not a phone number, or not certainly one.
    """
    number = spoken_phone_number(text)
    if number is None:
        raise Rejected(
            "That is not a phone number.",
            say=say("phone_again"),
            next="Call again with what the caller says, or without it.",
        )
    return number


def to_email(text: str) -> str:
    """Return an e-mail address.

    Raises:
        Rejected: the text is not an e-mail address, or not certainly one.
    """
    address = spoken_email(text)
    if address is None:
        raise Rejected(
            "That is not an e-mail address.",
            say=say("spell_email"),
            next="Call again with the address as it is written, or without it.",
        )
    return address


def optional_phone(text: str | None) -> str | None:
    """Return the phone number in a text; None for no text.

    Raises:
        Rejected: the text is not certainly a phone number.
    """
    return to_phone(text) if text and text.strip() else None


def optional_email(text: str | None) -> str | None:
    """Return the e-mail address in a text; None for no text.

    Raises:
        Rejected: the text is not certainly an e-mail address.
    """
    return to_email(text) if text and text.strip() else None
