"""The protocol that every CRM vendor implements: five verbs over seven kinds of record.

A kind has standard fields, which have the same names at every vendor, and custom fields, which
are the tenant's own and keep the vendor's names.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol, get_args, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["lead", "contact", "account", "opportunity", "task", "event", "case"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# `account`, `contact` and `about` are ids of other records; `notes` is the long text of a record.
# `name` is a full name: a vendor that stores first and last name splits it.
STANDARD_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "lead": ("name", "company", "title", "phone", "email", "status", "source", "notes"),
    "contact": ("name", "title", "phone", "email", "account", "notes"),
    "account": ("name", "phone", "website", "industry", "notes"),
    "opportunity": ("name", "stage", "amount", "close_date", "account", "notes"),
    "task": ("subject", "status", "priority", "due_date", "about", "notes"),
    "event": ("subject", "starts_at", "ends_at", "location", "about", "notes"),
    "case": ("subject", "status", "priority", "contact", "account", "notes"),
}
# The standard values of some standard fields. Any other value is the tenant's own and is passed
# on unchanged.
TASK_STATUSES = ("open", "done")
CASE_STATUSES = ("new", "open", "closed")
PRIORITIES = ("low", "normal", "high")

StandardField = str  # one of STANDARD_FIELDS
InputValue = str | float | date | datetime  # datetimes are aware
InputValues = Mapping[StandardField, InputValue]
Value = str | int | float | bool
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,79}$")]
CustomFields = Mapping[str, Value | None]  # by the vendor's names; None empties a field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Record(_Model):
    """One record.

    `values` holds the standard fields that have a value: dates and datetimes in ISO 8601.
    `fields` holds those custom fields that were requested and have a value.
    """

    kind: Kind
    id: str
    values: Mapping[StandardField, Value] = Field(default_factory=dict[str, Value])
    fields: Mapping[str, Value] = Field(default_factory=dict[str, Value])

    @property
    def title(self) -> str:
        """Return the record's name or subject."""
        return str(self.values.get("name") or self.values.get("subject") or "")


Operator = Literal["is", "is_not", "contains", "starts_with", "above", "below", "one_of"]


class Filter(_Model):
    # The docstring is part of the tool's schema, which models read.
    """One condition. `field` is one of our words, or a field of the vendor's."""

    field: FieldName
    op: Operator = "is"
    value: Value | list[str]


class Query(_Model):
    """A query for records of one kind that satisfy every filter.

    Without `order_by` the newest record comes first. `fields` are the custom fields to return.
    """

    kind: Kind
    filters: tuple[Filter, ...] = ()
    fields: tuple[FieldName, ...] = ()
    order_by: FieldName | None = None
    descending: bool = False
    limit: int = 20


class SearchQuery(_Model):
    """What a caller said to identify a record, and how it was understood.

    `phone` is digits with an optional leading plus; `email` is an address. If both are None, the
    text is a name or any other words.
    """

    text: str
    phone: str | None = None
    email: str | None = None


class Page(_Model):
    """The first records of a result; `more` says whether there are others."""

    records: tuple[Record, ...]
    more: bool = False


class CrmProvider(Protocol):
    """One tenant's CRM at one vendor."""

    async def check(self) -> None:
        """Make one request that changes nothing, to verify that the account works."""
        ...

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record with the custom `fields`.

        Returns None if there is no such record, or if the id has no form that the vendor uses.
        """
        ...

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a record and return its id."""
        ...

    async def find_lost_create(self, kind: Kind, values: InputValues) -> str | None:
        """Return the id of the record that an earlier attempt of this same call created.

        Returns None if this is the first attempt, or if the earlier one created nothing.

        Raises:
            OutcomeUnknown: there was an earlier attempt and its outcome cannot be determined.
        """
        ...

    async def update(
        self, kind: Kind, record_id: str, values: InputValues, fields: CustomFields
    ) -> None:
        """Set the given fields of a record and leave all others unchanged.

        Raises:
            NotFound: there is no such record.
        """
        ...

    async def query(self, query: Query) -> Page:
        """Return the records that satisfy a query."""
        ...

    async def search(self, query: SearchQuery, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return candidates for a search, of those `kinds` that the vendor can search.

        The candidates may be too many and in any order: `crm.matching` ranks them.
        """
        ...


@runtime_checkable
class SupportsRawQuery(Protocol):
    """A provider whose vendor has a query language that a tenant may use."""

    async def raw_query(self, statement: str, limit: int) -> list[dict[str, Any]]:
        """Run a statement that only reads, and return at most `limit` rows.

        Raises:
            Rejected: the statement is not one that is allowed.
        """
        ...
