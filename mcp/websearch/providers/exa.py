"""Exa's search. https://exa.ai/docs/reference/search, errors: https://exa.ai/docs/admin/error-codes.

Its SDK rides on httpx and brings the one of OpenAI along; the one request is made here instead.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import httpx2
from pydantic import BaseModel, SecretStr

from config.security.vault import Account
from toolkit.errors import Forbidden, ToolFailure
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.http.records import Records
from toolkit.tenancy import Credentials, ToolCall
from websearch.provider import (
    ReportedCost,
    ReportedDate,
    ReportedText,
    SearchQuery,
    SearchUsage,
    WebPage,
    WebSearch,
)
from websearch.results import MAX_SNIPPET
from websearch.sentences import say

_PAYMENT_REQUIRED = 402


class ExaCredentials(Credentials):
    """The key of an Exa account."""

    api_key: SecretStr


class _Settings(BaseModel):
    search_type: Literal["auto", "fast", "instant"] = "auto"


class _Result(BaseModel):
    url: str
    title: ReportedText = ""
    publishedDate: ReportedDate = None
    highlights: list[str] | None = None


class _CostDollars(BaseModel):
    total: ReportedCost = None


class _SearchResponse(BaseModel):
    results: Records[_Result]
    requestId: ReportedText = ""
    costDollars: _CostDollars | None = None


class Exa:
    """A tenant's Exa account. It is tried with a search of one page, which Exa bills.

    Setting: `search_type`, `auto`, or the quicker `fast` or `instant` (`auto`).
    """

    credentials: ClassVar[type[Credentials]] = ExaCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._settings = _Settings.model_validate(account.settings)
        key = ExaCredentials.model_validate(account.secrets).api_key.get_secret_value()
        self._api = VendorApi(
            "Exa",
            account.base_url("https://api.exa.ai"),
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
            "query": query.text,
            "numResults": query.limit,
            "type": self._settings.search_type,
            "contents": {"highlights": {"maxCharacters": MAX_SNIPPET}},
        }
        if query.include_domains:
            body["includeDomains"] = query.include_domains
        elif query.exclude_domains:  # whether Exa takes both at once is not documented
            body["excludeDomains"] = query.exclude_domains
        if query.since:
            body["startPublishedDate"] = f"{query.since}T00:00:00.000Z"
        answer = await self._api.call("POST", ("search",), _SearchResponse, json=body, reads=True)
        return WebSearch(
            pages=tuple(
                WebPage(
                    title=each.title,
                    link=each.url,
                    date=each.publishedDate,
                    excerpt=" … ".join(each.highlights or ()),
                )
                for each in answer.results
            ),
            usage=SearchUsage(
                provider="exa",
                request_id=answer.requestId or None,
                cost=answer.costDollars.total if answer.costDollars else None,
            ),
        )


def _read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return the failure of an account without credit; None for what its status says."""
    if response.status_code != _PAYMENT_REQUIRED:
        return None
    return Forbidden(
        "The credit of the Exa account is used up.",
        say=say("search_used_up"),
        next="Do not search again. Someone has to add credit to the account; offer a follow-up.",
    )
