"""The base of models of what people write."""

from pydantic import BaseModel, ConfigDict


class DeclarationModel(BaseModel):
    """Base of the models of a declaration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
