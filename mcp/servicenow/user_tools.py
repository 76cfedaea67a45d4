"""The tools for users."""

from collections.abc import Sequence
from typing import Literal

from fastmcp.tools import tool

from servicenow import sentences
from servicenow.inputs import Name
from servicenow.operations import OPERATIONS, READ_TIMEOUT, ServiceNowOperations, with_email
from servicenow.provider import User
from servicenow.results import Detail, UserListResult, UserResult, max_rows, to_user_view
from toolkit.effects import READS
from toolkit.speech.contact import to_email, to_phone
from toolkit.speech.people import is_same_number


@tool(title="Show a user", annotations=READS, timeout=READ_TIMEOUT)
async def get_user(user: Name, operations: ServiceNowOperations = OPERATIONS) -> UserResult:
    """Show one user. user: the id, login, e-mail or name."""
    found = await operations.find_user(user)
    say = sentences.say("shown", person=sentences.user_label(found))
    return UserResult(say=say, **to_user_view(found).model_dump())


@tool(title="Find a user by e-mail", annotations=READS, timeout=READ_TIMEOUT)
async def search_user_by_email(
    email: Name, detail: Detail = "short", operations: ServiceNowOperations = OPERATIONS
) -> UserListResult:
    """Find users by e-mail address."""
    address = to_email(email)
    users = with_email(await operations.provider.find_users(email=address), address)
    return _to_result(users, "email", detail)


@tool(
    title="Find a user by phone",
    annotations=READS,
    tags={"voice"},
    timeout=READ_TIMEOUT,
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
    phone: Name, detail: Detail = "short", operations: ServiceNowOperations = OPERATIONS
) -> UserListResult:
    """Find users by phone number."""
    number = to_phone(phone)
    candidates = await operations.provider.find_users(phone=number)
    users = [
        each for each in candidates if any(is_same_number(number, phone) for phone in each.phones)
    ]
    return _to_result(users, "phone", detail)


def _to_result(
    users: Sequence[User], by: Literal["phone", "email"], detail: Detail
) -> UserListResult:
    limit = max_rows(detail)
    return UserListResult(
        say=sentences.describe_users(users, by),
        users=[to_user_view(each) for each in users[:limit]],
        more=len(users) > limit,
    )
