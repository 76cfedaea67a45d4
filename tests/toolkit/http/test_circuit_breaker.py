"""Circuit breakers of one business at one vendor: failures, probes, and Retry-After."""

from uuid import uuid4

import pytest

from toolkit.errors import RateLimited, Unavailable
from toolkit.http.circuit_breaker import CircuitBreaker, CircuitBreakers


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def breaker_after(clock: Clock, failures: int = 5) -> CircuitBreaker:
    breaker = CircuitBreaker(clock)
    for _ in range(failures):
        breaker.check("Vendor")
        breaker.record_failure()
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    breaker_after(Clock(), 4).check("Vendor")
    with pytest.raises(Unavailable, match="Vendor has not been answering"):
        breaker_after(Clock()).check("Vendor")


def test_one_answer_in_between_keeps_it_closed() -> None:
    breaker = breaker_after(Clock(), 4)
    breaker.record_success()
    breaker.record_failure()
    breaker.check("Vendor")


def test_after_a_while_one_probe_goes_and_the_others_wait() -> None:
    clock = Clock()
    breaker = breaker_after(clock)
    clock.now += 5
    breaker.check("Vendor")
    with pytest.raises(Unavailable):
        breaker.check("Vendor")
    breaker.record_success()
    breaker.check("Vendor")
    breaker.check("Vendor")


def test_a_probe_that_fails_opens_it_again() -> None:
    clock = Clock()
    breaker = breaker_after(clock)
    clock.now += 5
    breaker.check("Vendor")
    breaker.record_failure()
    clock.now += 4
    with pytest.raises(Unavailable):
        breaker.check("Vendor")


def test_patience_that_was_asked_for_is_kept_but_not_for_ever() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    breaker.back_off(30)
    breaker.back_off(1)
    clock.now += 29
    with pytest.raises(RateLimited):
        breaker.check("Vendor")
    clock.now += 1
    breaker.check("Vendor")
    breaker.back_off(1e9)
    clock.now += 600
    breaker.check("Vendor")


def test_one_business_s_trouble_is_no_other_s() -> None:
    breakers, one, other = CircuitBreakers(), uuid4(), uuid4()
    for _ in range(5):
        breakers.get(one, "calcom").record_failure()
    with pytest.raises(Unavailable):
        breakers.get(one, "calcom").check("Cal.com")
    breakers.get(other, "calcom").check("Cal.com")
    breakers.get(one, "acuity").check("Acuity")


def test_what_is_not_used_is_forgotten() -> None:
    breakers, used, unused = CircuitBreakers(), uuid4(), uuid4()
    mine, gone = breakers.get(used, "calcom"), breakers.get(unused, "calcom")
    for _ in range(10_000):
        breakers.get(uuid4(), "calcom")
        assert breakers.get(used, "calcom") is mine
    assert breakers.get(unused, "calcom") is not gone
