"""A vendor that is down, or asks for patience, is left alone, business by business."""

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


def broken(clock: Clock, failures: int = 5) -> CircuitBreaker:
    breaker = CircuitBreaker(clock)
    for _ in range(failures):
        breaker.enter("Vendor")
        breaker.failed()
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    broken(Clock(), 4).enter("Vendor")
    with pytest.raises(Unavailable, match="Vendor has not been answering"):
        broken(Clock()).enter("Vendor")


def test_one_answer_in_between_keeps_it_closed() -> None:
    breaker = broken(Clock(), 4)
    breaker.answered()
    breaker.failed()
    breaker.enter("Vendor")


def test_after_a_while_one_probe_goes_and_the_others_wait() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 5
    breaker.enter("Vendor")
    with pytest.raises(Unavailable):
        breaker.enter("Vendor")
    breaker.answered()
    breaker.enter("Vendor")
    breaker.enter("Vendor")


def test_a_probe_that_fails_opens_it_again() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 5
    breaker.enter("Vendor")
    breaker.failed()
    clock.now += 4
    with pytest.raises(Unavailable):
        breaker.enter("Vendor")


def test_patience_that_was_asked_for_is_kept_but_not_for_ever() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    breaker.quiet_for(30)
    breaker.quiet_for(1)
    clock.now += 29
    with pytest.raises(RateLimited):
        breaker.enter("Vendor")
    clock.now += 1
    breaker.enter("Vendor")
    breaker.quiet_for(1e9)
    clock.now += 600
    breaker.enter("Vendor")


def test_one_business_s_trouble_is_no_other_s() -> None:
    breakers, one, other = CircuitBreakers(), uuid4(), uuid4()
    for _ in range(5):
        breakers.of(one, "calcom").failed()
    with pytest.raises(Unavailable):
        breakers.of(one, "calcom").enter("Cal.com")
    breakers.of(other, "calcom").enter("Cal.com")
    breakers.of(one, "acuity").enter("Acuity")


def test_what_is_not_used_is_forgotten() -> None:
    breakers, used, unused = CircuitBreakers(), uuid4(), uuid4()
    mine, gone = breakers.of(used, "calcom"), breakers.of(unused, "calcom")
    for _ in range(10_000):
        breakers.of(uuid4(), "calcom")
        assert breakers.of(used, "calcom") is mine
    assert breakers.of(unused, "calcom") is not gone
