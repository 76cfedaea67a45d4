"""The agent's answers where its models have none: apologies, and requests that end with a turn."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from livekit.agents import AgentSession
from livekit.agents.llm import ChatMessage, function_tool
from redis.asyncio import Redis

from config.bots import Bot
from config.database import Database
from config.security.tokens import Signer
from orchestrator.agent.agent import VoiceAgent
from orchestrator.agent.agent_parts import AgentParts, build_agent_parts
from orchestrator.agent.job import Process
from orchestrator.agent.lite_llm import warm_up_litellm
from orchestrator.agent.model_choice import EMBEDDED
from orchestrator.agent.toolset import RawTool
from orchestrator.agent.turn_limits import MAX_TOOL_STEPS
from orchestrator.channels.text import NoReplyError, write_reply
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool_cache import ToolCache
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.sentences import in_language, say
from tests.support.language_models import Json, Model, Models, Stream, forget_failures, serve_models
from tests.support.processes import in_one_task
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale
from tests.support.scripted_model import Call, Step
from tests.support.speech_bots import bot, settings

ROLE: Json = {"role": "assistant", "content": ""}
EMPTY = Stream([ROLE], "stop")
DEADLINE = 10.0  # seconds that a test waits for what must come
NEVER = -1.0
APOLOGY, FILLER = say("apology"), say("filler")


def words(text: str) -> Stream:
    """Return an answer that ends after some words."""
    return Stream([ROLE, {"content": text}], then="closed")


@dataclass
class Talk:
    """A conversation by text with the agent of a call."""

    session: AgentSession[None]
    parts: AgentParts
    models: Models

    @property
    def model(self) -> Model:
        """Return the bot's first model."""
        return self.models["first"]

    async def ask(self) -> str:
        """Ask, and return all that is said until the turn is over."""
        await self.session.run(user_input="What does a tour cost?")
        return self.said()

    async def ask_slowly(self) -> str:
        """Ask, where the first model answers only once a filler was spoken."""
        self.model.answering.clear()
        asking = asyncio.create_task(self.ask())
        async with asyncio.timeout(DEADLINE):
            while True:
                if (self.parts.fillers.delay or 0.0) > 2:  # of the next one
                    break
                await asyncio.sleep(0.01)
        self.model.answering.set()
        return await asking

    def said(self) -> str:
        """Return what the agent has said."""
        messages = [item for item in self.session.history.items if isinstance(item, ChatMessage)]
        return " | ".join(m.text_content or "" for m in messages if m.role == "assistant")


@pytest_asyncio.fixture(scope="module")
async def served() -> AsyncGenerator[tuple[Models, str]]:
    """The models, and the base URL of all of them."""
    warm_up_litellm()
    async with in_one_task(serve_models()) as served:
        yield served


@pytest_asyncio.fixture
async def process(
    served: tuple[Models, str], cache: Redis, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> Process:
    """The clients of a call whose bot has no servers; no model rests."""
    models, url = served
    monkeypatch.setenv("OPENAI_API_BASE", url)
    monkeypatch.setenv("OPENAI_API_KEY", "scripted")
    await forget_failures(cache)
    for name in ("first", "second", EMBEDDED):
        models[name].play()
    router = Router(signer, lambda name: f"http://127.0.0.1:9/{name}/mcp")
    database = Database("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    own = settings(None).model_copy(update={"models_url": url})
    return Process(own, database, router, ToolCache(router, cache), cache)


def identity_of(bot: Bot) -> Identity:
    """Return a bot's identity in a new conversation."""
    return Identity(f"bot:{bot.id}", bot.business_id, bot, uuid4())


OpenTalk = Callable[..., Any]


@pytest.fixture
def open_talk(served: tuple[Models, str], process: Process) -> OpenTalk:
    """Opens a conversation with a bot of some models, and perhaps of a tool."""

    @asynccontextmanager
    async def talk(
        *models: str, filler_after: float = NEVER, tools: tuple[RawTool, ...] = ()
    ) -> AsyncGenerator[Talk]:
        names = models or ("openai/first",)
        own = bot().model_copy(update={"llm": names, "soft_timeout_seconds": filler_after})
        background = BackgroundTasks()
        parts = build_agent_parts(
            process,
            own,
            identity_of(own),
            background,
            publish=lambda kind, data: None,
            hang_up=lambda: None,
        )
        session: AgentSession[None] = AgentSession(llm=parts.llm, max_tool_steps=MAX_TOOL_STEPS)
        await session.start(VoiceAgent(parts, [*tools], datetime.now(UTC)), record=False)
        try:
            yield Talk(session, parts, served[0])
        finally:
            await session.aclose()
            await background.aclose()

    return talk


async def test_no_answer_is_apologized_for_once(open_talk: OpenTalk) -> None:
    async with open_talk("openai/first", "openai/second") as talk:
        talk.models["first"].send(EMPTY)
        talk.models["second"].send(EMPTY)
        assert await talk.ask() == APOLOGY
        talk.models["second"].play(Step("cost", "Twelve euros."))
        assert await talk.ask() == f"{APOLOGY} | Twelve euros."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A tour costs", f"A tour costs {APOLOGY}"),
        ("A tour costs twelve euros.", "A tour costs twelve euros."),
    ],
)
async def test_half_a_sentence_is_apologized_for(open_talk: OpenTalk, text: str, said: str) -> None:
    async with open_talk() as talk:
        talk.model.send(words(text))
        assert await talk.ask() == said


