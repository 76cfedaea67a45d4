"""The tools for people, as the model sees them."""

from collections.abc import Sequence

from fastmcp.tools import tool

from servicenow.operations import DESK, READING, Desk, Name
from servicenow.provider import User
from servicenow.results import SHORT, Detail, UserAnswer, UserList, listed_user, rows
from toolkit.effects import READS
from toolkit.errors import Rejected
from toolkit.speech import phrases
from toolkit.speech.emails import email_address
from toolkit.speech.numbers import phone_number
from toolkit.speech.people import same_number


@tool(title="Show a user", annotations=READS, timeout=READING)
async def get_user(user: Name, desk: Desk = DESK) -> UserAnswer:
    """Show one user. user: the id, login, e-mail or name."""
    found = await desk.person(user)
    return UserAnswer(say=f"That is {_introduced(found)}.", **listed_user(found).model_dump())


@tool(title="Find a user by e-mail", annotations=READS, timeout=READING)
async def search_user_by_email(
    email: Name, detail: Detail = "short", desk: Desk = DESK
) -> UserList:
    """Find users by e-mail address."""
    address = email_address(email)
    if address is None:
        raise Rejected("That is no e-mail address.", say="How is your e-mail address spelled?")
    people = await desk.service.users(email=address)
    same = [each for each in people if (each.email or "").casefold() == address.casefold()]
    return _listed(same, "e-mail address", detail)


@tool(
    title="Find a user by phone",
    annotations=READS,
    tags={"voice"},
    timeout=READING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "You can find me by my number, 415 555 7781.",
                    "arguments": {"phone": "415 555 7781"},
                }
            ]
        }
    },
)
async def search_user_by_phone(
    phone: Name, detail: Detail = "short", desk: Desk = DESK
) -> UserList:
    """Find users by phone number."""
    number = phone_number(phone)
    if number is None:
        raise Rejected("That is no phone number.", say="What is the phone number again?")
    people = await desk.service.users(phone=number)
    same = [each for each in people if any(same_number(number, own) for own in each.phones)]
    return _listed(same, "number", detail)


def _listed(found: Sequence[User], what: str, detail: Detail) -> UserList:
    people = found[: rows(detail)]
    return UserList(
        say=_said(found, what),
        users=[listed_user(each) for each in people],
        more=len(found) > len(people),
    )


def _said(found: Sequence[User], what: str) -> str:
    if not found:
        return f"I can't find anyone with that {what}."
    names = phrases.join_words([_introduced(each) for each in found[:SHORT]], "and")
    return f"I found {names}{', and others' if len(found) > SHORT else ''}."


def _introduced(user: User) -> str:
    """Return `Tom Hill, of Sales`."""
    name = user.name or user.email or "somebody without a name"
    return f"{name}, of {user.department}" if user.department else name
