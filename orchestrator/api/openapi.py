"""The OpenAPI document: FastAPI's, with the API's two kinds of credentials."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastapi.openapi.utils import get_openapi

from orchestrator.api.credentials import SECURITY_SCHEMES
from orchestrator.api.routing import ApiRoute


def document(operations: Sequence[ApiRoute]) -> dict[str, Any]:
    """Return the document of these operations."""
    described = get_openapi(title="Antiphon", version=version("antiphon"), routes=operations)
    described["components"]["securitySchemes"] = dict(SECURITY_SCHEMES)
    for path in described["paths"].values():
        for operation in path.values():
            _remove_titles(operation)
    return described


def _remove_titles(operation: dict[str, Any]) -> None:
    """Remove the titles that FastAPI derives from the names of path parameters and functions."""
    parameters = [each for each in operation.get("parameters", ()) if each["in"] == "path"]
    contents = [each["content"].values() for each in operation["responses"].values()]
    for described in (*parameters, *(media for content in contents for media in content)):
        described["schema"].pop("title", None)
