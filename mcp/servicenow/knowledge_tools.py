"""The tools for knowledge articles, as the model sees them.

What an article says is data: it is handed on as text, and never told as our own words.
"""

from fastmcp.tools import tool

from servicenow import inputs
from servicenow.operations import DESK, READING, Desk, Name, looked_for
from servicenow.results import (
    SHORT,
    ArticleAnswer,
    ArticleList,
    Detail,
    listed_article,
    read_article,
    rows,
)
from toolkit.effects import READS
from toolkit.errors import NotFound
from toolkit.speech import phrases
from toolkit.speech.text import cut

_TITLE = 90  # bytes


@tool(
    title="Search knowledge articles",
    annotations=READS,
    tags={"voice"},
    timeout=READING,
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
    question: Name, detail: Detail = "short", desk: Desk = DESK
) -> ArticleList:
    """Find knowledge articles. question: in a few words. Answer from what they say only."""
    found = await desk.service.articles(looked_for(question), rows(detail) + 1)
    shown = found[: rows(detail)]
    titles = phrases.join_words([cut(each.title, _TITLE) for each in shown[:SHORT]])
    say = f"I found {titles}." if shown else "I can't find an article about that."
    articles = [listed_article(each) for each in shown]
    return ArticleList(say=say, articles=articles, more=len(found) > len(shown))


@tool(title="Read a knowledge article", annotations=READS, timeout=READING)
async def get_knowledge_article(
    article: Name, detail: Detail = "short", desk: Desk = DESK
) -> ArticleAnswer:
    """Read a knowledge article. article: its number. detail full: more of it."""
    reference = inputs.reference(article, "article")
    found = await desk.service.article(reference)
    if found is None:
        raise NotFound("There is no such article.", say="I can't find that article.")
    text, more = read_article(found, detail)
    return ArticleAnswer(
        number=found.number or found.id, title=cut(found.title, 2 * _TITLE), text=text, more=more
    )
