"""The front desk: one CRM, on the business's clock, with what its callers are told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, TypeVar, cast

from fastmcp.dependencies import Depends

from crm import inputs
from crm.provider import CrmProvider, FieldName, Fields, Given, Kind, Record, Value, Word
from crm.registry import PROVIDERS
from crm.results import Answer
from crm.sentences import a, called, changes, details, introduced, moment, state, when
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.speech import phrases
from toolkit.speech.clock import CLOCK, Clock
from toolkit.speech.text import shorten
from toolkit.tenancy import tenant_provider

A = TypeVar("A", bound=Answer)
Detail = Literal["brief", "full"]

CRM: CrmProvider = Depends(tenant_provider(PROVIDERS))

SIZE = 1200  # bytes of a brief answer, without its sentence
_WIDTHS = (300, 100, 40)  # characters of a text in a brief answer, the most that fit
_ANYTHING_ELSE = "Is there anything else?"


@dataclass(frozen=True)
class Desk:
    """Answers for one CRM."""

    crm: CrmProvider
    clock: Clock

    async def show(
        self, answer: type[A], reference: str, fields: Sequence[FieldName], detail: Detail
    ) -> A:
        """Return a record.

        Raises:
            NotFound: there is none.
        """
        kind = answer.kind
        record = await self._record(kind, reference, inputs.own(kind, fields))
        at = state(record.values, self.clock)
        say = ", ".join(part for part in (introduced(kind, record.values), at) if part)
        return _answer(answer, record.id, record.values, record.fields, f"{say}.", detail)

    async def create(
        self, answer: type[A], values: Mapping[Word, Given], fields: Fields | None
    ) -> A:
        """Create a record, once.

        Raises:
            Rejected: it has no name, or a field of the tenant's is one of our words.
        """
        kind = answer.kind
        values, own = inputs.settled(kind, values), inputs.own_values(kind, fields)
        if not called(values):
            raise Rejected(
                f"{a(kind).capitalize()} needs a name.",
                say="Under which name?",
                next="Call again with what the caller says.",
            )
        record_id = await self.crm.find_lost_create(kind, values)
        told = phrases.join_words([called(values), *details(values, own, self.clock)], "and")
        if record_id is None:
            confirm(f"A new {kind}: {told}. Shall I save it?")
            record_id = await self.crm.create(kind, values, own)
        known = ", ".join(part for part in (called(values), when(values, self.clock)) if part)
        say = f"Done, there is a new {kind}: {known}. {_ANYTHING_ELSE}"
        return _answer(answer, record_id, values, own, say)

    async def change(
        self, answer: type[A], reference: str, values: Mapping[Word, Given], fields: Fields | None
    ) -> A:
        """Change what is given of a record.

        Raises:
            NotFound: there is no such record.
            Rejected: nothing is given, or a field of the tenant's is one of our words.
        """
        kind = answer.kind
        values, own = inputs.settled(kind, values), inputs.own_values(kind, fields)
        if not values and not own:
            raise Rejected(
                "There is nothing to change.",
                say="What shall I change?",
                next="Call again with the values that are to be changed.",
            )
        record_id = inputs.reference(kind, reference)
        told = phrases.join_words(changes(values, own, self.clock), "and")
        confirm(f"I would change the {kind}: {told}. Shall I?")
        await self.crm.update(kind, record_id, values, own)
        say = f"Done, the {kind} is changed: {told}. {_ANYTHING_ELSE}"
        return _answer(answer, record_id, values, own, say)

    def day(self, said: str | None) -> date | None:
        """Return a day.

        Raises:
            Rejected: it is not clear which one is meant.
        """
        return self.clock.day(said) if said and said.strip() else None

    def times(self, when: str | None, minutes: int) -> dict[Word, Given]:
        """Return beginning and end of an event.

        Raises:
            Rejected: it is not clear when it begins.
        """
        if not when:
            return {}
        start = self.clock.moment(when)
        return {"starts_at": start, "ends_at": start + timedelta(minutes=minutes)}

    async def moved(
        self, reference: str, start: str | None, minutes: int | None
    ) -> dict[Word, Given]:
        """Return beginning and end of an event that is moved, or made longer or shorter."""
        if minutes is not None and start:
            return self.times(start, minutes)
        if minutes is None and not start:
            return {}
        event = await self._record("event", reference, ())
        begins, ends = (moment(event.values.get(word)) for word in ("starts_at", "ends_at"))
        length = ends - begins if begins and ends and ends >= begins else None
        if start:
            begins = self.clock.moment(start)
        if minutes is not None:
            length = timedelta(minutes=minutes)
        if begins is None or length is None:
            raise Rejected(
                "The event's own times are not known.",
                say="When shall it be, and for how long?",
                next="Call again with both when and minutes.",
            )
        return {"starts_at": begins, "ends_at": begins + length}

    async def _record(self, kind: Kind, reference: str, fields: Sequence[FieldName]) -> Record:
        record = await self.crm.get(kind, inputs.reference(kind, reference), fields)
        if record is None:
            raise inputs.not_found(kind)
        return record


async def _open_desk(crm: CrmProvider = CRM, clock: Clock = CLOCK) -> Desk:
    return Desk(crm, clock)


DESK: Desk = Depends(_open_desk)


def _answer(
    answer: type[A],
    record_id: str,
    values: Mapping[Word, Any],
    fields: Mapping[str, Value | None],
    say: str,
    detail: Detail = "brief",
) -> A:
    known = {word: inputs.shown(word, value) for word, value in values.items()}
    own = {name: value for name, value in fields.items() if value is not None}
    told: dict[str, Any] = {"id": record_id, **known, "fields": own or None}
    return answer.model_validate({"say": say, **(told if detail == "full" else brief(told))})


def brief(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same, its texts cut so that they fit into an answer."""
    cut = dict(told)
    for width in _WIDTHS:
        cut = {key: value if key == "id" else _cut(value, width) for key, value in told.items()}
        if size(cut) <= SIZE:
            break
    return cut


def size(told: object) -> int:
    """Return how many bytes an answer takes."""
    return len(json.dumps(told, ensure_ascii=False, default=str).encode())


def _cut(value: Any, width: int) -> Any:
    if isinstance(value, str):
        return shorten(value, width)
    if isinstance(value, dict):
        texts = cast("dict[str, Any]", value)
        return {name: _cut(each, width) for name, each in texts.items()}
    return value
