"""What the model may write now, as a GBNF grammar: one call of an allowed tool, or a sentence."""

import json
from collections.abc import Iterable

from orchestrator.embedded.signatures import ABSENT, SAY, SEPARATOR, Parameter, Signature, written

# Begins as a sentence and has none of the marks of a call: a model that wants a tool which it may
# not call now would else read the call out to the caller.
_SENTENCE = r"[^a-z _|\n] [^_|\n]{0,219}"


def grammar(callable_now: Iterable[Signature], *, may_speak: bool) -> str:
    """Return the grammar of one answer."""
    answers = [_call(signature) for signature in callable_now]
    if may_speak:
        answers.append(f"{_literal(f'{SAY} ')} {_SENTENCE}")
    return "root ::= " + " | ".join(f"({answer})" for answer in answers)


def _call(signature: Signature) -> str:
    tail = ""
    for parameter in reversed(signature.parameters):
        following = f" {tail}" if tail else ""
        argument = f"{_literal(SEPARATOR)} {_value(parameter)}{following}"
        tail = argument if parameter.required else f"({argument})?"
    return f"{_literal(signature.name)} {tail}".rstrip()


def _value(parameter: Parameter) -> str:
    alternatives = [_literal(written(choice)) for choice in parameter.choices] or [_free(parameter)]
    if not parameter.required:
        alternatives.append(_literal(ABSENT))
    return f"({' | '.join(alternatives)})"


def _free(parameter: Parameter) -> str:
    match parameter.kind:
        case "integer":
            return '"-"? [0-9]{1,9}'
        case "number":
            return '"-"? [0-9]{1,9} ("." [0-9]{1,4})?'
        case "boolean":
            return '"true" | "false"'
        case _:
            return rf"[^| \n] [^|\n]{{0,{max(0, parameter.longest - 1)}}}"


def _literal(text: str) -> str:
    return json.dumps(text)
