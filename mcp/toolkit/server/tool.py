"""Tools as our servers list and run them."""

from collections.abc import Mapping
from typing import Any

from fastmcp.tools import FunctionTool
from pydantic import TypeAdapter, ValidationError

from config.protocol import META_KEY
from toolkit.errors import Invalid

_MAX_COMPLAINTS = 3
_MAX_NAME = 200  # characters; a part of it may be a key of the client's
_MOST_ERRORS = 100  # of which pydantic can be asked: it builds all of them at once


class ServerTool(FunctionTool):
    """A tool without FastMCP's own metadata, which some clients pass on to the model."""

    def get_meta(self) -> dict[str, Any]:
        """Return the metadata that the tool itself declares: its profile and its examples."""
        meta = dict(self.meta or {})
        if "voice" in self.tags:
            meta[META_KEY] = {**meta.get(META_KEY, {}), "profile": "voice"}
        return meta

    async def _execute(
        self,
        type_adapter: TypeAdapter[Any],
        exec_is_async: bool,
        arguments: dict[str, Any],
        *,
        strict: bool | None = None,
    ) -> Any:
        """Run the tool.

        FastMCP would write down every error of the arguments, twice, however many there are.

        Raises:
            Invalid: the arguments do not fit.
        """
        try:
            return await super()._execute(type_adapter, exec_is_async, arguments, strict=strict)
        except ValidationError as error:
            raise Invalid(_describe(error)) from None


def _describe(error: ValidationError) -> str:
    """Name the arguments that do not fit and say why, without their values."""
    if error.error_count() > _MOST_ERRORS:
        return "The arguments do not fit: too much is wrong with them."
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return " ".join(_describe_detail(detail) for detail in details[:_MAX_COMPLAINTS])


def _describe_detail(detail: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"])[:_MAX_NAME] or "arguments"
    match detail["type"]:
        case "missing" | "missing_argument":
            return f"{name} is missing."
        case "unexpected_keyword_argument" | "extra_forbidden":
            return "There is an argument that the tool does not take."
        case _:
            return f"{name} does not fit: {str(detail['msg']).splitlines()[0]}."
