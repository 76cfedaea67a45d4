"""The `jira` SDK, which sends where every vendor's requests go, and asks for nothing twice."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import quote

from jira import JIRA
from jira.utils import json_loads

from toolkit.http.client import Model, VendorApi, thread_budget
from toolkit.http.sync_sdk import Exchange, Threads, session

Query = Mapping[str, str | int | Sequence[str]]

AT_ONCE = 5  # requests for one call
_POSTED_READS = frozenset({("issue", "bulkfetch"), ("comment", "list")})


class Cloud(JIRA):
    """Jira Cloud's REST API v3, to be made on the event loop and used in a thread."""

    def __init__(self, server: str, exchange: Exchange, budget: float) -> None:
        super().__init__(
            server=server,
            options={"rest_api_version": "3"},
            get_server_info=False,
            max_retries=0,  # The wire retries, and knows for how long somebody will wait.
            logging=False,  # Its log would hold what the vendor wrote.
        )
        adapter = session(exchange, budget=budget).get_adapter(server)
        self._http().trust_env = False
        self._http().mount("https://", adapter)
        self._http().mount("http://", adapter)
        # Told, or it would ask: where it runs, and before a search how all the fields are called.
        self.deploymentType = "Cloud"
        self._version = (1001, 0, 0)
        self._fields_cache_value = {"summary": "summary"}

    def ask(
        self, method: str, path: Sequence[str], query: Query | None = None, body: object = None
    ) -> Any:
        """Send one request and return its answer as it is.

        The SDK's own verbs read back what they have written, look up names that we know, send an
        id without quoting it, and turn each key that a stranger could choose into an attribute.
        """
        url = self._get_url("/".join(quote(part, safe="") for part in path))
        data = None if body is None else json.dumps(body)
        return json_loads(self._http().request(method, url, params=query, data=data))

    def search(self, jql: str, fields: Sequence[str], limit: int, properties: str | None) -> Any:
        """Return the first page of what a query finds."""
        wanted: dict[str, Any] = {"fields": [*fields], "properties": properties}
        return cast(
            Any, self.enhanced_search_issues(jql, maxResults=limit, json_result=True, **wanted)
        )

    def _http(self) -> Any:
        return cast(Any, self._session)  # The SDK types it as one that may have been closed.


@dataclass(frozen=True)
class Wired:
    """The SDK in threads, its answers as models of what is used."""

    api: VendorApi
    threads: Threads

    async def ask(
        self,
        method: str,
        path: Sequence[str],
        returns: type[Model],
        *,
        query: Query | None = None,
        body: object = None,
    ) -> Model:
        """Send one request, and read the answer as `returns`.

        Raises:
            ToolFailure: whatever went wrong, in the catalogue's words.
        """
        reads = method == "GET" or tuple(path) in _POSTED_READS
        return await self.run(lambda jira: jira.ask(method, path, query, body), returns, reads)

    async def run(self, work: Callable[[Cloud], Any], returns: type[Model], reads: bool) -> Model:
        """Do `work` with the SDK, and read its answer as `returns`."""
        budget = thread_budget(writes=not reads)
        # One for each request: it is made in no time, and is not for two threads.
        jira = Cloud(self.api.base_url, partial(self.api.exchange_json, reads=reads), budget)
        answer = await self.threads.run(lambda: work(jira), budget=budget, writes=not reads)
        return self.api.read(answer, returns, reads=reads)
