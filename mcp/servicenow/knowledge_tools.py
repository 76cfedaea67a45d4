"""The tools for knowledge articles.

An article's text is data: it is returned as text, and never becomes part of a `say` sentence.
"""

from fastmcp.tools import tool

from servicenow import sentences
from servicenow.inputs import Name, parse_record_key
from servicenow.operations import (
    OPERATIONS,
    READ_TIMEOUT,
    ServiceNowOperations,
    require_search_terms,
)
from servicenow.results import (
    ArticleListResult,
    ArticleResult,
    Detail,
    max_rows,
    to_article_result,
    to_article_view,
)
from toolkit.effects import READS
from toolkit.errors import NotFound


@tool(
    title="Search knowledge articles",
    annotations=READS,
    tags={"voice"},
    timeout=READ_TIMEOUT,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "How do I get rid of all the spam in my mailbox?",
                    "arguments": {"question": "get rid of spam"},
                }
            ]
        }
    },
)
async def search_knowledge(
    question: Name, detail: Detail = "short", operations: ServiceNowOperations = OPERATIONS
) -> ArticleListResult:
    """Find knowledge articles. question: in a few words. Answer from what they say only."""
    terms, limit = require_search_terms(question), max_rows(detail)
    found = await operations.provider.search_articles(terms, limit + 1)
    articles = found[:limit]
    return ArticleListResult(
        say=sentences.describe_articles(articles),
        articles=[to_article_view(each) for each in articles],
        more=len(found) > limit,
    )


@tool(title="Read a knowledge article", annotations=READS, timeout=READ_TIMEOUT)
async def get_knowledge_article(
    article: Name, detail: Detail = "short", operations: ServiceNowOperations = OPERATIONS
) -> ArticleResult:
    """Read a knowledge article. article: its number. detail full: more of it."""
    found = await operations.provider.get_article(parse_record_key(article, "article"))
    if found is None:
        raise NotFound("There is no such article.", say=sentences.say("no_such_article"))
    return to_article_result(found, detail)
