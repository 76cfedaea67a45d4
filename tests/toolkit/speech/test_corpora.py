"""What callers say for times, numbers, addresses and names, read as well as is promised.

The cases are literal, and were written without sight of the readers.
"""

import pytest

from benchmarks import spoken_cases, spoken_details, spoken_times

TIMES = ["spoken_times.yaml", "spoken_times_held_out.yaml"]
DETAILS = ["spoken_details.yaml", "spoken_details_held_out.yaml"]


@pytest.mark.parametrize("name", TIMES)
def test_times_are_read_or_asked(name: str) -> None:
    cases = spoken_cases.load(name)
    counts = spoken_times.table(cases, spoken_times.outcome)
    assert counts["wrong"] <= len(cases) / 100
    assert counts["named right"] >= 0.95 * counts["named"]


@pytest.mark.parametrize("name", DETAILS)
def test_numbers_addresses_and_names_are_read_or_asked(name: str) -> None:
    results = [spoken_details.outcome(case) for case in spoken_details.load(name)]
    assert results.count("wrong") <= len(results) / 100
    assert results.count("right") >= 0.95 * len(results)
