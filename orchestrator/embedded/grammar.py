"""Builds the GBNF grammar of one answer: a call of an allowed tool, or a sentence."""

import json
from collections.abc import Iterable

from orchestrator.embedded.signatures import (
    ABSENT,
    SAY,
    SEPARATOR,
    Parameter,
    Signature,
    format_argument,
)

# Starts with no lower-case letter and has no mark of a call: else a model that wants a tool which
# is not allowed now would read the call out to the caller.
_SENTENCE = r"[^a-z _|\n] [^_|\n]{0,219}"


def build_grammar(allowed: Iterable[Signature], *, may_speak: bool) -> str:
    """Return the grammar of one answer."""
    answers = [_call_rule(signature) for signature in allowed]
    if may_speak:
        answers.append(f"{_literal(f'{SAY} ')} {_SENTENCE}")
    return "root ::= " + " | ".join(f"({answer})" for answer in answers)


def _call_rule(signature: Signature) -> str:
    tail = ""
    for parameter in reversed(signature.parameters):
        following = f" {tail}" if tail else ""
        argument = f"{_literal(SEPARATOR)} {_value_rule(parameter)}{following}"
        tail = argument if parameter.required else f"({argument})?"
    return f"{_literal(signature.name)} {tail}".rstrip()


def _value_rule(parameter: Parameter) -> str:
    alternatives = [_literal(format_argument(choice)) for choice in parameter.choices] or [
        _type_rule(parameter)
    ]
    if not parameter.required:
        alternatives.append(_literal(ABSENT))
    return f"({' | '.join(alternatives)})"


def _type_rule(parameter: Parameter) -> str:
    match parameter.kind:
        case "integer":
            return '"-"? [0-9]{1,9}'
        case "number":
            return '"-"? [0-9]{1,9} ("." [0-9]{1,4})?'
        case "boolean":
            return '"true" | "false"'
        case _:
            return rf"[^| \n] [^|\n]{{0,{max(0, parameter.max_length - 1)}}}"


def _literal(text: str) -> str:
    return json.dumps(text)
