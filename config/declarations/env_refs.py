"""`${NAME}` in a declaration: what a file may say instead of a secret."""

import os
import re
from typing import Annotated

from dotenv import dotenv_values
from pydantic import AfterValidator

from config.errors import UserError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class UnsetVariableError(UserError):
    """A declaration refers to a variable that is not set."""


def is_reference(text: str) -> bool:
    """Say whether a text is `${NAME}` and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def _checked(text: str) -> str:
    if not is_reference(text):
        raise ValueError(
            "must be a reference such as ${CALCOM_API_KEY}: a file is no place for a secret"
        )
    return text


Reference = Annotated[str, AfterValidator(_checked)]


def resolve(reference: str) -> str:
    """Return the variable's value, from the environment or from .env.

    Raises:
        UnsetVariableError: it is set in neither.
    """
    match = _REFERENCE.fullmatch(reference)
    name = match[1] if match else reference
    value = os.environ.get(name) or dotenv_values(".env").get(name)
    if not value:
        raise UnsetVariableError(f"{name} is not set, neither in the environment nor in .env.")
    return value
