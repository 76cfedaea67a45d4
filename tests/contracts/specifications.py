"""Reads vendors' specifications, and says how a message breaks them."""

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import yaml
from jsonschema import Draft202012Validator

Json = dict[str, Any]
Side = Literal["publish", "subscribe"]


class Http(Protocol):
    """A vendor's OpenAPI, as `check.py` reads it."""

    document: Json

    def violations(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> list[str]:
        """Say how a request breaks it."""
        ...

    def example(self, method: str, path: str) -> tuple[int, Any]:
        """Return the vendor's own example of an answer: its status, and its body."""
        ...


class Specifications:
    """The folder of the vendors' specifications."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        spec = importlib.util.spec_from_file_location("vendor_contracts", folder / "check.py")
        assert spec is not None
        assert spec.loader is not None
        self._check = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._check)

    def http(self, name: str) -> Http:
        """Return an OpenAPI file."""
        return cast(Http, self._check.Contract.load(name, self._folder))

    def socket(self, name: str, path: str, client: Side) -> "Socket":
        """Return one websocket of an AsyncAPI file.

        `client` is what the vendor calls the client's messages, on which vendors differ.
        """
        return Socket(yaml.safe_load((self._folder / name).read_text()), path, client)

    def recorded(self, name: str) -> Json:
        """Return what the vendor's own SDK was recorded to send, by the name of the call."""
        calls: Json = json.loads((self._folder / name).read_text())
        return {call: recording["request"] for call, recording in calls.items()}


class Socket:
    """A websocket as its vendor specifies it; what the vendor does not list is not allowed."""

    def __init__(self, document: Json, path: str, client: Side) -> None:
        self._components = _closed(document["components"])
        channel = document["channels"][path]
        self._headers: Json = channel["bindings"]["ws"].get("headers", {}).get("properties", {})
        self._query: Json = channel["bindings"]["ws"]["query"]["properties"]
        server: Side = "subscribe" if client == "publish" else "publish"
        self._client = channel[client]["message"]["oneOf"]
        self._server = channel[server]["message"]["oneOf"]

    def opening(
        self, query: Iterable[tuple[str, str]], headers: Mapping[str, str], also: frozenset[str]
    ) -> list[str]:
        """Say how a socket is wrongly opened; `also` may be in the query besides."""
        reasons = [f"no header {name}" for name in self._headers if name.lower() not in headers]
        for name, value in query:
            if name in self._query:
                reasons += self._parameter(name, value)
            elif name not in also:
                reasons.append(f"{name} is no parameter")
        return reasons

    def from_client(self, message: Json) -> list[str]:
        """Say how a client's message breaks the contract."""
        return self._message(message, self._client)

    def from_server(self, message: Json) -> list[str]:
        """Say how a server's message breaks the contract."""
        return self._message(message, self._server)

    def _parameter(self, name: str, value: str) -> list[str]:
        validator = self._validator(self._query[name])
        if validator.is_valid(value) or validator.is_valid(_read(value)):
            return []
        return [f"{name}={value}: {_reason(validator, value)}"]

    def _message(self, message: Json, allowed: list[Json]) -> list[str]:
        messages = self._components["messages"]
        names = [one["$ref"].removeprefix("#/components/messages/") for one in allowed]
        validator = self._validator({"anyOf": [messages[name]["payload"] for name in names]})
        return [] if validator.is_valid(message) else [_reason(validator, message)]

    def _validator(self, schema: Json) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": self._components})


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _reason(validator: Draft202012Validator, instance: Any) -> str:
    errors = [
        part for error in validator.iter_errors(instance) for part in error.context or [error]
    ]
    return "; ".join(dict.fromkeys(error.message for error in errors))


def _closed(node: Any) -> Any:
    """Return a schema whose objects take listed properties only, and literals as constants."""
    if not isinstance(node, dict):
        return node
    schema = {key: _closed(value) for key, value in cast(Json, node).items()}
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    literal = re.fullmatch(r"literal<(.*)>", str(schema.get("x-fern-type")))
    return schema | {"const": json.loads(literal[1])} if literal else schema
