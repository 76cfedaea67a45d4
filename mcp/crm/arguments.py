"""The types of the tools' arguments."""

from typing import Annotated

from pydantic import Field

from crm.provider import FieldName

Text = Annotated[str, Field(max_length=300)]
Notes = Annotated[str, Field(max_length=4000)]
Id = Annotated[str, Field(max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Amount = Annotated[float, Field(ge=0, le=1e12)]
Minutes = Annotated[int, Field(ge=1, le=1440)]
Names = Annotated[tuple[FieldName, ...], Field(max_length=20)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
Own = Annotated[dict[FieldName, Notes | int | _Number | bool | None], Field(max_length=20)]
