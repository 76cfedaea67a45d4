"""References to environment variables, `${NAME}`, which stand for secrets in a declaration."""

import re
from typing import Annotated

from pydantic import AfterValidator

from config.errors import UserError
from config.settings import environment

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class UnsetVariableError(UserError):
    """A declaration refers to a variable that is not set."""


def is_reference(text: str) -> bool:
    """Say whether a text is `${NAME}` and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def _check_reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError(
            "must be a reference such as ${CALCOM_API_KEY}: a file is no place for a secret"
        )
    return text


Reference = Annotated[str, AfterValidator(_check_reference)]


def resolve(reference: str) -> str:
    """Return the value of the variable, from the environment or from `.env`.

    Raises:
        UnsetVariableError: it is set in neither.
    """
    match = _REFERENCE.fullmatch(reference)
    name = match[1] if match else reference
    value = environment().get(name)
    if not value:
        raise UnsetVariableError(f"{name} is not set, neither in the environment nor in .env.")
    return value
