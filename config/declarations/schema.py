"""What a YAML file may declare, and where in the file it goes wrong."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar, cast
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic.json_schema import models_json_schema

from config.declarations.section import DeclarationModel, Section
from config.declarations.yaml_lines import MalformedError, line_of, parse
from config.errors import UserError

Item = TypeVar("Item", bound=DeclarationModel)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
# Without `_`, which stands between the server and the tool where both are one name.
_SERVER_NAME = r"^[a-z][a-z0-9]{0,31}$"
ServerName = Annotated[str, StringConstraints(pattern=_SERVER_NAME)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Fraction = Annotated[float, Field(ge=0, le=1)]
_LONGEST_NAMES = 2000  # bytes, of the 4096 that a token may have


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone of the IANA database, such as Europe/Berlin")
    return name


def _server_name(name: str) -> str:
    # As a pattern of keys, it would have editors take any key that does not match.
    if not re.fullmatch(_SERVER_NAME, name):
        raise ValueError("cannot be a server: they have small letters and digits only")
    return name


ClientEvent = Literal[
    "conversation_initiation_metadata",
    "user_transcript",
    "agent_response",
    "retrieval",
    "agent_tool_call",
    "latency",
    "interruption",
]


class BusinessDeclaration(DeclarationModel):
    """The tenant."""

    slug: Name
    name: Text
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"


class ToolPolicy(DeclarationModel):
    """How a bot uses one tool. `speak: say` speaks the result's own sentence at once.

    `duplicates` is about a write that was done in this conversation with the same arguments.
    """

    confirm: bool = False
    filler: Text | None = None
    timeout: Seconds | None = None
    speak: Literal["say", "model"] | None = None
    duplicates: Literal["replay", "reject", "allow"] = "replay"


class ServerUse(DeclarationModel):
    """One server of a bot's registry. Without `tools`, those of the voice profile are used."""

    enabled: bool = True
    tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()
    policy: Mapping[str, ToolPolicy] = Field(default_factory=dict)
    integration: str | None = None

    @property
    def confirmed(self) -> tuple[str, ...]:
        """Return the tools that are read back before they do anything."""
        return tuple(name for name, policy in self.policy.items() if policy.confirm)

    @model_validator(mode="after")
    def _fits_a_token(self) -> Self:
        names = json.dumps([*self.tools, *self.denied_tools, *self.confirmed])
        if len(names) > _LONGEST_NAMES:
            raise ValueError("names more tools than the token of a request can hold")
        return self


class Voice(DeclarationModel):
    """How the bot sounds; what a provider does not have, it ignores."""

    voice_id: str | None = None
    tts_model_family: str | None = None
    similarity: Fraction | None = None
    stability: Fraction | None = None
    speed: Annotated[float, Field(ge=0.5, le=2)] | None = None


class BotDeclaration(DeclarationModel):
    """One bot. Every key that is taken is acted on."""

    name: Name
    system_prompt: Text
    first_message_inbound: Text
    first_message_outbound: Text | None = None
    default_language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")] = "en"
    stt: Literal["auto", "embedded", "deepgram", "sarvam", "elevenlabs"] = "auto"
    tts: Literal["auto", "embedded", "sarvam", "elevenlabs"] = "auto"
    llm: Annotated[tuple[Text, ...], Field(min_length=1, max_length=4)] = ("auto",)
    voice: Voice = Voice()
    knowledge_base: str | None = None
    servers: Mapping[Annotated[str, AfterValidator(_server_name)], ServerUse] = Field(
        default_factory=dict
    )
    system_tools: tuple[Literal["end_conversation"], ...] = ("end_conversation",)
    eagerness: Literal["low", "normal", "high"] = "normal"
    soft_timeout_seconds: Annotated[float, Field(ge=-1, le=60)] = 1.5
    llm_cascade_timeout_seconds: Seconds = 8.0
    max_conversation_duration_seconds: Annotated[int, Field(gt=0, le=86_400)] = 600
    allow_anonymous: bool = False
    allowed_origins: tuple[str, ...] = ()
    client_events: tuple[ClientEvent, ...] = (
        "conversation_initiation_metadata",
        "user_transcript",
        "agent_response",
        "interruption",
    )


