"""The tools for users, organizations and calls, as the model sees them."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from tickets.inputs import (
    ChangedUser,
    Detail,
    Id,
    Ids,
    Line,
    NewUser,
    Who,
    known_id,
    known_ids,
    tidy,
    who,
)
from tickets.operations import (
    ANYTHING_ELSE,
    DESK,
    READING,
    WRITING,
    counted,
    done_many,
    done_one,
    found_tickets,
    listed_users,
    named,
    rows,
    sentence,
    user_of,
)
from tickets.provider import (
    MOST,
    Part,
    TicketProvider,
    User,
    UserDraft,
    Wanted,
)
from tickets.results import (
    FULL,
    BatchAnswer,
    Gone,
    TicketList,
    UserAnswer,
    UserList,
    listed_user,
)
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.speech.people import is_similar, likeness, same_number

NewUsers = Annotated[list[NewUser], Field(min_length=1, max_length=MOST)]
ChangedUsers = Annotated[list[ChangedUser], Field(min_length=1, max_length=MOST)]


@tool(title="Show a user", annotations=READS, timeout=READING)
async def get_user(user: Id, desk: TicketProvider = DESK) -> UserAnswer:
    """Show a customer or an agent. user: their id."""
    found = await user_of(desk, user)
    return UserAnswer(say=f"That is {named(found)}.", **listed_user(found, full=True).model_dump())


@tool(title="List users", annotations=READS, timeout=READING)
async def list_users(detail: Detail = "short", desk: TicketProvider = DESK) -> UserList:
    """List customers and agents."""
    page = await desk.find_users(None, limit=rows(detail))
    return listed_users(page.users, detail, more=page.more)


@tool(
    title="Search users",
    annotations=READS,
    tags={"voice"},
    timeout=READING,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "You should have me under my number, 555 7781.",
                    "arguments": {"text": "5557781"},
                }
            ]
        }
    },
)
async def search_users(
    text: Line, detail: Detail = "short", desk: TicketProvider = DESK
) -> UserList:
    """Find a person by name, e-mail or phone number, as the caller says it."""
    if not tidy(text):
        raise Rejected("There is nobody to look for.", say="Whom should I look for?")
    person = who(text)
    page = await desk.find_users(person.name, phone=person.phone, email=person.email, limit=FULL)
    meant = [each for each in page.users if _meant(person, each)]
    if person.name:
        heard = person.name
        meant.sort(key=lambda each: likeness(heard, each.name), reverse=True)
    return listed_users(meant, detail)


@tool(title="Add a user", annotations=WRITES, timeout=WRITING)
async def create_user(
    name: Line,
    email: Line | None = None,
    phone: Line | None = None,
    organization: Line | None = None,
    desk: TicketProvider = DESK,
) -> UserAnswer:
    """Add a customer. organization: its name or id."""
    draft = NewUser(name=name, email=email, phone=phone, organization=organization).draft()
    if before := await desk.find_lost_user(draft):
        return _saved(draft, before)
    confirm(f"{draft.name}, {_reached(draft)}. Shall I add them?")
    return _saved(draft, await desk.create_user(draft))


@tool(title="Change a user", annotations=CHANGES, timeout=WRITING)
async def update_user(
    user: Id,
    name: Line | None = None,
    email: Line | None = None,
    phone: Line | None = None,
    organization: Line | None = None,
    desk: TicketProvider = DESK,
) -> UserAnswer:
    """Change a user: only what is given."""
    found = await user_of(desk, user)
    draft = NewUser(name=name, email=email, phone=phone, organization=organization).draft(found.id)
    if draft == UserDraft(id=found.id):
        raise Rejected("Nothing is to change.", say="What should I change?")
    given = draft.model_dump(exclude={"id"}, exclude_none=True)
    confirm(f"{named(found)}: {', '.join(given.values())}. Shall I change it?")
    done_one(await desk.update_users([draft]))
    after = found.model_copy(update=given)
    say = f"Done, {named(after)} has been changed. {ANYTHING_ELSE}"
    return UserAnswer(say=say, **listed_user(after, full=True).model_dump())


@tool(title="Delete a user", annotations=DESTROYS, timeout=WRITING)
async def delete_user(user: Id, desk: TicketProvider = DESK) -> Gone:
    """Delete a user for good."""
    found = await user_of(desk, user)
    confirm(f"{named(found)} would be deleted. Shall I do that?")
    await desk.delete_user(found.id)
    return Gone(say=f"Done, {named(found)} has been deleted.", id=found.id)


@tool(title="Show many users", annotations=READS, timeout=READING)
async def show_many_users(
    users: Ids, detail: Detail = "short", desk: TicketProvider = DESK
) -> UserList:
    """Show users by their ids."""
    wanted = known_ids(users, "user")
    found = await desk.users(wanted)
    there = {each.id for each in found}
    missing = [each for each in wanted if each not in there]
    return listed_users(found, detail, missing=missing)


@tool(title="Add or change a user", annotations=CHANGES, timeout=WRITING)
async def create_or_update_user(
    name: Line,
    email: Line | None = None,
    phone: Line | None = None,
    organization: Line | None = None,
    desk: TicketProvider = DESK,
) -> UserAnswer:
    """Change the user who has that e-mail address or phone number, or add one."""
    draft = NewUser(name=name, email=email, phone=phone, organization=organization).draft()
    _require_address(draft)
    confirm(f"{draft.name}, {_reached(draft)}. Shall I save that?")
    return _saved(draft, done_one(await desk.upsert_users([draft])))


@tool(title="Add or change many users", annotations=CHANGES, timeout=WRITING)
async def create_or_update_many_users(users: NewUsers, desk: TicketProvider = DESK) -> BatchAnswer:
    """Change up to 100 users by their address, and add those who are new."""
    drafts = [each.draft() for each in users]
    for draft in drafts:
        _require_address(draft)
    confirm(f"{sentence(counted(len(drafts), 'user'))} would be saved. Shall I do that?")
    return done_many(await desk.upsert_users(drafts), "user", "saved")


@tool(title="Change many users", annotations=CHANGES, timeout=WRITING)
async def update_many_users(users: ChangedUsers, desk: TicketProvider = DESK) -> BatchAnswer:
    """Change up to 100 users, each by its id."""
    drafts = [each.draft(known_id(each.id, "user")) for each in users]
    confirm(f"{sentence(counted(len(drafts), 'user'))} would be changed. Shall I do that?")
    return done_many(await desk.update_users(drafts), "user", "changed")


@tool(title="A user's own tickets", annotations=READS, timeout=READING)
async def get_user_requested_tickets(
    user: Id, detail: Detail = "short", desk: TicketProvider = DESK
) -> TicketList:
    """List the tickets that a user has asked for. user: their id."""
    return await _tickets_of(desk, user, "requested", detail)


@tool(title="An agent's tickets", annotations=READS, timeout=READING)
async def get_user_assigned_tickets(
    user: Id, detail: Detail = "short", desk: TicketProvider = DESK
) -> TicketList:
    """List the tickets that an agent works on. user: their id."""
    return await _tickets_of(desk, user, "assigned", detail)


@tool(title="Tickets that a user is copied in", annotations=READS, timeout=READING)
async def get_user_ccd_tickets(
    user: Id, detail: Detail = "short", desk: TicketProvider = DESK
) -> TicketList:
    """List the tickets that a user gets copies of. user: their id."""
    return await _tickets_of(desk, user, "copied", detail)


async def _tickets_of(desk: TicketProvider, user: str, part: Part, detail: Detail) -> TicketList:
    found = await user_of(desk, user)
    return await found_tickets(desk, Wanted(of=found.id, part=part), detail)


def _meant(person: Who, user: User) -> bool:
    if person.email:
        return (user.email or "").casefold() == person.email.casefold()
    if person.phone:
        return user.phone is not None and same_number(person.phone, user.phone)
    return is_similar(person.name or "", user.name)


def _require_address(draft: UserDraft) -> None:
    if not (draft.email or draft.phone):
        raise Rejected(
            "Users are known by an e-mail address or a phone number.",
            say="What is the e-mail address or the phone number?",
        )


def _reached(draft: UserDraft) -> str:
    return " and ".join(filter(None, (draft.email, draft.phone))) or "without an address"


def _saved(draft: UserDraft, user: str) -> UserAnswer:
    name = draft.name or draft.email or draft.phone
    say = f"Done, {name} has been saved. {ANYTHING_ELSE}"
    return UserAnswer(
        say=say,
        id=user,
        name=draft.name,
        email=draft.email,
        phone=draft.phone,
        organization=draft.organization,
    )