async def test_a_filler_alone_is_no_answer(open_talk: OpenTalk) -> None:
    async with open_talk("openai/first", "openai/second", filler_after=0.0) as talk:
        talk.models["first"].send(EMPTY)
        talk.models["second"].send(EMPTY)
        assert await talk.ask_slowly() == f"{FILLER} {APOLOGY}"


async def test_no_model_reads_a_filler_as_words_of_its_own(open_talk: OpenTalk) -> None:
    answer = Step("cost", "Twelve euros.")
    async with open_talk(filler_after=0.0) as talk:
        talk.model.play(answer, answer)
        assert await talk.ask_slowly() == f"{FILLER} Twelve euros."
        await talk.ask()
        messages = json.loads(talk.model.bodies[-1])["messages"]
        assert [m["content"] for m in messages if m["role"] == "assistant"] == ["Twelve euros."]


async def test_a_filler_and_an_apology_are_in_the_caller_s_language(open_talk: OpenTalk) -> None:
    with pseudo_locale(), in_language(PSEUDO):
        async with open_talk(filler_after=0.0) as talk:
            talk.model.send(EMPTY)
            said = await talk.ask_slowly()
            assert said == f"{say('filler')} {say('apology')}"
    assert latin_words(said) == []


@pytest.mark.parametrize("then", [EMPTY, words("It costs")], ids=["nothing", "half a sentence"])
async def test_no_answer_to_a_tool_result_is_apologized_for(
    open_talk: OpenTalk, then: Stream
) -> None:
    async def price(raw_arguments: dict[str, object]) -> str:
        del raw_arguments
        talk.model.send(then)
        return "12 euros"

    schema = {"name": "price", "description": "A price", "parameters": {"type": "object"}}
    tool = function_tool(price, raw_schema=schema)
    async with open_talk(tools=(tool,)) as talk:
        talk.model.play(Step("cost", [Call("price")]))
        assert (await talk.ask()).endswith(APOLOGY)
        assert len(talk.model.bodies) == 1
        assert talk.said().count(APOLOGY) == 1


@pytest.mark.parametrize("model", ["openai/first", EMBEDDED])
@pytest.mark.parametrize("filler_after", [NEVER, 0.0, 60.0])
@pytest.mark.parametrize("stream", [None, Stream([ROLE], then="stalled")], ids=["hangs", "role"])
async def test_a_request_ends_with_its_turn(
    open_talk: OpenTalk, model: str, filler_after: float, stream: Stream | None
) -> None:
    async with open_talk(model, filler_after=filler_after) as talk:
        played = talk.models[model.removeprefix("openai/")]
        played.hang() if stream is None else played.send(stream)
        speech = talk.session.generate_reply(user_input="What does a tour cost?")
        await played.asked.wait()
        await speech.interrupt()
        async with asyncio.timeout(DEADLINE):
            await played.left.wait()


@pytest.mark.parametrize(
    "stream",
    [EMPTY, words("A tour costs"), words("A tour costs twelve euros.")],
    ids=["nothing", "half a sentence", "perhaps not all"],
)
async def test_nothing_is_written_but_a_whole_answer(
    served: tuple[Models, str], process: Process, stream: Stream
) -> None:
    own = bot().model_copy(update={"llm": ("openai/first",)})
    served[0]["first"].send(stream)
    with pytest.raises(NoReplyError):
        await write_reply(process, identity_of(own), [], "What does a tour cost?")
