"""The types of the tools' arguments."""

from typing import Annotated, Literal

from pydantic import Field

from kb.retrieve import MAX_PASSAGES

Query = Annotated[str, Field(max_length=1000, description="The question, in a few words.")]
TopK = Annotated[int, Field(ge=1, le=MAX_PASSAGES)]
DocumentKey = Annotated[str, Field(max_length=200, description="Name or id.")]
Offset = Annotated[int, Field(ge=0)]
Detail = Literal["brief", "full"]
