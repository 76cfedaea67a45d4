"""Tools as our servers list and run them."""

from collections.abc import Mapping
from typing import Any

from fastmcp.tools import FunctionTool
from pydantic import TypeAdapter, ValidationError

from config.protocol import META_KEY
from toolkit.errors import Invalid
from toolkit.middleware.authorization import VOICE

_MAX_COMPLAINTS = 3
_MAX_NAME = 200  # characters; a part of it may be a key of the client's
_MOST_ERRORS = 100  # of which pydantic can be asked: it builds all of them at once

# What an argument has to be, by the types of pydantic's errors, whose words are Python's.
_WANTED = {
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"),
        'a list, such as ["a", "b"]',
    ),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"),
        'an object, such as {"a": 1}',
    ),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "a text",
}


class ServerTool(FunctionTool):
    """A tool without FastMCP's own metadata, which some clients pass on to the model."""

    def get_meta(self) -> dict[str, Any]:
        """Return the metadata that the tool itself declares: its profile and its examples."""
        meta = dict(self.meta or {})
        if VOICE in self.tags:
            meta[META_KEY] = {**meta.get(META_KEY, {}), "profile": VOICE}
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
        case kind if (wanted := _WANTED.get(kind)) is not None:
            return f"{name} does not fit: it has to be {wanted}."
        case _:
            return f"{name} does not fit: {str(detail['msg']).splitlines()[0]}."
