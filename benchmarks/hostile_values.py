"""Values, requests and tool calls that fit a schema but for what somebody hostile would send.

All of them follow from a seed. Numbers of more than 4300 digits, which Python does not write, stand
as `DIGITS` in a value and as digits in its JSON.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import quote

Json = dict[str, Any]

DIGITS: Final = "@digits@"
_DIGITS = "7" * 5000
_UNKNOWN_ID = "11111111-1111-4111-8111-111111111111"

TEXTS: Sequence[str] = (
    *("", " ", "\x00", "a\x00b", "\ud800", "a\udfffb", "\u202e\u2066", "\ufffe", "e\u0301" * 50),
    *(_DIGITS, "-" + _DIGITS, "0." + _DIGITS, "1e999999999", "-1", "0x10", "\uff11\uff12", "NaN"),
    *("x" * 300, "x" * 12_000, "ß" * 6_000, "😀" * 3_000, "," * 9_000, "\\" * 9_001, '"' * 5_000),
    *("../../etc/passwd", "..", "%00", "%ff%fe", "a/b", "a?b#c", "\r\nX-A: b", "'; drop table x"),
    *(_UNKNOWN_ID.upper(), f"{{{_UNKNOWN_ID}}}", f"urn:uuid:{_UNKNOWN_ID}", _UNKNOWN_ID[:-1]),
    *("0000-00-00", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", "24:60"),
    *("99999999999999999999 o'clock", "in 99999999999 days", "the 32nd of May 99999", "at 25"),
    *("+" + "9" * 400, "a@" + "b" * 5_000 + ".c", "null", "http://[", "{{x}}", "%s", "Infinity"),
)  # fmt: skip
_NUMBERS: Sequence[Any] = (
    *(-1, 0, 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400),
    *(DIGITS, 0.1, -0.0, 5e-324, 1e308, float("nan"), float("inf"), float("-inf")),
)


def _nested(levels: int) -> Any:
    value: Any = "x"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def _wide(keys: int) -> Json:
    return {f"k{number}": [] for number in range(keys)}


_OTHERS: Sequence[Any] = (
    *(None, True, False, [], {}, [[]], [None] * 30, ["x"] * 600, list(range(3000))),
    *(_nested(20), _nested(90), _nested(150), _nested(400), {"\x00": 1}, {"\ud800": "\ud800"}),
    *(_wide(30), _wide(900), _wide(3000)),
)
# Bodies that are not what their type says.
BODIES: Sequence[bytes] = (
    *(b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"\xef\xbb\xbf{}", b"{}{}", b"\x00", b"NaN"),
    *(b"[" * 9_000, b"[" * 300_000, b'{"a":' * 3_000, b'"' + b"\\" * 9_001, b'{"a":1,' * 9_000),
    *(b'{"a": "\\ud800"}', b'{"a": ' + _DIGITS.encode() + b"}", b'{"a": 1e999}', b'{"a": -NaN}'),
    *("{}".encode("utf-16"), '{"a": 1}'.encode("utf-32"), b"a=b&c=d", b"--x\r\n\r\n\r\n--x--\r\n"),
    *(b" " * 300_000, b"[" + b"1," * 100_000 + b"1]", b"[" + b"[]," * 80_000 + b"[]]"),
)


def to_json(value: object) -> bytes:
    """Return a value as JSON; lone surrogates are escaped, NaN and infinities are words."""
    return json.dumps(value).replace(f'"{DIGITS}"', _DIGITS).encode()


@dataclass(frozen=True)
class Values:
    """Values of schemas. `known` has values that exist, by the name of a parameter or a field."""

    random: random.Random
    definitions: Mapping[str, Any] = field(default_factory=dict[str, Any])
    known: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])

    def hostile(self) -> Any:
        """Return any hostile value."""
        return self.random.choice(self.random.choice((TEXTS, _NUMBERS, _OTHERS)))

    def hostile_text(self) -> str:
        """Return a hostile text that UTF-8 has bytes for."""
        return self.random.choice(TEXTS).encode("utf-8", "replace").decode()

    def fitting(self, schema: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
        """Return a value of a schema, or nearly: patterns are only met by known values."""
        schema = self._resolve(schema)
        if name in self.known and self.random.random() < 0.8:
            return self.random.choice(self.known[name])
        if options := schema.get("anyOf", schema.get("oneOf")):
            return self.fitting(self.random.choice(options), name, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                items = schema.get("items", {"type": "string"})
                return [
                    self.fitting(items, name, depth + 1) for _ in range(self.random.randint(0, 2))
                ]
            case "integer":
                return schema.get("minimum", 1)
            case "number":
                return schema.get("minimum", 0.5)
            case "boolean":
                return True
            case _:
                return _UNKNOWN_ID if schema.get("format") == "uuid" else "x"

    def spoilt(self, schema: Mapping[str, Any]) -> Any:
        """Return a value of a schema in which one to three places are hostile."""
        value = self.fitting(schema)
        for _ in range(self.random.randint(1, 3)):
            value = self._spoil(value)
        return value

    def _object(self, schema: Mapping[str, Any], depth: int) -> Json:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = schema.get("required", ())
        return {
            name: self.fitting(each, name, depth + 1)
            for name, each in properties.items()
            if name in required or (depth < 3 and self.random.random() < 0.6)
        }

    def _spoil(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self.random.random() < 0.95:
            spoilt: Json = {**value}
            if self.random.random() < 0.1:
                return spoilt | {self.random.choice(TEXTS): self.hostile()}
            name = self.random.choice(list(spoilt))
            return spoilt | {name: self._spoil(spoilt[name])}
        if isinstance(value, list) and value and self.random.random() < 0.5:
            first, *others = cast("list[object]", value)
            return [self._spoil(first), *others]
        if isinstance(value, str) and self.random.random() < 0.6:
            return self.random.choice(TEXTS)
        return self.hostile()

    def _resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        return schema


@dataclass(frozen=True)
class HostileRequest:
    """A request as it is sent: `target` is ASCII, `chunked` leaves out the body's length."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    chunked: bool = False


