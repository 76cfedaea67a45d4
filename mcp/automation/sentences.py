"""What the automation server says to callers, in their language."""

from collections.abc import Mapping, Sequence
from typing import Any

from automation.provider import Automation
from automation.results import RunDetails
from automation.values import Violation
from config.language.catalogue import Catalogue
from toolkit.speech import phrases
from toolkit.speech.text import capitalize, shorten

say = Catalogue("automation")

_MAX_READ_BACK = 200  # characters of one value


def describe_automations(automations: Sequence[Automation]) -> str:
    """Return a sentence that lists what can be started."""
    names = phrases.join_words([spoken_name(each.name) for each in automations], "and")
    return say("automations", names=names, count=len(automations))


def confirm_start(automation: Automation, values: Mapping[str, Any]) -> str:
    """Return the question whether an automation is to be started with these values."""
    details = phrases.list_words([_describe(name, each) for name, each in values.items()], "comma")
    return say("confirm", name=spoken_name(automation.name), values=details, count=len(values))


def handed_over(automation: Automation) -> str:
    """Return that values have been handed over."""
    return say("handed_over", name=capitalize(spoken_name(automation.name)))


def describe_run(run: RunDetails) -> str:
    """Return where a run is."""
    return say("run", name=capitalize(spoken_name(run.automation)), status=run.status)


def ask_for_values(violation: Violation) -> str:
    """Return what to ask the caller, whose values do not fit."""
    return say("which_value", kind=violation.kind, field=violation.field or "none")


def spoken_name(name: str) -> str:
    """Return an automation's name as it is said."""
    return name.replace("_", " ").replace("-", " ")


def _describe(name: str, value: object) -> str:
    match value:
        case bool():
            said = say("switch", value="yes" if value else "no")
        case dict() | list():
            said = say("details")
        case _:
            said = shorten(str(value), _MAX_READ_BACK)
    return say("value", field=name.replace("_", " "), value=said)
