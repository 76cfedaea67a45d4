"""Lists of a vendor's records, of which one that cannot be read does not hide the others."""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar, cast

from opentelemetry.metrics import get_meter
from pydantic import AfterValidator, BaseModel, ValidationError, WrapValidator, model_validator

T = TypeVar("T")

logger = logging.getLogger("antiphon.vendor")
_skipped = get_meter("antiphon.vendor").create_counter(
    "antiphon.vendor.records_skipped", description="Records of vendors that could not be read."
)
_UNREADABLE: Any = object()


def _read(record: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(record)
    except ValidationError as error:
        # Neither a value nor the vendor's own words: a record may hold anything of a person.
        faults = [
            f"{'.'.join(str(each) for each in fault['loc'])}: {fault['type']}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        logger.warning("a vendor's record could not be read", extra={"faults": faults[:5]})
        _skipped.add(1)
        return _UNREADABLE


def _without_unreadable(records: list[Any]) -> list[Any]:
    return [record for record in records if record is not _UNREADABLE]


# A list field whose items are validated one by one; those that are not valid are left out.
Records = Annotated[
    list[Annotated[T, WrapValidator(_read)]],
    AfterValidator(_without_unreadable),
]


class RecordList(BaseModel, Generic[T]):
    """A response that is a list of records; `count` is of all, `root` has those that are valid."""

    root: Records[T]
    count: int

    @model_validator(mode="before")
    @classmethod
    def _count(cls, records: object) -> object:
        if not isinstance(records, list):
            return None  # which is not valid
        listed = cast("list[object]", records)
        return {"root": listed, "count": len(listed)}
