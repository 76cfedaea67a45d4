"""Calls Jira Cloud through the `jira` SDK, in threads and over the HTTP client of every vendor."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import quote

import httpx2
from jira import JIRA
from jira.utils import json_loads
from pydantic import Field, SecretStr

from config.security.vault import Account
from tickets.providers.jira import responses
from tickets.providers.jira.refusals import read_refusal
from toolkit.errors import NotFound
from toolkit.http.client import Model, VendorApi
from toolkit.http.sync_sdk import Send, sync_session
from toolkit.tenancy import Credentials, ToolCall

T = TypeVar("T")
Query = Mapping[str, str | int | Sequence[str]]

CONCURRENCY = 5  # requests at a time for one call
_OWN_ACCOUNT_TTL = 3600.0  # seconds
_READING_POSTS = frozenset({("issue", "bulkfetch"), ("comment", "list")})


class JiraCredentials(Credentials):
    """What a tenant pastes in to connect Jira: `acme` is the site of acme.atlassian.net."""

    site: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")
    email: str
    api_token: SecretStr
    webhook_secret: SecretStr | None = None


class JiraCloud(JIRA):
    """The SDK for Jira Cloud's REST API v3: created on the event loop, and used in a thread."""

    def __init__(self, server: str, exchange: Send, budget: float) -> None:
        super().__init__(
            server=server,
            options={"rest_api_version": "3"},
            get_server_info=False,
            max_retries=0,  # our client retries, and knows the caller's time limit
            logging=False,  # its log would hold what Jira answered
        )
        adapter = sync_session(exchange, budget=budget).get_adapter(server)
        self._http().trust_env = False
        self._http().mount("https://", adapter)
        self._http().mount("http://", adapter)
        # Without these the SDK would request them: its deployment, and the names of all fields.
        self.deploymentType = "Cloud"
        self._version = (1001, 0, 0)
        self._fields_cache_value = {"summary": "summary"}

    def request(
        self, method: str, path: Sequence[str], query: Query | None = None, body: object = None
    ) -> Any:
        """Send one request and return the response's JSON.

        The SDK's own methods are not used for that: they read back what they have written, look
        up names that we know, do not quote ids, and make attributes of any key of a response.
        """
        url = self._get_url("/".join(quote(part, safe="") for part in path))
        data = None if body is None else json.dumps(body)
        return json_loads(self._http().request(method, url, params=query, data=data))

    def search(self, jql: str, fields: Sequence[str], limit: int, properties: str | None) -> Any:
        """Return the first page of a search."""
        options: dict[str, Any] = {"fields": [*fields], "properties": properties}
        return cast(
            Any, self.enhanced_search_issues(jql, maxResults=limit, json_result=True, **options)
        )

    def _http(self) -> Any:
        return cast(Any, self._session)  # the SDK's type says that it may have been closed


class JiraClient:
    """Sends requests for one tool call to one tenant's Jira site.

    Every method raises a `ToolFailure` for whatever went wrong.
    """

    def __init__(self, account: Account, call: ToolCall) -> None:
        credentials = JiraCredentials.model_validate(account.secrets)
        self.call = call
        self._account = account
        self._api = VendorApi(
            "Jira",
            account.base_url(f"https://{credentials.site}.atlassian.net"),
            call.vendor_connection(account),
            httpx2.BasicAuth(credentials.email, credentials.api_token.get_secret_value()),
            refusal=read_refusal,
        )

    async def request(
        self,
        method: str,
        path: Sequence[str],
        returns: type[Model],
        *,
        query: Query | None = None,
        body: object = None,
    ) -> Model:
        """Send one request, and read the response as `returns`."""
        reads = method == "GET" or tuple(path) in _READING_POSTS
        return await self._run(lambda jira: jira.request(method, path, query, body), returns, reads)

    async def search(
        self, jql: str, fields: Sequence[str], limit: int, properties: str | None = None
    ) -> responses.IssuePage:
        """Return the first page of a search, with these fields and properties of each issue."""
        return await self._run(
            lambda jira: jira.search(jql, fields, limit, properties),
            responses.IssuePage,
            reads=True,
        )

    async def at_current_key(self, key: str, work: Callable[[str], Awaitable[T]]) -> T:
        """Run `work` with the key of an issue; if there is none, with the key it has moved to.

        Jira documents that it looks for moved issues where it returns their fields, and nowhere
        else.

        Raises:
            NotFound: there is no such issue.
        """
        try:
            return await work(key)
        except NotFound:
            query: Query = {"fields": ["status"]}
            moved = await self.request("GET", ("issue", key), responses.Issue, query=query)
            if moved.key == key:
                raise
        return await work(moved.key)

    async def own_account_id(self) -> str:
        """Return the id of the account whose token we have, cached for an hour."""
        account = await self.call.cached(
            self._account, "us", _OWN_ACCOUNT_TTL, self.fetch_own_account
        )
        return account.accountId

    async def fetch_own_account(self) -> responses.Account:
        """Return the account whose token we have."""
        return await self._run(lambda jira: jira.myself(), responses.Account, reads=True)

    async def _run(
        self, work: Callable[[JiraCloud], Any], returns: type[Model], reads: bool
    ) -> Model:
        budget = self._api.thread_budget(writes=not reads)
        # A new one for each request: that is cheap, and it is not thread-safe.
        jira = JiraCloud(self._api.base_url, partial(self._api.send_json, reads=reads), budget)
        answer = await self.call.runtime.threads.run(
            lambda: work(jira), budget=budget, writes=not reads
        )
        return self._api.parse(answer, returns, reads=reads)
