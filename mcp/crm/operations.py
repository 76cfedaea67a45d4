"""What the tools do: reads and writes one tenant's CRM, and phrases the results for callers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fastmcp.dependencies import Depends

from config.text import clean
from crm import inputs, sentences
from crm.matching import kinds_to_search, matching_records, to_search_query
from crm.provider import (
    CrmProvider,
    CustomFields,
    FieldName,
    InputValue,
    InputValues,
    Kind,
    Query,
    Record,
    StandardField,
    SupportsRawQuery,
)
from crm.registry import PROVIDERS
from crm.results import (
    MAX_HITS,
    Detail,
    QueryResult,
    RawQueryResult,
    ResultT,
    SearchResult,
    build_hit,
    build_query_result,
    build_raw_query_result,
    build_record_result,
)
from toolkit.errors import Rejected
from toolkit.instants import add, elapsed, utc
from toolkit.middleware.confirmation import confirm
from toolkit.speech.clock import CLOCK, Clock
from toolkit.tenancy import tenant_provider

CRM: CrmProvider = Depends(tenant_provider(PROVIDERS))

_MAX_CANDIDATES = 25  # of a search, which are ranked


@dataclass(frozen=True)
class CrmOperations:
    """The operations on one tenant's CRM. `clock` is in the tenant's time zone."""

    crm: CrmProvider
    clock: Clock

    async def get_record(
        self, result_type: type[ResultT], text: str, fields: Sequence[FieldName], detail: Detail
    ) -> ResultT:
        """Return the record whose id is `text`, with the custom ones among `fields`.

        Raises:
            NotFound: there is no such record.
        """
        kind = result_type.kind
        record = await self._record(kind, text, inputs.custom_field_names(kind, fields))
        say = sentences.describe_record(kind, record.values, self.clock)
        return build_record_result(
            result_type, record.id, record.values, record.fields, say, detail
        )

    async def create_record(
        self, result_type: type[ResultT], values: InputValues, fields: CustomFields | None
    ) -> ResultT:
        """Create a record, unless an earlier attempt of this call has created it.

        Raises:
            Rejected: the record has no name, or one of `fields` is a standard field.
        """
        kind = result_type.kind
        values = inputs.normalize_values(kind, values)
        custom = inputs.parse_custom_fields(kind, fields)
        if not sentences.record_name(values):
            raise Rejected(
                f"{'An' if kind[0] in 'aeiou' else 'A'} {kind} needs a name.",
                say=sentences.say("which_name"),
                next="Call again with what the caller says.",
            )
        record_id = await self.crm.find_lost_create(kind, values)
        if record_id is None:
            record = sentences.name_with_details(values, custom, self.clock)
            confirm(sentences.say("confirm_create", record=record))
            record_id = await self.crm.create(kind, values, custom)
        record = sentences.name_with_times(values, self.clock)
        say = sentences.say("created", record=record)
        return build_record_result(result_type, record_id, values, custom, say)

    async def update_record(
        self,
        result_type: type[ResultT],
        text: str,
        values: InputValues,
        fields: CustomFields | None,
    ) -> ResultT:
        """Set the given fields of the record whose id is `text`.

        Raises:
            NotFound: there is no such record.
            Rejected: no value is given, or one of `fields` is a standard field.
        """
        kind = result_type.kind
        values = inputs.normalize_values(kind, values)
        custom = inputs.parse_custom_fields(kind, fields)
        if not values and not custom:
            raise Rejected(
                "There is nothing to change.",
                say=sentences.say("which_changes"),
                next="Call again with the values that are to be changed.",
            )
        record_id = inputs.parse_id(kind, text)
        changes = sentences.describe_changes(values, custom, self.clock)
        confirm(sentences.say("confirm_update", kind=kind, changes=changes))
        await self.crm.update(kind, record_id, values, custom)
        say = sentences.say("updated", kind=kind, changes=changes)
        return build_record_result(result_type, record_id, values, custom, say)

    async def query(self, query: Query, fields: Sequence[FieldName], detail: Detail) -> QueryResult:
        """Return the records that satisfy a query.

        The values of the filters may be in the caller's own words. A brief result shows `fields`,
        standard or custom, and those that the filters are about.

        Raises:
            Rejected: a filter's value fits neither its operator nor its field.
        """
        kind = query.kind
        filters = tuple(inputs.parse_filter(kind, each, self.clock) for each in query.filters)
        custom = inputs.custom_field_names(kind, fields)
        page = await self.crm.query(query.model_copy(update={"filters": filters, "fields": custom}))
        names = [sentences.record_name(record.values) or record.id for record in page.records]
        say = sentences.describe_query_result(kind, names, more=page.more)
        shown = {*fields, *(each.field for each in filters)}
        return build_query_result(page, shown, say, detail)

    async def search(self, text: str, kind: Kind | None) -> SearchResult:
        """Return the records that a caller may mean by `text`.

        Raises:
            Rejected: there is no text.
        """
        query = to_search_query(clean(text).strip())
        if not query.text:
            raise Rejected(
                "There is nothing to look for.",
                say=sentences.say("which_name_or_number"),
                next="Call again with what the caller says.",
            )
        kinds = kinds_to_search(query, kind)
        candidates = await self.crm.search(query, kinds, _MAX_CANDIDATES)
        matches = matching_records(query, candidates)
        return SearchResult(
            say=sentences.describe_matches(query, matches),
            found=[build_hit(record) for record in matches[:MAX_HITS]],
            more=len(matches) > MAX_HITS,
        )

    async def raw_query(self, statement: str, limit: int) -> RawQueryResult:
        """Return the rows that a statement in the vendor's query language selects.

        Raises:
            Rejected: the vendor has no query language, or the statement is not allowed.
        """
        if not isinstance(self.crm, SupportsRawQuery):
            raise Rejected("This CRM has no query language of its own.")
        return build_raw_query_result(await self.crm.raw_query(clean(statement), limit), limit)

    def parse_day(self, text: str | None) -> date | None:
        """Return the day that a caller said; None if nothing was said.

        Raises:
            Rejected: the text does not say exactly one day.
        """
        return self.clock.parse_day(text) if text and text.strip() else None

    def event_times(self, when: str | None, minutes: int) -> dict[StandardField, InputValue]:
        """Return `starts_at` and `ends_at` of an event; nothing if `when` is empty.

        Raises:
            Rejected: `when` does not say exactly one time.
        """
        if not when:
            return {}
        start = self.clock.parse_datetime(when)
        return {"starts_at": start, "ends_at": add(start, timedelta(minutes=minutes))}

    async def changed_event_times(
        self, text: str, when: str | None, minutes: int | None
    ) -> dict[StandardField, InputValue]:
        """Return the new `starts_at` and `ends_at` of the event whose id is `text`.

        Where only one of `when` and `minutes` is given, the other is read from the event.

        Raises:
            NotFound: there is no such event.
            Rejected: `when` does not say exactly one time, or the event's own times are unknown.
        """
        if minutes is not None and when:
            return self.event_times(when, minutes)
        if minutes is None and not when:
            return {}
        event = await self._record("event", text, ())
        start, end = (
            sentences.parse_datetime(event.values.get(key)) for key in ("starts_at", "ends_at")
        )
        length = elapsed(start, end) if start and end and utc(end) >= utc(start) else None
        if when:
            start = self.clock.parse_datetime(when)
        if minutes is not None:
            length = timedelta(minutes=minutes)
        if start is None or length is None:
            raise Rejected(
                "The event's own times are not known.",
                say=sentences.say("which_time_and_length"),
                next="Call again with both when and minutes.",
            )
        return {"starts_at": start, "ends_at": add(start, length)}

    async def _record(self, kind: Kind, text: str, fields: Sequence[FieldName]) -> Record:
        record = await self.crm.get(kind, inputs.parse_id(kind, text), fields)
        if record is None:
            raise inputs.record_not_found(kind)
        return record


async def _open_operations(crm: CrmProvider = CRM, clock: Clock = CLOCK) -> CrmOperations:
    return CrmOperations(crm, clock)


OPERATIONS: CrmOperations = Depends(_open_operations)
