"""The tools for users, and for the tickets that they are related to."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from tickets import sentences
from tickets.inputs import (
    ChangedUser,
    Detail,
    Id,
    Ids,
    NewUser,
    Person,
    ShortText,
    parse_person,
    to_id,
    to_ids,
    to_line,
)
from tickets.operations import (
    PROVIDER,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    batch_result,
    max_rows,
    require_user,
    search_tickets,
    single_id,
    user_list,
)
from tickets.provider import (
    MAX_BATCH,
    Relation,
    TicketProvider,
    TicketQuery,
    User,
    UserDraft,
)
from tickets.results import (
    FULL,
    BatchResult,
    DeletedUser,
    TicketList,
    UserList,
    UserResult,
    user_row,
)
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.speech.people import is_same_number, is_similar, similarity

NewUsers = Annotated[list[NewUser], Field(min_length=1, max_length=MAX_BATCH)]
ChangedUsers = Annotated[list[ChangedUser], Field(min_length=1, max_length=MAX_BATCH)]


@tool(title="Show a user", annotations=READS, timeout=READ_TIMEOUT)
async def get_user(user: Id, provider: TicketProvider = PROVIDER) -> UserResult:
    """Show a customer or an agent. user: their id."""
    found = await require_user(provider, user)
    say = sentences.say("shown", name=sentences.user_label(found))
    return UserResult(say=say, **user_row(found, full=True).model_dump())


@tool(title="List users", annotations=READS, timeout=READ_TIMEOUT)
async def list_users(detail: Detail = "short", provider: TicketProvider = PROVIDER) -> UserList:
    """List customers and agents."""
    page = await provider.people.search(None, limit=max_rows(detail))
    return user_list(page.users, detail, more=page.more)


@tool(
    title="Search users",
    annotations=READS,
    tags={"voice"},
    timeout=READ_TIMEOUT,
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
    text: ShortText, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> UserList:
    """Find a person by name, e-mail or phone number, as the caller says it."""
    if not to_line(text):
        raise Rejected("There is nobody to look for.", say=sentences.say("which_person"))
    person = parse_person(text)
    page = await provider.people.search(
        person.name, phone=person.phone, email=person.email, limit=FULL
    )
    users = [each for each in page.users if _matches(person, each)]
    if person.name:
        name = person.name
        users.sort(key=lambda each: similarity(name, each.name), reverse=True)
    return user_list(users, detail)


@tool(title="Add a user", annotations=WRITES, timeout=WRITE_TIMEOUT)
async def create_user(
    name: ShortText,
    email: ShortText | None = None,
    phone: ShortText | None = None,
    organization: ShortText | None = None,
    provider: TicketProvider = PROVIDER,
) -> UserResult:
    """Add a customer. organization: its name or id."""
    draft = NewUser(name=name, email=email, phone=phone, organization=organization).to_draft()
    if lost := await provider.people.find_lost_create(draft):
        return _saved(draft, lost)
    confirm(sentences.confirm_user(draft))
    return _saved(draft, await provider.people.create(draft))


@tool(title="Change a user", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def update_user(
    user: Id,
    name: ShortText | None = None,
    email: ShortText | None = None,
    phone: ShortText | None = None,
    organization: ShortText | None = None,
    provider: TicketProvider = PROVIDER,
) -> UserResult:
    """Change a user: only what is given."""
    found = await require_user(provider, user)
    draft = NewUser(name=name, email=email, phone=phone, organization=organization).to_draft(
        found.id
    )
    if draft == UserDraft(id=found.id):
        raise Rejected("Nothing is to change.", say=sentences.say("which_change"))
    values = draft.model_dump(exclude={"id"}, exclude_none=True)
    confirm(sentences.confirm_user_change(found, [*values.values()]))
    single_id(await provider.people.update([draft]))
    after = found.model_copy(update=values)
    say = sentences.say("user_changed", name=sentences.user_label(after))
    return UserResult(say=say, **user_row(after, full=True).model_dump())


@tool(title="Delete a user", annotations=DESTROYS, timeout=WRITE_TIMEOUT)
async def delete_user(user: Id, provider: TicketProvider = PROVIDER) -> DeletedUser:
    """Delete a user for good."""
    found = await require_user(provider, user)
    name = sentences.user_label(found)
    confirm(sentences.say("confirm_user_deletion", name=name))
    await provider.people.delete(found.id)
    return DeletedUser(say=sentences.say("user_deleted", name=name), id=found.id)


@tool(title="Show many users", annotations=READS, timeout=READ_TIMEOUT)
async def show_many_users(
    users: Ids, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> UserList:
    """Show users by their ids."""
    ids = to_ids(users, "user")
    found = [each for each in await provider.people.get(ids) if not each.gone]
    found_ids = {each.id for each in found}
    missing = [each for each in ids if each not in found_ids]
    return user_list(found, detail, missing=missing)


@tool(title="Add or change a user", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def create_or_update_user(
    name: ShortText,
    email: ShortText | None = None,
    phone: ShortText | None = None,
    organization: ShortText | None = None,
    provider: TicketProvider = PROVIDER,
) -> UserResult:
    """Change the user who has that e-mail address or phone number, or add one."""
    draft = NewUser(name=name, email=email, phone=phone, organization=organization).to_draft()
    _require_address(draft)
    confirm(sentences.confirm_saved_user(draft))
    return _saved(draft, single_id(await provider.people.upsert([draft])))


@tool(title="Add or change many users", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def create_or_update_many_users(
    users: NewUsers, provider: TicketProvider = PROVIDER
) -> BatchResult:
    """Change up to 100 users by their address, and add those who are new."""
    drafts = [each.to_draft() for each in users]
    for draft in drafts:
        _require_address(draft)
    confirm(sentences.confirm_batch(len(drafts), "user", "saved"))
    return batch_result(await provider.people.upsert(drafts), "user", "saved")


@tool(title="Change many users", annotations=CHANGES, timeout=WRITE_TIMEOUT)
async def update_many_users(
    users: ChangedUsers, provider: TicketProvider = PROVIDER
) -> BatchResult:
    """Change up to 100 users, each by its id."""
    drafts = [each.to_draft(to_id(each.id, "user")) for each in users]
    confirm(sentences.confirm_batch(len(drafts), "user", "changed"))
    return batch_result(await provider.people.update(drafts), "user", "changed")


@tool(title="A user's own tickets", annotations=READS, timeout=READ_TIMEOUT)
async def get_user_requested_tickets(
    user: Id, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketList:
    """List the tickets that a user has asked for. user: their id."""
    return await _related_tickets(provider, user, "requested", detail)


@tool(title="An agent's tickets", annotations=READS, timeout=READ_TIMEOUT)
async def get_user_assigned_tickets(
    user: Id, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketList:
    """List the tickets that an agent works on. user: their id."""
    return await _related_tickets(provider, user, "assigned", detail)


@tool(title="Tickets that a user is copied in", annotations=READS, timeout=READ_TIMEOUT)
async def get_user_ccd_tickets(
    user: Id, detail: Detail = "short", provider: TicketProvider = PROVIDER
) -> TicketList:
    """List the tickets that a user gets copies of. user: their id."""
    return await _related_tickets(provider, user, "copied", detail)


async def _related_tickets(
    provider: TicketProvider, user: str, relation: Relation, detail: Detail
) -> TicketList:
    found = await require_user(provider, user)
    query = TicketQuery(related_to=found.id, relation=relation)
    return await search_tickets(provider, query, detail)


def _matches(person: Person, user: User) -> bool:
    if person.email:
        return (user.email or "").casefold() == person.email.casefold()
    if person.phone:
        return user.phone is not None and is_same_number(person.phone, user.phone)
    return is_similar(person.name or "", user.name)


def _require_address(draft: UserDraft) -> None:
    if not (draft.email or draft.phone):
        raise Rejected(
            "Users are known by an e-mail address or a phone number.",
            say=sentences.say("which_address"),
        )


def _saved(draft: UserDraft, user_id: str) -> UserResult:
    name = draft.name or draft.email or draft.phone or user_id
    return UserResult(
        say=sentences.say("user_saved", name=name),
        id=user_id,
        name=draft.name,
        email=draft.email,
        phone=draft.phone,
        organization=draft.organization,
    )
