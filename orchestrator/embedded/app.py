"""ASGI app: OpenAI-compatible chat, transcription and speech endpoints over the embedded models."""

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
from orchestrator.embedded.chat import Completion, prompt_of, wait_for_first_event
from orchestrator.embedded.chat_request import ChatRequest
from orchestrator.embedded.llm import ModelError
from orchestrator.embedded.loader import ModelLoader
from orchestrator.embedded.piper import VOICES, PiperModel, Voice
from orchestrator.embedded.text_normalization import split_clauses
from orchestrator.embedded.whisper import AudioError

T = TypeVar("T")
_MAX_WAIT = 120.0  # seconds that `/health?wait=` may take
_CLIENT_CLOSED_REQUEST = 499


class SpeechRequest(BaseModel):
    """Body of `/v1/audio/speech`; fields that the embedded voice does not support are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    input: Annotated[str, Field(min_length=1, max_length=4096)]
    voice: Literal["joe", "joe-low", "joe-high"] = "joe"
    # OpenAI's default is MP3, which needs an encoder; the default here is WAV.
    response_format: Literal["wav", "pcm"] = "wav"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0


class RequestError(Exception):
    """A request is refused with an HTTP status; `code` goes into the error body."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ModelEndpoints:
    """The HTTP endpoints over one loader's models."""

    def __init__(self, loader: ModelLoader) -> None:
        self._loader = loader
        # Whisper and Piper use their threads best with one request at a time.
        self._whisper_lock = asyncio.Semaphore(1)
        self._piper_lock = asyncio.Semaphore(1)

    async def health(self, request: Request) -> Response:
        """Report how far loading is; with `?wait=SECONDS`, answer once it has ended."""
        wait = min(float(request.query_params.get("wait", 0)), _MAX_WAIT)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._loader.finished.wait()
        report = self._loader.report()
        return JSONResponse(report, 200 if report["status"] == "ok" else 503)

    async def models(self, request: Request) -> Response:
        """List the models that are enabled."""
        del request
        options = self._loader.options
        names = {
            "local": options.llm,
            "local-whisper": options.hearing,
            "local-piper": options.speech,
        }
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "local"}
            for name, enabled in names.items()
            if enabled
        ]
        return JSONResponse({"object": "list", "data": data})

    async def chat(self, request: Request) -> Response:
        """Answer a chat completion request, streamed or whole."""
        model = _require_loaded(self._loader.llm, self._loader.options.llm, "language model")
        body = ChatRequest.model_validate_json(await request.body())
        completion = Completion(model, body)
        if not body.stream:
            message = await _while_connected(request, completion.message())
            self._loader.speed.add(completion.wait, completion.tokens_per_second)
            return JSONResponse(message)
        events = await _while_connected(request, wait_for_first_event(completion.events()))

        async def body_parts() -> AsyncGenerator[str, None]:
            async with aclosing(_with_late_errors(events)) as parts:
                async for part in parts:
                    yield part
            self._loader.speed.add(completion.wait, completion.tokens_per_second)

        return StreamingResponse(body_parts(), media_type="text/event-stream")

    async def read_prefix(self, request: Request) -> Response:
        """Have the language model read what the conversations of a bot begin with.

        The body is that of a chat completion, with the bot's instructions and tools.
        """
        model = _require_loaded(self._loader.llm, self._loader.options.llm, "language model")
        body = ChatRequest.model_validate_json(await request.body())
        await model.read_prefix(prompt_of(body))
        return Response(status_code=204)

    async def transcribe(self, request: Request) -> Response:
        """Answer with the transcript of an uploaded audio file."""
        whisper = _require_loaded(self._loader.hearing, self._loader.options.hearing, "hearing")
        async with request.form(max_files=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise RequestError(400, "file: an audio file is required")
            data = await file.read()
            language = _text(form.get("language"))
            prompt = _text(form.get("prompt"))
            format_ = _text(form.get("response_format")) or "json"
        if format_ not in ("json", "text", "verbose_json"):
            raise RequestError(400, "response_format: use json, text or verbose_json")
        if language and not whisper.multilingual and not language.startswith("en"):
            raise RequestError(400, "language: this model hears English only")
        async with self._whisper_lock:
            transcript = await asyncio.to_thread(
                whisper.transcribe_file, data, language=language, prompt=prompt
            )
        match format_:
            case "text":
                return PlainTextResponse(transcript.text)
            case "json":
                return JSONResponse({"text": transcript.text})
            case _:
                return JSONResponse(
                    {
                        "task": "transcribe",
                        "language": language or "en",
                        "duration": transcript.seconds,
                        "text": transcript.text,
                        "segments": [],
                    }
                )

    async def speak(self, request: Request) -> Response:
        """Answer with speech: PCM is streamed clause by clause, WAV is sent whole."""
        model = _require_loaded(self._loader.speech, self._loader.options.speech, "speech")
        body = SpeechRequest.model_validate_json(await request.body())
        audio = self._synthesize(model, body)
        if body.response_format == "pcm":
            return StreamingResponse(audio, media_type="audio/pcm")
        data = b"".join([part async for part in audio])
        return Response(_to_wav(data), media_type="audio/wav")

    async def _synthesize(
        self, model: PiperModel, body: SpeechRequest
    ) -> AsyncGenerator[bytes, None]:
        voice: Voice = VOICES[body.voice]
        for clause in split_clauses(body.input):
            async with self._piper_lock:
                samples = await asyncio.to_thread(model.synthesize, clause, voice, speed=body.speed)
            yield piper.to_pcm(samples)


def create_app(loader: ModelLoader) -> Starlette:
    """Return the app; it starts the loader at startup and closes it at shutdown."""
    endpoints = ModelEndpoints(loader)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        del app
        loader.start()
        try:
            yield
        finally:
            await loader.close()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", endpoints.chat, methods=["POST"]),
            Route("/v1/prefixes", endpoints.read_prefix, methods=["POST"]),
            Route("/v1/audio/transcriptions", endpoints.transcribe, methods=["POST"]),
            Route("/v1/audio/speech", endpoints.speak, methods=["POST"]),
            Route("/v1/models", endpoints.models),
            Route("/health", endpoints.health),
        ],
        # Against DNS rebinding: a web page must not reach this service under its own host name.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        exception_handlers={
            RequestError: _error_response,
            ModelError: _error_response,
            AudioError: _error_response,
            ValidationError: _error_response,
            _ClientGoneError: _error_response,
        },
        lifespan=lifespan,
    )


