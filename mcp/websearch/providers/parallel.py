"""Parallel's search. https://docs.parallel.ai/api-reference/search/search.

Errors: https://docs.parallel.ai/resources/warnings-and-errors. Its SDK rides on httpx; the one
request is made here instead.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import httpx2
from pydantic import BaseModel, Field, SecretStr

from config.security.vault import Account
from toolkit.errors import Forbidden, ToolFailure
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.http.records import Records
from toolkit.tenancy import Credentials, ToolCall
from websearch.provider import (
    ReportedDate,
    ReportedText,
    SearchQuery,
    SearchUsage,
    WebPage,
    WebSearch,
)
from websearch.sentences import say

_MIN_EXCERPT = 1000  # characters; less is taken for as many
_MOST_UNITS = 10  # of what is counted
_PAYMENT_REQUIRED = 402


class ParallelCredentials(Credentials):
    """The key of a Parallel account."""

    api_key: SecretStr


class _Settings(BaseModel):
    mode: Literal["basic", "advanced"] = "basic"


class _Result(BaseModel):
    url: str
    title: ReportedText = ""
    publish_date: ReportedDate = None
    excerpts: list[str]


class _UsageItem(BaseModel):
    name: Annotated[str, Field(max_length=60)]
    count: Annotated[int, Field(ge=0, le=1_000_000)]


class _SearchResponse(BaseModel):
    results: Records[_Result]
    search_id: ReportedText = ""
    usage: Records[_UsageItem] | None = None


class Parallel:
    """A tenant's Parallel account. It is tried with a search of one page, which Parallel bills.

    Setting: `mode`, `basic`, or the slower and more thorough `advanced` (`basic`).
    """

    credentials: ClassVar[type[Credentials]] = ParallelCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._settings = _Settings.model_validate(account.settings)
        key = ParallelCredentials.model_validate(account.secrets).api_key.get_secret_value()
        self._api = VendorApi(
            "Parallel",
            account.base_url("https://api.parallel.ai"),
            call.vendor_connection(account),
            HeaderAuth("x-api-key", key),
            refusal=_read_refusal,
        )

    async def check(self) -> None:
        """Search for one page."""
        await self.search(SearchQuery(text="web search", limit=1))

    async def search(self, query: SearchQuery) -> WebSearch:
        """Search the web, with the passages of each page that fit the query."""
        body: dict[str, Any] = {
            "search_queries": [query.text],
            "objective": query.text,
            "mode": self._settings.mode,
            "advanced_settings": {
                "max_results": query.limit,
                "excerpt_settings": {"max_chars_per_result": _MIN_EXCERPT},
            },
        }
        if policy := _source_policy(query):
            body["advanced_settings"]["source_policy"] = policy
        path = ("v1", "search")
        answer = await self._api.call("POST", path, _SearchResponse, json=body, reads=True)
        units = {each.name: each.count for each in (answer.usage or ())[:_MOST_UNITS]}
        return WebSearch(
            pages=tuple(
                WebPage(
                    title=each.title,
                    link=each.url,
                    date=each.publish_date,
                    excerpt=" … ".join(each.excerpts),
                )
                for each in answer.results
            ),
            usage=SearchUsage(
                provider="parallel", request_id=answer.search_id or None, units=units
            ),
        )


def _source_policy(query: SearchQuery) -> dict[str, Any]:
    """Return the domains and the date that a query names."""
    policy = {
        "include_domains": query.include_domains,
        "exclude_domains": query.exclude_domains,
        "after_date": query.since.isoformat() if query.since else None,
    }
    return {name: value for name, value in policy.items() if value}


def _read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure of an account without credit; None for what its status says."""
    if response.status_code != _PAYMENT_REQUIRED:
        return None
    return Forbidden(
        "The credit of the Parallel account is used up.",
        say=say("search_used_up"),
        next="Do not search again. Someone has to add credit to the account; offer a follow-up.",
    )
