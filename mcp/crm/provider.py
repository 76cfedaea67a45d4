"""What a CRM must be able to do, in our words: five verbs over seven kinds of record."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol, get_args, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["lead", "contact", "account", "opportunity", "task", "event", "case"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Our words for each kind. `account`, `contact` and `about` are ids of other records; `notes` is the
# long text that a record has. A name is a whole name: a vendor that wants two parts splits it.
WORDS: Mapping[Kind, tuple[str, ...]] = {
    "lead": ("name", "company", "title", "phone", "email", "status", "source", "notes"),
    "contact": ("name", "title", "phone", "email", "account", "notes"),
    "account": ("name", "phone", "website", "industry", "notes"),
    "opportunity": ("name", "stage", "amount", "close_date", "account", "notes"),
    "task": ("subject", "status", "priority", "due_date", "about", "notes"),
    "event": ("subject", "starts_at", "ends_at", "location", "about", "notes"),
    "case": ("subject", "status", "priority", "contact", "account", "notes"),
}
# Words with values of ours; any other value is the tenant's own, and passes as it is.
TASK_STATUSES = ("open", "done")
CASE_STATUSES = ("new", "open", "closed")
PRIORITIES = ("low", "normal", "high")

Word = str  # one of WORDS
Given = str | float | date | datetime  # dates and aware moments; the rest as it was said
Value = str | int | float | bool
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,79}$")]
Fields = Mapping[str, Value | None]  # the vendor's own names, which are not among our words


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Record(_Model):
    """One record. `values` are in our words: dates and moments in ISO 8601, nothing empty.

    `fields` holds the vendor's own fields that were asked for.
    """

    kind: Kind
    id: str
    values: Mapping[Word, Value] = Field(default_factory=dict[str, Value])
    fields: Mapping[str, Value] = Field(default_factory=dict[str, Value])

    @property
    def title(self) -> str:
        """Return what the record is called."""
        return str(self.values.get("name") or self.values.get("subject") or "")


Operator = Literal["is", "is_not", "contains", "starts_with", "above", "below", "one_of"]


class Filter(_Model):
    """One condition. `field` is one of our words, or a field of the vendor's."""

    field: FieldName
    op: Operator = "is"
    value: Value | list[str]


class Query(_Model):
    """Records of one kind that fulfil every filter, the newest first where `order_by` is None."""

    kind: Kind
    filters: tuple[Filter, ...] = ()
    fields: tuple[FieldName, ...] = ()
    order_by: FieldName | None = None
    descending: bool = False
    limit: int = 20


class Wanted(_Model):
    """Whom or what a caller looks for: exactly what was said, and what it seems to be.

    `phone` is digits, perhaps with a leading plus; `email` an address. Both None: it is a name,
    or any words.
    """

    text: str
    phone: str | None = None
    email: str | None = None


class Page(_Model):
    """Some records, and whether there are more."""

    records: tuple[Record, ...]
    more: bool = False


class CrmProvider(Protocol):
    """One tenant's CRM at one vendor."""

    async def check(self) -> None:
        """Make one harmless request, to see that the account works."""
        ...

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record; None where there is none, or the id is none of the vendor's."""
        ...

    async def create(self, kind: Kind, values: Mapping[Word, Given], fields: Fields) -> str:
        """Create a record and return its id."""
        ...

    async def find_lost_create(self, kind: Kind, values: Mapping[Word, Given]) -> str | None:
        """Return the id of what an earlier try of this very call has created, if there is one.

        Raises:
            OutcomeUnknown: there was a try, and nobody can tell what became of it.
        """
        ...

    async def update(
        self, kind: Kind, record_id: str, values: Mapping[Word, Given], fields: Fields
    ) -> None:
        """Change what is given of a record, and nothing else.

        Raises:
            NotFound: there is no such record.
        """
        ...

    async def query(self, query: Query) -> Page:
        """Return the records that fulfil a query."""
        ...

    async def search(self, wanted: Wanted, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return records that may be meant, of every kind that can be searched.

        They may be too many and in any order: who is alike is judged by those who ask.
        """
        ...


@runtime_checkable
class RawQueries(Protocol):
    """A CRM with a query language of its own, in which a tenant may ask."""

    async def raw_query(self, statement: str, limit: int) -> list[dict[str, Any]]:
        """Return at most so many rows; only reading statements are taken."""
        ...
