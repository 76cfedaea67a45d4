"""Reads the body in which a vendor says why it refuses a request."""

import json
from typing import Any, cast

import httpx2


def read_object(response: httpx2.Response) -> dict[str, Any]:
    """Return the JSON object of a response; an empty one if its body is anything else."""
    try:
        body = json.loads(response.content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}
