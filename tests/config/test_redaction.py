"""What is kept of a tool call has no secrets, fits, and can be stored."""

import json
from typing import Any

import pytest

from config.protocol import CONFIRMATION_CODE
from config.redaction import CUT, MAX_SIZE, REDACTED, is_secret, kept_arguments, kept_text

CANARY = "canary-4711"


def size(value: object) -> int:
    """Return the bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Password",
        "userPassword",
        "db-passwd",
        "passwort",
        "token",
        "access_token",
        "refreshToken",
        "secret",
        "CLIENT_SECRET",
        "authorization",
        "Proxy-Authorization",
        "api_key",
        "apiKey",
        "x-api-key",
        "API Key",
        "card number",
        "cardNumber",
        "credit_card",
        "card_no",
        "cvc",
        "cvv2",
        "pin",
        "cardPIN",
        "PIN",
        "pin_code",
        "otp",
        "credentials",
        "private_key",
        "security_code",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",
        "pass\u200bword",
    ],
)
def test_secrets_are_known_by_their_names(name: str) -> None:
    assert is_secret(name)
    arguments = {"a": {name: CANARY, "list": [{name: [CANARY, {"b": CANARY}]}]}, "kept": 1}
    kept = kept_arguments(arguments)
    assert CANARY not in json.dumps(kept)
    assert kept["kept"] == 1
    assert kept["a"][name] == REDACTED


@pytest.mark.parametrize(
    "name",
    [
        *("name", "phone", "shipping", "opinion", "author", "secretary", "key", "keyword"),
        *("spinning", "company", "postcard_text", "card_notes", "passenger", "code", "total"),
    ],
)
def test_what_is_no_secret_stays(name: str) -> None:
    assert not is_secret(name)
    assert kept_arguments({name: "x", "a": [{name: 1.5}]}) == {name: "x", "a": [{name: 1.5}]}


@pytest.mark.parametrize(
    "arguments",
    [
        {"card": {"number": CANARY}},
        {"api": {"key": CANARY}},
        {"fields": [{"name": "Password", "value": CANARY}]},
        {"fields": [{"field": "pin", "value": {"a": CANARY}}]},
        {"body": json.dumps({"a": [1], "password": CANARY})},
        {"body": json.dumps({"password": CANARY + 'and "more'})},
        {"body": f'{{"token": "{CANARY}'},
        {"note": f"password: {CANARY}"},
        {"note": f"Authorization: Bearer {CANARY}"},
        {"url": f"https://example.com/?access_token={CANARY}"},
    ],
)
def test_secrets_are_found_in_other_shapes(arguments: dict[str, Any]) -> None:
    kept = json.dumps(kept_arguments(arguments))
    assert CANARY not in kept
    assert REDACTED in kept


def test_confirmation_codes_are_left_out() -> None:
    arguments = {"slot": "a", CONFIRMATION_CODE: CANARY, "b": [{CONFIRMATION_CODE: CANARY}]}
    assert kept_arguments(arguments) == {"slot": "a", "b": [{}]}
    assert CANARY not in kept_text(json.dumps({CONFIRMATION_CODE: CANARY}))


def test_card_numbers_go_as_a_whole() -> None:
    text = "card number: 4111 1111 1111 1111, thank you"
    assert kept_text(text) == f"card number: {REDACTED}, thank you"


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "x" * 100_000},
        {"text": "é" * 3000, "other": "x" * 50},
        {"text": "\x01" * 3000},
        {"text": '"\\' * 3000},
        {str(number): "x" * 30 for number in range(1000)},
        {"k" * 5000: 1},
        {"a": 1, "k" * 5000: 1},
        {"rows": [{"a": number} for number in range(5000)]},
        {"number": 10**4000},
    ],
)
def test_what_is_too_long_is_cut_where_it_can_be_seen(arguments: dict[str, Any]) -> None:
    kept = kept_arguments(arguments)
    assert size(kept) <= MAX_SIZE
    assert CUT in json.dumps(kept, ensure_ascii=False)
    assert kept_arguments(kept) == kept


def test_every_argument_keeps_a_share() -> None:
    kept = kept_arguments({"note": "n" * 5000, "name": "Mary Brown", "other": "o" * 5000})
    assert kept["name"] == "Mary Brown"
    assert kept["note"].startswith("n" * 300)
    assert kept["other"].startswith("o" * 300)


def test_what_fits_is_not_changed() -> None:
    arguments: dict[str, Any] = {
        "text": "Zürich \U0001f600",
        "n": 1,
        "f": 0.5,
        "b": True,
        "none": None,
        "l": [[]],
    }
    assert kept_arguments(arguments) == arguments
    largest = {"text": "x" * (MAX_SIZE - size({"text": ""}))}
    assert kept_arguments(largest) == largest


def test_a_text_is_cut_at_a_whole_character() -> None:
    for text in ("é" * MAX_SIZE, "x" + "\U0001f600" * MAX_SIZE):
        kept = kept_text(text)
        assert len(kept.encode()) <= MAX_SIZE
        assert kept.endswith(CUT)
        assert kept_text(kept) == kept
    assert kept_text("x" * MAX_SIZE) == "x" * MAX_SIZE


def test_hostile_values_can_be_stored() -> None:
    nested: Any = "deep"
    for _ in range(100_000):
        nested = {"a": [nested]}
    hostile = {
        "nul\x00": "a\x00b",
        "surrogate\ud800": "\udfff",
        "nan": float("nan"),
        "infinite": [float("inf"), -float("inf")],
        "nested": nested,
    }
    kept = kept_arguments(hostile)
    stored = json.dumps(kept, ensure_ascii=False, allow_nan=False)
    assert "\x00" not in stored
    assert stored.encode()
    assert CUT in stored
    assert (kept["nul"], kept["nan"], kept["infinite"]) == ("ab", "nan", ["inf", "-inf"])
    assert kept_text("a\x00\ud800") == "a?"
