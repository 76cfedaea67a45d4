"""The schema of a declaration: parses and validates a YAML file, with the line of every error."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, cast
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError
from pydantic.json_schema import models_json_schema

from config.bot_settings import ClientEvent, Seconds, ServerUse, Text, Voice
from config.declarations.section import Section
from config.declarations.yaml_lines import MalformedError, line_of, parse
from config.errors import UserError
from config.models import DeclarationModel

Item = TypeVar("Item", bound=DeclarationModel)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
# Without `_`, which separates server and tool in a joined tool name.
_SERVER_NAME = r"^[a-z][a-z0-9]{0,31}$"
ServerName = Annotated[str, StringConstraints(pattern=_SERVER_NAME)]


def _check_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone of the IANA database, such as Europe/Berlin")
    return name


def _check_server_name(name: str) -> str:
    # Not a pattern: in the JSON Schema, editors would then accept keys that do not match it.
    if not re.fullmatch(_SERVER_NAME, name):
        raise ValueError("cannot be a server: they have small letters and digits only")
    return name


class BusinessDeclaration(DeclarationModel):
    """The tenant."""

    slug: Name
    name: Text
    time_zone: Annotated[str, AfterValidator(_check_time_zone)] = "UTC"


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
    servers: Mapping[Annotated[str, AfterValidator(_check_server_name)], ServerUse] = Field(
        default_factory=dict
    )
    system_tools: tuple[Literal["end_conversation"], ...] = ("end_conversation",)
    eagerness: Literal["low", "normal", "high"] = "normal"
    soft_timeout_seconds: Annotated[float, Field(ge=-1, le=60)] = 1.5
    llm_cascade_timeout_seconds: Seconds = 8.0
    max_turn_seconds: Annotated[float, Field(ge=5, le=600)] = 60.0
    max_turn_writes: Annotated[int, Field(ge=0, le=1000)] = 10
    max_call_writes: Annotated[int, Field(ge=0, le=10_000)] = 50
    max_minute_writes: Annotated[int, Field(ge=0, le=10_000)] = 120
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
    """A validated declaration. `root` is its YAML, for the lines of its values."""

    path: Path
    business: BusinessDeclaration
    bots: Sequence[BotDeclaration]
    sections: Mapping[str, Sequence[DeclarationModel]]
    root: yaml.MappingNode = field(repr=False, compare=False)

    def location(self, *at: str | int) -> str:
        """Return the file and line of the value at a path."""
        return f"{self.path}:{line_of(self.root, at)}"

    def error(self, at: Sequence[str | int], message: str) -> "DeclarationError":
        """Return the error of the value at a path, with its file and line."""
        return DeclarationError(f"{self.location(*at)}: {'.'.join(map(str, at))}: {message}")


class DeclarationError(UserError):
    """A declaration cannot be applied; the message has file and line."""


def read_declaration(path: Path, sections: Mapping[str, Section]) -> Declaration:
    """Read and validate a declaration.

    Raises:
        DeclarationError: the file is missing, is not YAML, or has an unknown key or a wrong value.
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
    return _Validator(path, root).validate(document, sections)


@dataclass(frozen=True)
class _Validator:
    path: Path
    root: yaml.MappingNode

    def validate(self, document: Mapping[str, Any], sections: Mapping[str, Section]) -> Declaration:
        known = ["business", "bots", *sections]
        for key in document:
            if key not in known:
                self._fail((key,), f"unknown key {key!r}; there are {', '.join(known)}")
        if "business" not in document:
            self._fail((), "business is missing")
        business = self._validate_item(BusinessDeclaration, document["business"], ("business",))
        bots = self._validate_items(BotDeclaration, document, "bots")
        return Declaration(
            self.path,
            business,
            bots,
            {
                name: self._validate_items(section.item, document, name)
                for name, section in sections.items()
                if name in document
            },
            self.root,
        )

    def _validate_items(
        self, model: type[Item], document: Mapping[str, Any], key: str
    ) -> list[Item]:
        value: object = document.get(key)
        if not isinstance(value, list | None):
            self._fail((key,), f"{key} must be a list")
        entries = cast("list[object]", value or [])
        items: list[Item] = []
        names: set[object] = set()
        for index, entry in enumerate(entries):
            item = self._validate_item(model, entry, (key, index))
            name = getattr(item, "name", index)
            if name in names:
                self._fail((key, index, "name"), f"{key} has two entries called {name!r}")
            names.add(name)
            items.append(item)
        return items

    def _validate_item(self, model: type[Item], value: object, at: tuple[str | int, ...]) -> Item:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
            # A misspelt key is also a missing one; the error about its spelling says more.
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
