"""What the API does, as data: each operation is a route, and an entry of the OpenAPI document."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.bots import BotNotFoundError, load
from config.security.tokens import Verifier
from orchestrator.api.credentials import Access, Caller, admitted, conversation_verifier
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import unauthorized
from orchestrator.api.headers import allows, preflight
from orchestrator.api.reading import read_body, read_query

B = TypeVar("B", bound=BaseModel)


class Given(BaseModel):
    """Base of what a request may say: an unknown field is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


class Nothing(Given):
    """What a request says that needs to say nothing."""


@dataclass(frozen=True)
class Ask(Generic[B]):
    """One request, admitted and read."""

    dependencies: Dependencies
    request: Request
    caller: Caller | None
    given: B

    @property
    def known(self) -> Caller:
        """Return who asks, where nobody is let in without a credential."""
        if self.caller is None:
            raise unauthorized()
        return self.caller


@dataclass(frozen=True)
class Operation(Generic[B]):
    """One method of one path. `answers` is a type; `files` are a file's media types."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Callable[[Ask[B]], Awaitable[Any]]
    takes: type[B]
    answers: Any
    access: Access = "key"
    status: int = 200
    files: tuple[str, ...] = field(default=())

    @property
    def for_pages(self) -> bool:
        """Say whether a page of another origin may use it, without an API key."""
        return self.access in ("anyone", "conversation")


def routes(dependencies: Dependencies, operations: Iterable[Operation[Any]]) -> list[Route]:
    """Return a route per path."""
    by_path: dict[str, dict[str, Operation[Any]]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    verifier = conversation_verifier(dependencies.signer)
    return [_route(path, methods, dependencies, verifier) for path, methods in by_path.items()]


def _route(
    path: str,
    operations: Mapping[str, Operation[Any]],
    dependencies: Dependencies,
    verifier: Verifier,
) -> Route:
    answers = {
        method: TypeAdapter[Any](operation.answers) for method, operation in operations.items()
    }

    async def serve(request: Request) -> Response:
        if request.method == "OPTIONS":
            return preflight(request)
        method = "GET" if request.method == "HEAD" else request.method
        operation = operations[method]
        caller = await admitted(dependencies, verifier, request, operation.access)
        await _let_page_read(dependencies, request, caller)
        if method == "GET":
            given = read_query(request, operation.takes)
        else:
            given = await read_body(request, operation.takes)
        answer = await operation.handler(Ask(dependencies, request, caller, given))
        if isinstance(answer, Response):
            return answer
        body = answers[method].dump_json(answer)
        return Response(body, operation.status, media_type="application/json")

    methods = [*operations]
    if any(operation.for_pages for operation in operations.values()):
        methods.append("OPTIONS")
    return Route(path, serve, methods=methods)


async def _let_page_read(
    dependencies: Dependencies, request: Request, caller: Caller | None
) -> None:
    """Let the page that holds a conversation's token read the answer, if its bot allows it."""
    if "origin" not in request.headers or caller is None or caller.bot_id is None:
        return
    try:
        bot = await load(
            dependencies.database, dependencies.cache, caller.business_id, caller.bot_id
        )
    except BotNotFoundError:
        raise unauthorized() from None
    allows(dependencies, request, bot)
