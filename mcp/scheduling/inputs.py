"""The types of the tools' arguments."""

from typing import Annotated

from pydantic import Field

Text = Annotated[str, Field(max_length=300)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


def normalize_name(name: str) -> str:
    """Return a person's name with single spaces between its words."""
    return " ".join(name.split())
