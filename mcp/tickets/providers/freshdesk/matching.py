"""Compares Freshdesk's records with what callers say and with what an earlier try has sent."""

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, parse

from tickets.provider import TicketDraft, UserDraft
from tickets.providers.freshdesk import responses
from toolkit.speech.people import digits, fold, is_same_number


def phone_formats(phone: str) -> list[str]:
    """Return a phone number in the formats in which it may be stored."""
    formats = [phone]
    if phone.startswith("+"):
        formats.append(digits(phone))
        try:
            number = parse(phone)
        except NumberParseException:
            return formats
        formats.append(format_number(number, PhoneNumberFormat.E164))
        formats.append(format_number(number, PhoneNumberFormat.INTERNATIONAL))
        formats.append(format_number(number, PhoneNumberFormat.NATIONAL))
    return [*dict.fromkeys(formats)]


def has_number(contact: responses.Contact, phone: str) -> bool:
    """Return whether a phone number is one of a contact's."""
    return any(is_same_number(phone, each) for each in (contact.phone, contact.mobile) if each)


def has_words(ticket: responses.Ticket, text: str) -> bool:
    """Return whether all words of a text are in a ticket's subject, description or tags."""
    words = fold(" ".join((ticket.subject or "", ticket.description_text or "")))
    tags = fold(" ".join(ticket.tags or ()))
    return all(word in f"{words} {tags}" for word in fold(text).split())


def is_same_text(one: str | None, other: str | None) -> bool:
    """Return whether two texts are equal but for white space, which Freshdesk changes."""
    return "".join((one or "").split()) == "".join((other or "").split())


def is_ticket_of(ticket: responses.Ticket, draft: TicketDraft) -> bool:
    """Return whether a ticket has a draft's subject and requester."""
    requester = ticket.requester or responses.Requester()
    if not is_same_text(ticket.subject, draft.subject):
        return False
    if draft.requester:
        return str(ticket.requester_id) == draft.requester
    if draft.requester_email:
        return (requester.email or "").casefold() == draft.requester_email.casefold()
    numbers = (each for each in (requester.phone, requester.mobile) if each)
    return any(is_same_number(draft.requester_phone or "", each) for each in numbers)


def is_contact_of(contact: responses.Contact, draft: UserDraft) -> bool:
    """Return whether a contact has a draft's name, e-mail address and phone number."""
    return (
        (draft.name is None or contact.name == draft.name)
        and (contact.email or "").casefold() == (draft.email or "").casefold()
        and (draft.phone is None or has_number(contact, draft.phone))
    )
