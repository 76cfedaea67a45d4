"""The builtin provider's users and organizations."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from tickets.provider import BatchOutcome, Organization, User, UserDraft, UserPage
from tickets.providers.builtin.mapping import to_organization, to_user
from tickets.providers.builtin.tables import TicketUser
from tickets.providers.builtin.transactions import exclusive_transaction, find_by_key, run_each
from tickets.providers.builtin.user_rows import UserRows
from toolkit.tenancy import ToolCall


class BuiltinPeople:
    """The users and organizations of one business."""

    def __init__(self, call: ToolCall) -> None:
        self._call = call

    async def get(self, ids: Sequence[str]) -> list[User]:
        """Return the users who exist, in the order of `ids`."""
        async with self._call.transaction() as session:
            return [to_user(row) for row in await self._rows(session).get_many(ids)]

    async def search(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users with a similar name, or that number or address; without any, all users."""
        async with self._call.transaction() as session:
            rows = self._rows(session)
            if email:
                found = [*filter(None, [await rows.find_by_email(email)])]
            elif phone:
                found = await rows.find_by_phone(phone)
            elif text:
                found = await rows.search_by_name(text, limit + 1)
            else:
                found = [*await rows.list_by_name(limit + 1)]
        return UserPage(users=tuple(map(to_user, found[:limit])), more=len(found) > limit)

    async def create(self, draft: UserDraft) -> str:
        """Add a user and return the id."""
        key = self._call.idempotency_key
        async with exclusive_transaction(self._call) as session:
            if added := await find_by_key(session, TicketUser, key):
                return added
            return str((await self._rows(session).add(draft, key)).id)

    async def find_lost_create(self, draft: UserDraft) -> str | None:
        """Return the user with this call's idempotency key, if there is one."""
        async with self._call.transaction() as session:
            return await find_by_key(session, TicketUser, self._call.idempotency_key)

    async def update(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change users by their ids."""
        async with exclusive_transaction(self._call) as session:
            rows = self._rows(session)

            async def update(draft: UserDraft) -> str:
                row = await rows.get(draft.id or "")
                await rows.change(row, draft)
                return str(row.id)

            work = {draft.id or "": partial(update, draft) for draft in drafts}
            return await run_each(session, work)

    async def upsert(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change the users who have the e-mail address or phone number, and add the others."""
        async with exclusive_transaction(self._call) as session:
            rows = self._rows(session)

            async def upsert(draft: UserDraft) -> str:
                row = await rows.find_by_contact(draft.email, draft.phone)
                if row is None:
                    return str((await rows.add(draft)).id)
                await rows.change(row, draft)
                return str(row.id)

            work = {str(n): partial(upsert, draft) for n, draft in enumerate(drafts, 1)}
            return await run_each(session, work)

    async def delete(self, user_id: str) -> None:
        """Delete a user; their tickets and comments stay."""
        async with exclusive_transaction(self._call) as session:
            rows = self._rows(session)
            await rows.delete(await rows.get(user_id))

    async def get_organization(self, organization_id: str) -> Organization | None:
        """Return an organization; None if it does not exist."""
        async with self._call.transaction() as session:
            row = await self._rows(session).get_organization(organization_id)
        return to_organization(row) if row else None

    def _rows(self, session: AsyncSession) -> UserRows:
        return UserRows(session, self._call.business_id)