@dataclass(frozen=True)
class Declaration:
    """A whole file, checked."""

    path: Path
    business: BusinessDeclaration
    bots: Sequence[BotDeclaration]
    sections: Mapping[str, Sequence[DeclarationModel]]
    root: yaml.MappingNode = field(repr=False, compare=False)

    def place(self, *at: str | int) -> str:
        """Return file and line of a part."""
        return f"{self.path}:{line_of(self.root, at)}"


class DeclarationError(UserError):
    """A file says something that cannot be applied; the message names file and line."""


def read(path: Path, sections: Mapping[str, Section]) -> Declaration:
    """Read and check a declaration.

    Raises:
        DeclarationError: the file is missing, is not YAML, or holds something unknown or wrong.
    """
    try:
        root, document = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise DeclarationError(f"{path}: is not UTF-8 text") from None
    except MalformedError as error:
        raise DeclarationError(f"{path}:{error.line}: {error}") from None
    if not isinstance(root, yaml.MappingNode):
        raise DeclarationError(f"{path}:1: must be a mapping with business and bots")
    return _Checker(path, root).check(document, sections)


@dataclass(frozen=True)
class _Checker:
    path: Path
    root: yaml.MappingNode

    def check(self, document: Mapping[str, Any], sections: Mapping[str, Section]) -> Declaration:
        known = ["business", "bots", *sections]
        for key in document:
            if key not in known:
                self._fail((key,), f"unknown key {key!r}; there are {', '.join(known)}")
        if "business" not in document:
            self._fail((), "business is missing")
        business = self._validated(BusinessDeclaration, document["business"], ("business",))
        bots = self._items(BotDeclaration, document, "bots")
        return Declaration(
            self.path,
            business,
            bots,
            {
                name: self._items(section.item, document, name)
                for name, section in sections.items()
                if name in document
            },
            self.root,
        )

    def _items(self, model: type[Item], document: Mapping[str, Any], key: str) -> list[Item]:
        value: object = document.get(key)
        if not isinstance(value, list | None):
            self._fail((key,), f"{key} must be a list")
        entries = cast("list[object]", value or [])
        items: list[Item] = []
        names: set[object] = set()
        for index, entry in enumerate(entries):
            item = self._validated(model, entry, (key, index))
            name = getattr(item, "name", index)
            if name in names:
                self._fail((key, index, "name"), f"{key} has two entries called {name!r}")
            names.add(name)
            items.append(item)
        return items

    def _validated(self, model: type[Item], value: object, at: tuple[str | int, ...]) -> Item:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
            # A key that is misspelt is also missing; the first tells more.
            first = min(errors, key=lambda each: each["type"] != "extra_forbidden")
            where = (*at, *(part for part in first["loc"] if part != "[key]"))
            name = ".".join(str(part) for part in where)
            match first["type"]:
                case "extra_forbidden":
                    fields = ", ".join(model.model_fields) if len(first["loc"]) == 1 else ""
                    known = f"; there are {fields}" if fields else ""
                    self._fail(where, f"unknown key {where[-1]!r} in {name}{known}")
                case _:
                    message = re.sub(r"^Value error, ", "", first["msg"])
                    self._fail(where, f"{name}: {message}")

    def _fail(self, at: Sequence[str | int], message: str) -> NoReturn:
        raise DeclarationError(f"{self.path}:{line_of(self.root, at)}: {message}")


def json_schema(sections: Mapping[str, Section]) -> dict[str, Any]:
    """Return the JSON Schema of a declaration, for editors."""
    lists: dict[str, type[DeclarationModel]] = {"bots": BotDeclaration}
    lists |= {name: section.item for name, section in sections.items()}
    models: tuple[type[DeclarationModel], ...] = (BusinessDeclaration, *lists.values())
    refs, definitions = models_json_schema([(model, "validation") for model in models])
    items = {name: refs[model, "validation"] for name, model in lists.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Antiphon declaration",
        "type": "object",
        "additionalProperties": False,
        "required": ["business"],
        "properties": {
            "business": refs[BusinessDeclaration, "validation"],
            **{name: {"type": "array", "items": item} for name, item in items.items()},
        },
        **definitions,
    }
