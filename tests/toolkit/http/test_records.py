"""Lists of a vendor's records: one that cannot be read does not hide the others."""

import logging
from typing import Literal

import pytest
from pydantic import BaseModel, RootModel, ValidationError

from toolkit.http.records import RecordList, Records


class Visit(BaseModel):
    id: int
    status: Literal["open", "done"]


class Visits(BaseModel):
    visits: Records[Visit] = []


class VisitList(RootModel[Records[Visit]]):
    """A response that is the list itself."""


def test_a_record_that_cannot_be_read_is_left_out_and_logged_without_its_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = {"id": 1, "status": "open"}
    secret = {"id": 2, "status": "Ann's secret"}
    with caplog.at_level(logging.WARNING, logger="antiphon.vendor"):
        read = Visits.model_validate({"visits": [good, secret, None, {"status": "done"}, "x"]})
    assert read.visits == [Visit(id=1, status="open")]
    assert len(caplog.records) == 4
    assert caplog.records[0].__dict__["faults"] == ["status: literal_error"]
    assert "secret" not in str([record.__dict__ for record in caplog.records])


def test_a_list_may_be_the_whole_response_and_may_be_empty() -> None:
    assert VisitList.model_validate([{"id": 1, "status": "done"}, {}]).root[0].id == 1
    assert Visits.model_validate({}).visits == []


def test_a_list_knows_how_many_records_it_had() -> None:
    listed = RecordList[Visit].model_validate([{"id": 1, "status": "done"}, {}, 7])
    assert (listed.root, listed.count) == ([Visit(id=1, status="done")], 3)
    others: list[object] = [{}, {"root": [], "count": 0}, "none", None]
    for other in others:
        with pytest.raises(ValidationError):
            RecordList[Visit].model_validate(other)


@pytest.mark.parametrize("answer", [{"visits": None}, {"visits": {"id": 1}}, {"visits": "none"}])
def test_what_is_no_list_is_no_answer(answer: object) -> None:
    with pytest.raises(ValidationError):
        Visits.model_validate(answer)