class RequestGenerator:
    """Requests to the operations of an OpenAPI document, each of them equally often.

    `credentials` are values of the header Authorization; most requests have the first one.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        credentials: Sequence[str],
        known: Mapping[str, Sequence[Any]],
        seed: int,
    ) -> None:
        self._random = random.Random(seed)
        self._values = Values(self._random, document["components"]["schemas"], known)
        self._credentials = credentials
        self._operations = [
            (method.upper(), path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]
        self._count = 0

    def next(self) -> HostileRequest:
        """Return the next request."""
        method, path, operation = self._operations[self._count % len(self._operations)]
        self._count += 1
        target = self._path(path, operation) + self._query(operation)
        headers = self._headers()
        body = self._body(operation, headers) if method != "GET" or self._chance(0.1) else b""
        return HostileRequest(method, target, headers, body, chunked=self._chance(0.3))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _path(self, path: str, operation: Mapping[str, Any]) -> str:
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                name = parameter["name"]
                path = path.replace(f"{{{name}}}", self._segment(parameter["schema"], name))
        return path

    def _segment(self, schema: Mapping[str, Any], name: str) -> str:
        if self._chance(0.5):
            return str(self._values.fitting(schema, name))
        raw = (
            "%00",
            "%",
            "%zz",
            "%ff",
            "%c0%80",
            "%ed%a0%80",
            _DIGITS,
            "9" * 4300,
            "%2e%2e",
            "%2f",
        )
        text = quote(self._values.hostile_text()[:4000], safe="")
        return self._random.choice((*raw, text, text, text)) or "x"

    def _query(self, operation: Mapping[str, Any]) -> str:
        pairs = [
            f"{each['name']}={self._query_value(each)}"
            for each in operation.get("parameters", ())
            if each["in"] == "query" and (each.get("required") or self._chance(0.7))
        ]
        if self._chance(0.1):
            pairs.append(self._random.choice(("x=1", "%00=%00", "&&&", "%ff", "=", "a&" * 2_000)))
        return f"?{'&'.join(pairs)}" if pairs else ""

    def _query_value(self, parameter: Mapping[str, Any]) -> str:
        if self._chance(0.5):
            return quote(str(self._values.fitting(parameter["schema"], parameter["name"])))
        raw = ("%00", "%ff", "%ed%a0%80", _DIGITS, "-1", "0", str(2**31), str(2**63), "1e9", "NaN")
        return self._random.choice((*raw, quote(self._values.hostile_text()[:4000])))

    def _headers(self) -> dict[str, str]:
        odd = ("", "Bearer", "Bearer ak_\xff", "Basic eA==", f"Bearer {_DIGITS}", "Bearer a.b.c")
        others = {
            "Content-Type": ("text/plain", "/", "multipart/form-data; boundary=x"),
            "Content-Encoding": ("gzip", "br", "identity"),
            "Accept": ("text/html", "\xff", "*/*;q=9"),
            "Accept-Language": ("../../x", "x" * 3_000),
            "Origin": ("null", "http://evil.example", "\xff", "http://["),
            "Cookie": ("a=b; " * 500, "\xff="),
            "Traceparent": ("00-" + "f" * 32 + "-" + "0" * 16 + "-zz", "x"),
            "Range": ("bytes=0-,5-9", "bytes=" + _DIGITS[:4000] + "-"),
            "X-Forwarded-For": ("\xff", "999.1.1.1", "::1%eth0"),
        }  # fmt: skip
        credential = self._random.choice((*self._credentials, *odd))
        headers = {
            "Content-Type": "application/json",
            "Authorization": credential if self._chance(0.2) else self._credentials[0],
        }
        for name, values in others.items():
            if self._chance(0.06):
                headers[name] = self._random.choice(values)
        return headers

    def _body(self, operation: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content or self._chance(0.15):
            return self._random.choice(BODIES)
        schema = content["application/json"]["schema"]
        if self._chance(0.1):
            return to_json(self._values.fitting(schema))
        return to_json(self._values.spoilt(schema))
