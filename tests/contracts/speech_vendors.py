"""The rules of Deepgram, ElevenLabs and Sarvam, as far as their specifications have them.

No specification has the sockets of Sarvam, nor the one on which ElevenLabs hears. Sarvam's
are held to what its HTTP operations say of the same fields.
"""

import json
from typing import Any

from tests.contracts.specifications import Json, Specifications
from tests.support.speech_socket import Opening
from tests.support.speech_vendors import (
    DEEPGRAM_LISTEN,
    ELEVENLABS_LISTEN,
    ELEVENLABS_SPEAK,
    SARVAM_LISTEN,
    SARVAM_SPEAK,
)

# The plugin always sends it; Deepgram has never specified it.
UNSPECIFIED = frozenset({"no_delay"})
# How Sarvam's socket buffers, which its HTTP operation has no need to know.
_BUFFERING = frozenset({"output_audio_bitrate", "min_buffer_size", "max_chunk_length"})


class Vendors:
    """What the three vendors allow, for their double to refuse the rest."""

    def __init__(self, specifications: Specifications) -> None:
        self._sockets = {
            DEEPGRAM_LISTEN: specifications.socket(
                "deepgram/asyncapi.yml", DEEPGRAM_LISTEN, client="subscribe"
            ),
            ELEVENLABS_SPEAK: specifications.socket(
                "elevenlabs/asyncapi.yml", ELEVENLABS_SPEAK, client="publish"
            ),
        }
        listen = specifications.http("deepgram/openapi.json").document["paths"]["/v1/listen"]
        names = {parameter["name"] for parameter in listen["post"]["parameters"]}
        self._besides = {DEEPGRAM_LISTEN: UNSPECIFIED | {name for name in names if name.islower()}}
        self._sarvam = specifications.http("sarvam/openapi-THIRDPARTY.json")
        self._credentials = {
            vendor: _credentials(specifications.recorded(f"{vendor}/golden-requests-from-sdk.json"))
            for vendor in ("elevenlabs", "sarvam")
        }

    def opening(self, opening: Opening) -> list[str]:
        """Judge how a socket is opened."""
        headers = opening.headers
        match opening.route:
            case "/v1/listen":
                token = headers.get("authorization", "").startswith("Token ")
                reasons = [] if token else ["no Authorization: Token"]
            case "/speech-to-text-realtime/ws":
                reasons = self._missing("sarvam", headers) + self._sarvam_hearing(opening)
            case "/text-to-speech/ws":
                reasons = self._missing("sarvam", headers) + self._sarvam_model(opening)
            case _:
                reasons = self._missing("elevenlabs", headers)
        socket = self._sockets.get(opening.route)
        if socket is not None:
            besides = self._besides.get(opening.route, frozenset())
            reasons += socket.opening(opening.query, headers, also=besides)
        return reasons

    def message(self, route: str, message: Json) -> list[str]:
        """Judge what a client says."""
        if route == SARVAM_SPEAK and message["type"] == "config":
            return self._sarvam_speaking(message["data"])
        if route in (SARVAM_SPEAK, SARVAM_LISTEN, ELEVENLABS_LISTEN):
            return []
        return self._sockets[route].from_client(message)

    def answer(self, route: str, message: Json) -> list[str]:
        """Judge what a vendor, or its double, says."""
        return self._sockets[route].from_server(message)

    def _missing(self, vendor: str, headers: Any) -> list[str]:
        return [f"no header {name}" for name in self._credentials[vendor] if name not in headers]

    def _sarvam_model(self, opening: Opening) -> list[str]:
        return _unlisted(self._schema("TextToSpeechRequest"), "model", opening["model"])

    def _sarvam_hearing(self, opening: Opening) -> list[str]:
        hearing, speaking = self._schema("SpeechToTextRequest"), self._schema("TextToSpeechRequest")
        return [
            *_unlisted(hearing, "model", opening["model"].removesuffix("-realtime")),
            *_unlisted(hearing, "mode", opening["mode"]),
            *_unlisted(speaking, "target_language_code", opening["language_code"]),
        ]

    def _sarvam_speaking(self, configuration: Json) -> list[str]:
        listed = self._schema("TextToSpeechRequest")["properties"]
        strangers = [name for name in configuration if name not in {*listed, *_BUFFERING}]
        body = json.dumps(configuration | {"text": "Welcome."}).encode()
        headers = {"content-type": "application/json", "api-subscription-key": "k"}
        return [
            *(f"{name} is no field" for name in strangers),
            *self._sarvam.violations("POST", "/text-to-speech", headers, body),
        ]

    def _schema(self, name: str) -> Json:
        schema: Json = self._sarvam.document["components"]["schemas"][name]
        return schema


def _credentials(requests: Json) -> set[str]:
    """Return the headers in which the vendor's own SDK brings the key."""
    headers = [request["headers"].items() for request in requests.values()]
    return {name for pairs in headers for name, value in pairs if value == "KEY"}


def _unlisted(schema: Json, name: str, value: str) -> list[str]:
    allowed = schema["properties"][name]["enum"]
    return [] if value in allowed else [f"{name}={value} is none of {allowed}"]