class _ClientGoneError(Exception):
    """The client closed the connection before the response was ready."""


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, and cancel it if the client disconnects first."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise _ClientGoneError
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait({task, gone})


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _with_late_errors(events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Report a failure inside the stream: the status has already been sent."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except ModelError as error:
            body = _error_body(str(error), "server_error", error.code)
            yield f"data: {json.dumps(body)}\n\n"


def _require_loaded(model: T | None, enabled: bool, name: str) -> T:
    if model is None:
        reason = "is still loading" if enabled else "was switched off at start"
        raise RequestError(503, f"The {name} {reason}.", "not_ready")
    return model


async def _error_response(request: Request, error: Exception) -> Response:
    """Return any refusal in the shape of OpenAI's errors."""
    del request
    match error:
        case RequestError() | ModelError():
            status, code = error.status, error.code
        case _ClientGoneError():
            status, code = _CLIENT_CLOSED_REQUEST, None
        case _:
            status, code = 400, None
    message = _first_error(error) if isinstance(error, ValidationError) else str(error)
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JSONResponse(_error_body(message, kind, code), status)


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _error_body(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _text(value: UploadFile | str | None) -> str | None:
    return value if isinstance(value, str) and value else None


def _to_wav(data: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(piper.SAMPLE_RATE)
        file.writeframes(data)
    return out.getvalue()
