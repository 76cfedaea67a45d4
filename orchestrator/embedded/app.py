"""The OpenAI wire in front of the embedded models."""

import asyncio
import io
import json
import wave
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestrator.embedded import piper
from orchestrator.embedded.chat import Completion, begun
from orchestrator.embedded.chat_request import ChatRequest
from orchestrator.embedded.llm import ModelError
from orchestrator.embedded.loader import Parts
from orchestrator.embedded.piper import VOICES, Speech, Voice
from orchestrator.embedded.text_normalization import clauses
from orchestrator.embedded.whisper import AudioError

T = TypeVar("T")
_LONGEST_WAIT = 120.0
_CLIENT_GONE = 499


class SpeechRequest(BaseModel):
    """A request for speech, as far as the embedded voice understands it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    input: Annotated[str, Field(min_length=1, max_length=4096)]
    voice: Literal["joe", "joe-low", "joe-high"] = "joe"
    # MP3, the wire's own default, needs an encoder; who asks for nothing gets WAV.
    response_format: Literal["wav", "pcm"] = "wav"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0


class WireError(Exception):
    """A request that is refused."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Wire:
    """The endpoints over one set of loaded parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Whisper and Piper use their threads well one request at a time.
        self._hearing = asyncio.Semaphore(1)
        self._speaking = asyncio.Semaphore(1)

    async def health(self, request: Request) -> Response:
        """Tell how far loading is; `?wait=SECONDS` answers when it has ended."""
        wait = min(float(request.query_params.get("wait", 0)), _LONGEST_WAIT)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._parts.settled.wait()
        report = self._parts.report()
        return JSONResponse(report, 200 if report["status"] == "ok" else 503)

    async def models(self, request: Request) -> Response:
        """List the parts that are wanted."""
        del request
        options = self._parts.options
        names = {
            "local": options.llm,
            "local-whisper": options.hearing,
            "local-piper": options.speech,
        }
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "local"}
            for name, wanted in names.items()
            if wanted
        ]
        return JSONResponse({"object": "list", "data": data})

    async def chat(self, request: Request) -> Response:
        """Answer a chat request, as a stream or whole."""
        model = _loaded(self._parts.llm, self._parts.options.llm, "language model")
        body = ChatRequest.model_validate_json(await request.body())
        if body.slot is not None and body.slot >= model.slots:
            raise WireError(400, f"slot must be below {model.slots}")
        completion = Completion(model, body)
        if not body.stream:
            return JSONResponse(await _while_connected(request, completion.message()))
        events = await _while_connected(request, begun(completion.events()))
        return StreamingResponse(_with_late_errors(events), media_type="text/event-stream")

    async def transcribe(self, request: Request) -> Response:
        """Answer what was said in an uploaded file."""
        hearing = _loaded(self._parts.hearing, self._parts.options.hearing, "hearing")
        async with request.form(max_files=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise WireError(400, "file: an audio file is required")
            data = await file.read()
            language = _text(form.get("language"))
            prompt = _text(form.get("prompt"))
            format_ = _text(form.get("response_format")) or "json"
        if format_ not in ("json", "text", "verbose_json"):
            raise WireError(400, "response_format: use json, text or verbose_json")
        if language and not hearing.multilingual and not language.startswith("en"):
            raise WireError(400, "language: this model hears English only")
        async with self._hearing:
            heard = await asyncio.to_thread(hearing.hear, data, language=language, prompt=prompt)
        match format_:
            case "text":
                return PlainTextResponse(heard.text)
            case "json":
                return JSONResponse({"text": heard.text})
            case _:
                return JSONResponse(
                    {
                        "task": "transcribe",
                        "language": language or "en",
                        "duration": heard.seconds,
                        "text": heard.text,
                        "segments": [],
                    }
                )

    async def speak(self, request: Request) -> Response:
        """Answer a text as speech: PCM clause by clause, WAV whole."""
        voice = _loaded(self._parts.speech, self._parts.options.speech, "speech")
        body = SpeechRequest.model_validate_json(await request.body())
        audio = self._spoken(voice, body)
        if body.response_format == "pcm":
            return StreamingResponse(audio, media_type="audio/pcm")
        data = b"".join([part async for part in audio])
        return Response(_wav(data), media_type="audio/wav")

    async def _spoken(self, model: Speech, body: SpeechRequest) -> AsyncGenerator[bytes, None]:
        voice: Voice = VOICES[body.voice]
        for clause in clauses(body.input):
            async with self._speaking:
                samples = await asyncio.to_thread(model.say, clause, voice, speed=body.speed)
            yield piper.pcm(samples)


def create_app(parts: Parts) -> Starlette:
    """Return the wire over the parts, which it loads when it starts and ends when it stops."""
    wire = Wire(parts)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        del app
        parts.start()
        try:
            yield
        finally:
            await parts.close()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", wire.chat, methods=["POST"]),
            Route("/v1/audio/transcriptions", wire.transcribe, methods=["POST"]),
            Route("/v1/audio/speech", wire.speak, methods=["POST"]),
            Route("/v1/models", wire.models),
            Route("/health", wire.health),
        ],
        # No page in a browser may reach a loopback service under a name of its own.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        exception_handlers={
            WireError: _refuse,
            ModelError: _refuse,
            AudioError: _refuse,
            ValidationError: _refuse,
            _ClientGoneError: _refuse,
        },
        lifespan=lifespan,
    )


class _ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, but stop it when the client hangs up."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise _ClientGoneError
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait({task, gone})


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _with_late_errors(events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Tell a failure in the stream, once the status has been sent."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except ModelError as error:
            body = _error(str(error), "server_error", error.code)
            yield f"data: {json.dumps(body)}\n\n"


def _loaded(part: T | None, wanted: bool, name: str) -> T:
    if part is None:
        reason = "is still loading" if wanted else "was switched off at start"
        raise WireError(503, f"The {name} {reason}.", "not_ready")
    return part


async def _refuse(request: Request, error: Exception) -> Response:
    """Write any refusal in the wire's own shape."""
    del request
    match error:
        case WireError() | ModelError():
            status, code = error.status, error.code
        case _ClientGoneError():
            status, code = _CLIENT_GONE, None
        case _:
            status, code = 400, None
    message = _first(error) if isinstance(error, ValidationError) else str(error)
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JSONResponse(_error(message, kind, code), status)


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _text(value: UploadFile | str | None) -> str | None:
    return value if isinstance(value, str) and value else None


def _wav(data: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(piper.SAMPLE_RATE)
        file.writeframes(data)
    return out.getvalue()
