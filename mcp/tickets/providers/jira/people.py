"""The people of a Jira site: Atlassian accounts, which only their owners can change."""

import re
from collections.abc import Sequence

from tickets.provider import BatchOutcome, Organization, User, UserDraft, UserPage
from tickets.providers.jira import responses
from tickets.providers.jira.client import CONCURRENCY, JiraClient, Query
from tickets.providers.jira.mapping import to_user
from tickets.sentences import say
from toolkit.errors import Conflict, NotFound, Rejected
from toolkit.http.concurrency import map_concurrently
from toolkit.http.records import RecordList

OWNERS_ONLY = "Atlassian accounts are changed by the people whose they are."
_MAX_FOUND = 50  # accounts in a response to a search
_MAX_LISTED = 100  # accounts in a list
_PREFIX = 2  # letters of a name that may have been misheard
_ACCOUNT_ID = re.compile(r"[\w:.-]{1,128}")


class JiraPeople:
    """The accounts that our account may see; their privacy settings may hide the addresses."""

    def __init__(self, client: JiraClient) -> None:
        self._client = client

    async def get(self, ids: Sequence[str]) -> list[User]:
        """Return the users who exist, in the order of `ids`; inactive accounts are gone."""
        account_ids = [*dict.fromkeys(id for id in ids if is_account_id(id))]
        accounts = await self._fetch(account_ids)
        by_id = {account.accountId: to_user(account) for account in accounts}
        return [by_id[id] for id in account_ids if id in by_id]

    async def search(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users with a similar name or that e-mail address; without any, all users.

        Jira compares the beginnings of names and addresses. It has no phone numbers.
        """
        if email is not None:
            return _page(await self._search_all([email]))
        if text is not None:
            parts = [part for part in text.split() if len(part) >= _PREFIX]
            found = await self._search_all([text, *parts])
            return _page(found or await self._search_all([part[:_PREFIX] for part in parts]))
        if phone is not None:
            return UserPage(users=())
        query: Query = {"maxResults": _MAX_LISTED}
        accounts = await self._client.request(
            "GET", ("users", "search"), RecordList[responses.Account], query=query
        )
        return _page(accounts.root, more=accounts.count == _MAX_LISTED)

    async def create(self, draft: UserDraft) -> str:
        """Invite a user to the site, without access to any product; they choose their own name."""
        if draft.email is None:
            raise Rejected(
                "Jira knows people by their e-mail address only.",
                say=say("which_email"),
            )
        # For an address that has an account, Jira responds as if it had created one.
        if await self.find_by_email(draft.email):
            raise Conflict("There is a user with that e-mail address.")
        body = {"emailAddress": draft.email, "products": list[str]()}
        account = await self._client.request("POST", ("user",), responses.Account, body=body)
        return account.accountId

    async def find_lost_create(self, draft: UserDraft) -> str | None:
        """Return the user who has the e-mail address, if this is a retry."""
        if not self._client.call.is_retry or draft.email is None:
            return None
        user = await self.find_by_email(draft.email)
        return user.id if user else None

    async def update(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Refuse: Jira cannot do this.

        Raises:
            Rejected: always.
        """
        raise Rejected(OWNERS_ONLY)

    async def upsert(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Refuse: Jira cannot do this.

        Raises:
            Rejected: always.
        """
        raise Rejected(OWNERS_ONLY)

    async def delete(self, user_id: str) -> None:
        """Remove a user from the site."""
        if not is_account_id(user_id):
            raise NotFound("There is no such user.")
        await self._client.request(
            "DELETE", ("user",), responses.Nothing, query={"accountId": user_id}
        )

    async def get_organization(self, organization_id: str) -> Organization | None:
        """Return None: Jira has no organizations."""
        return None

    async def find_by_email(self, email: str) -> User | None:
        """Return the user who has an e-mail address, if their privacy settings show it."""
        found = (await self.search(None, email=email)).users
        same = (each for each in found if (each.email or "").casefold() == email.casefold())
        return next(same, None)

    async def _fetch(self, ids: Sequence[str]) -> Sequence[responses.Account]:
        if not ids:
            return ()
        if len(ids) > 1:
            query: Query = {"accountId": ids, "maxResults": len(ids)}
            path = ("user", "bulk")
            accounts = await self._client.request("GET", path, responses.AccountList, query=query)
            return accounts.values
        query = {"accountId": ids[0]}
        try:
            return [await self._client.request("GET", ("user",), responses.Account, query=query)]
        except NotFound:
            return ()

    async def _search_all(self, prefixes: Sequence[str]) -> list[responses.Account]:
        """Return the accounts for each of the prefixes."""
        unique = [*dict.fromkeys(prefixes)]
        answers = await map_concurrently(self._search_one, unique, limit=CONCURRENCY)
        return [account for answer in answers for account in answer]

    async def _search_one(self, prefix: str) -> list[responses.Account]:
        query: Query = {"query": prefix, "maxResults": _MAX_FOUND}
        accounts = await self._client.request(
            "GET", ("user", "search"), RecordList[responses.Account], query=query
        )
        return accounts.root


def is_account_id(id: str) -> bool:
    """Return whether an id has the form of an account's."""
    return bool(_ACCOUNT_ID.fullmatch(id))


def _page(accounts: Sequence[responses.Account], *, more: bool = False) -> UserPage:
    """Return accounts as users, without apps and inactive accounts."""
    people = [each for each in accounts if each.active and each.accountType != "app"]
    by_id = {each.accountId: to_user(each) for each in people}
    return UserPage(users=tuple(by_id.values()), more=more)
