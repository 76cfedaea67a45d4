"""Routes of the REST API: FastAPI's, with what every operation here has in common.

A resource's module has an `ApiRouter`; `app.py` lists it. An operation is an ordinary FastAPI
function: its name is the operation's id, its docstring the summary, and a parameter of
`orchestrator.api.credentials` says who may call it. Without one, an unlimited API key is needed.

The credential is checked before the body is read, and who has none is counted. FastAPI alone would
do it the other way round: whoever asks could have a body read and parsed first. `max_body_size` of
an operation is in bytes; `MAX_BODY_SIZE` where it names none.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, cast

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from config.protocol import ANSWER_MARGIN, call_budget
from orchestrator.api.credentials import SECURITY, AccessMode, authenticator, required_access
from orchestrator.api.errors import Error, late
from orchestrator.api.headers import preflight
from orchestrator.api.rate_limit import admit_anonymous
from orchestrator.api.requests import MAX_BODY_SIZE, JsonRequest, validation_error

# What a GET may take, with its credential and what it asks of a server.
_READ_SECONDS = call_budget(reads=True) + ANSWER_MARGIN
_ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "What went wrong.", "model": Error}
}


class BoundedIntegerConvertor(IntegerConvertor):
    """An integer in a path: `{name:int}`."""

    regex: ClassVar[str] = "[0-9]{1,100}"


# In place of Starlette's own, which would hand Python more than the 4300 digits that it converts:
# an error while a route is looked for is one that no handler sees.
register_url_convertor("int", BoundedIntegerConvertor())


class ApiRoute(APIRoute):
    """One operation: a method of a path. `access` says who may call it.

    `body_limit` is in bytes. FastAPI would answer a larger body in plain text.
    """

    default_access: ClassVar[AccessMode] = "key"
    access: AccessMode

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        max_body_size: int | None = None,
        **options: Any,
    ) -> None:
        self.body_limit = max_body_size or MAX_BODY_SIZE
        super().__init__(path, endpoint, **options)
        self.access = required_access(self.dependant) or self.default_access
        self.summary, _, self.description = self.description.partition("\n\n")
        self.response_description = "Done."
        self.openapi_extra = {**(self.openapi_extra or {}), "security": SECURITY[self.access]}
        if self.body_field is not None and not self.body_field.field_info.is_required():
            self.openapi_extra["requestBody"] = {"required": False}

    @property
    def method(self) -> str:
        """Return the one method of the operation."""
        (method,) = self.methods or {"GET"}
        return method

    @property
    def for_pages(self) -> bool:
        """Say whether a page of another origin may use it, without an API key."""
        return self.access in ("anyone", "conversation")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()
        body_model = cast("type[BaseModel] | None", _annotation(self))
        reads_query = self._answers("GET")
        takes_parameters = bool(self.dependant.query_params)

        async def answer(request: Request) -> Response:
            deadline = asyncio.timeout(_READ_SECONDS if reads_query else None)
            try:
                async with deadline:
                    return await answer_in_time(request)
            except TimeoutError:
                if deadline.expired():
                    raise late() from None
                raise

        async def answer_in_time(request: Request) -> Response:
            caller = await authenticator(request).authenticate(request, self.access)
            if caller is None and self.access == "anyone":
                await admit_anonymous(request)
            received = JsonRequest(request, self.body_limit)
            received.check_number_of_parameters()
            if reads_query and not takes_parameters:
                received.check_no_parameters()
            elif not reads_query and body_model is None:
                await received.check_no_fields()
            try:
                return await handle(received)
            except RequestValidationError as error:
                raise validation_error(error.errors(), body_model) from None

        return answer

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as FastAPI does, and let GET answer HEAD, which only Starlette's routes do."""
        match, child_scope = super().matches(scope)
        if match is Match.PARTIAL and self._answers(scope["method"]):
            match = Match.FULL
        return match, child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            HTTPException: no operation of this path has its method.
        """
        if not self._answers(scope["method"]):
            allowed = _allowed_methods(scope["app"].routes, self.path_format)
            raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
        await self.app(scope, receive, send)

    def _answers(self, method: str) -> bool:
        methods = self.methods or ()
        return method in methods or (method == "HEAD" and "GET" in methods)


class _PublicRoute(ApiRoute):
    default_access: ClassVar[AccessMode] = "public"


class ApiRouter(APIRouter):
    """The operations of one resource. With `public`, those that say nothing need no credential."""

    def __init__(self, *, public: bool = False) -> None:
        super().__init__(
            route_class=_PublicRoute if public else ApiRoute,
            responses=_ERRORS,
            generate_unique_id_function=lambda route: route.name,
        )

    @property
    def operations(self) -> list[ApiRoute]:
        """Return the operations in the order in which they were added."""
        return [route for route in self.routes if isinstance(route, ApiRoute)]


def preflight_routes(operations: Sequence[ApiRoute]) -> list[BaseRoute]:
    """Return a route for the preflight requests of each path that pages may use."""
    paths = dict.fromkeys(each.path for each in operations if each.for_pages)
    return [Route(path, preflight, methods=["OPTIONS"]) for path in paths]


def _annotation(route: APIRoute) -> Any:
    return route.body_field.field_info.annotation if route.body_field else None


def _allowed_methods(routes: Sequence[BaseRoute], path: str) -> list[str]:
    """Return the methods of a path. Each operation is a route of its own and knows only its own."""
    of_path = [each for each in routes if isinstance(each, Route) and each.path_format == path]
    methods = {method for route in of_path for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
