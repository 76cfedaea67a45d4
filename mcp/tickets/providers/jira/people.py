"""The people of a Jira site: Atlassian accounts, of which others may change nothing."""

import re
from collections.abc import Sequence

from pydantic import RootModel

from tickets.provider import User, UserDraft, UserPage
from tickets.providers.jira import mapping as records
from tickets.providers.jira.client import AT_ONCE, Query, Wired
from tickets.providers.jira.mapping import Account
from toolkit.errors import Conflict, NotFound, Rejected
from toolkit.http.concurrency import map_concurrently

_MOST = 50  # accounts in one answer to a search
_SOME = 100  # accounts that are listed
_BEGINNING = 2  # letters by which a name is looked for that was heard wrongly
_ACCOUNT_ID = re.compile(r"[\w:.-]{1,128}")


class People:
    """The accounts that an account of ours may see; privacy may hide their addresses."""

    def __init__(self, jira: Wired) -> None:
        self._jira = jira

    async def users(self, ids: Sequence[str]) -> list[User]:
        """Return those of the users who exist, in the order of `ids`."""
        known = [*dict.fromkeys(each for each in ids if is_account(each))]
        found = await self._known(known)
        by_id = {account.accountId: account.user() for account in found}
        return [by_id[each] for each in known if each in by_id]

    async def find(self, text: str | None, phone: str | None, email: str | None) -> UserPage:
        """Return users who may be meant: Jira compares the beginnings of names and addresses."""
        if email is not None:
            return _page(await self._search([email]))
        if text is not None:
            parts = [part for part in text.split() if len(part) >= _BEGINNING]
            found = await self._search([text, *parts])
            return _page(found or await self._search([part[:_BEGINNING] for part in parts]))
        if phone is not None:  # Jira keeps no numbers.
            return UserPage(users=())
        query: Query = {"maxResults": _SOME}
        path = ("users", "search")
        some = await self._jira.ask("GET", path, RootModel[list[Account]], query=query)
        return _page(some.root, more=len(some.root) == _SOME)

    async def with_address(self, email: str) -> User | None:
        """Return the user who has an address, if their privacy lets us see that."""
        found = (await self.find(None, None, email)).users
        same = (each for each in found if (each.email or "").casefold() == email.casefold())
        return next(same, None)

    async def create(self, draft: UserDraft) -> str:
        """Add somebody to the site, without access to any product. Their name they choose."""
        if draft.email is None:
            raise Rejected(
                "Jira knows people by their e-mail address only.",
                say="What is the e-mail address?",
            )
        # Jira would answer as if it had added them.
        if await self.with_address(draft.email):
            raise Conflict("There is a user with that e-mail address.")
        body = {"emailAddress": draft.email, "products": list[str]()}
        return (await self._jira.ask("POST", ("user",), Account, body=body)).accountId

    async def delete(self, user_id: str) -> None:
        """Take somebody off the site."""
        if not is_account(user_id):
            raise NotFound("There is no such user.")
        await self._jira.ask("DELETE", ("user",), records.Nothing, query={"accountId": user_id})

    async def _known(self, ids: Sequence[str]) -> Sequence[Account]:
        if not ids:
            return ()
        if len(ids) > 1:
            query: Query = {"accountId": ids, "maxResults": len(ids)}
            path = ("user", "bulk")
            return (await self._jira.ask("GET", path, records.Accounts, query=query)).values
        try:
            return [await self._jira.ask("GET", ("user",), Account, query={"accountId": ids[0]})]
        except NotFound:
            return ()

    async def _search(self, words: Sequence[str]) -> list[Account]:
        answers = await map_concurrently(self._named, [*dict.fromkeys(words)], at_once=AT_ONCE)
        return [account for answer in answers for account in answer]

    async def _named(self, beginning: str) -> list[Account]:
        query: Query = {"query": beginning, "maxResults": _MOST}
        path = ("user", "search")
        return (await self._jira.ask("GET", path, RootModel[list[Account]], query=query)).root


def is_account(user_id: str) -> bool:
    """Say whether an id is of the form that accounts have."""
    return bool(_ACCOUNT_ID.fullmatch(user_id))


def _page(found: Sequence[Account], *, more: bool = False) -> UserPage:
    """Return the people among some accounts: no apps, and nobody who has left."""
    people = [each for each in found if each.active and each.accountType != "app"]
    by_id = {each.accountId: each.user() for each in people}
    return UserPage(users=tuple(by_id.values()), more=more)
