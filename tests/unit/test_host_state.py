"""Who may start at a host: never more than a limit, never in the past, and everybody within bounds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.hosts.back_pressure import LONGEST_PAUSE, RECOVERY, BackPressure
from taskrunner.domain.hosts.circuit_breaker import BreakerSettings, CircuitBreaker, CircuitPhase
from taskrunner.domain.hosts.host_admission import (
    MIN_WAIT,
    AdmissionRequest,
    HostAdmission,
    admit,
    assign_wait_times,
)
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_state import HeldSlots, HostState, decode_state, encode_state
from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.value import replace

NOW = 1_800_000_000.0
SETTINGS = HostSettings(
    breaker=BreakerSettings(failures=3, cooldown=5, longest=40, probes=2), longest_wait=60
)

seconds = st.floats(0, 1000).map(lambda value: round(value, 3))
limits = (
    st.builds(
        HostLimit,
        concurrency=st.integers(1, 50),
        rate=st.floats(0.01, 500),
        burst=st.none() | st.integers(1, 50),
    )
    | st.none()
)
states = st.builds(
    HostState,
    breaker=st.builds(
        CircuitBreaker,
        since=st.just(NOW - 50),
        until=st.just(0.0) | st.floats(-50, 50).map(lambda value: NOW + value),
        cooldown=st.floats(1, 40),
        next_probe=st.floats(-50, 50).map(lambda value: NOW + value),
    ),
    back_pressure=st.builds(
        BackPressure,
        since=st.just(NOW - 50),
        until=st.floats(-50, 50).map(lambda value: NOW + value),
        level=st.floats(0, 8),
    ),
    arrival=st.floats(-50, 50).map(lambda value: NOW + value),
    tail=st.floats(-50, 50).map(lambda value: NOW + value),
    mean=st.floats(0, 30),
    slots=st.dictionaries(
        st.sampled_from(["me", "other", "third"]),
        st.builds(
            HeldSlots, held=st.integers(0, 60), until=st.floats(-50, 50).map(lambda value: NOW + value)
        ),
    ),
)


def asking(wanted: int = 1, room: int = 1000, held: int = 0, consumer: str = "me") -> AdmissionRequest:
    return AdmissionRequest(consumer=consumer, wanted=wanted, room=room, held=held, lease_until=NOW + 30)


@given(
    state=states,
    limit=limits,
    wanted=st.integers(1, 300),
    room=st.integers(0, 100),
    random=st.floats(0, 0.999),
)
def test_everybody_gets_an_answer_within_bounds(
    state: HostState, limit: HostLimit | None, wanted: int, room: int, random: float
) -> None:
    """Some start, some would with more room, and each other one has a moment from the floor to the bound."""
    after, admission = admit(state, limit, SETTINGS, asking(wanted, room, held=3), now=NOW, random=random)
    assert 0 <= admission.admitted <= min(wanted, room)
    assert admission.admitted + len(admission.wait_until) <= wanted
    assert all(NOW + MIN_WAIT <= due <= NOW + SETTINGS.longest_wait + 1e-3 for due in admission.wait_until)
    assert bool(admission.reason) or not admission.wait_until
    if limit is not None and limit.concurrency is not None and admission.admitted:
        assert after.in_flight(NOW) <= limit.concurrency
    if admission.admitted:
        assert state.closed_until(NOW) <= NOW
    if not admission.admitted and not admission.wait_until:
        assert after == state


@given(state=states)
def test_a_state_survives_its_coding(state: HostState) -> None:
    assert decode_state(encode_state(state)) == state


@given(state=states)
def test_a_state_that_means_nothing_any_more_is_as_good_as_none(state: HostState) -> None:
    """From `relevant_until` on it decides the same as an empty state.

    But for a circuit that is half open: after an hour without a probe it is taken to be closed.
    """
    state = replace(state, breaker=CircuitBreaker())
    limit, later = HostLimit(concurrency=2, rate=5.0), state.relevant_until + 0.001
    ask = replace(asking(wanted=9), lease_until=later + 30)
    _, found = admit(state, limit, SETTINGS, ask, now=later, random=0.5)
    _, fresh = admit(replace(HostState(), mean=state.mean), limit, SETTINGS, ask, now=later, random=0.5)
    assert found == fresh


@given(
    interval=st.floats(0.001, 10),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 20), min_size=1, max_size=60),
)
def test_no_stretch_of_time_sees_more_starts_than_the_pace(
    interval: float, burst: int, gaps: list[float]
) -> None:
    """However they come: in any window at most the burst, and one more per interval."""
    pace, arrival, now = RateLimiter(interval=interval, burst=burst), 0.0, 1000.0
    starts: list[float] = []
    for gap in gaps:
        now += gap
        count = pace.available(arrival, now)
        starts += [now] * count
        arrival = pace.arrival_after(arrival, now, count)
    for first, began in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= burst + (starts[last] - began) / interval + 1e-6


def test_a_rest_earns_the_burst_and_no_more() -> None:
    pace = RateLimiter(interval=1.0, burst=3)
    assert pace.available(0.0, 1000.0) == 3
    assert pace.available(pace.arrival_after(0.0, 1000.0, 3), 1000.5) == 0
    assert pace.available(pace.arrival_after(0.0, 1000.0, 3), 1001.0) == 1
    assert pace.available(pace.arrival_after(0.0, 1000.0, 3), 9999.0) == 3


@given(step=st.floats(0.01, 5), waiting=st.integers(1, 200), tail=st.floats(-50, 200))
def test_those_who_wait_come_back_one_by_one(step: float, waiting: int, tail: float) -> None:
    """At the distance in which they can start, until the bound; beyond it anywhere in its second half."""
    moments, after = assign_wait_times(NOW + tail, step, waiting, SETTINGS, now=NOW, random=0.3)
    assert len(moments) == waiting
    ordered = [moment for moment in moments if moment <= after]
    for sooner, later in pairwise(ordered):
        assert (
            later - sooner == pytest.approx(step * 0.9, abs=1e-4) or later >= NOW + SETTINGS.longest_wait / 2
        )
    assert min(moments) > NOW
    assert max(moments) <= NOW + SETTINGS.longest_wait + 1e-3


def test_places_are_counted_over_all_consumers() -> None:
    """What another one holds is taken, unless its lease is over; ours is what we say."""
    limit = HostLimit(concurrency=5)
    slots = {
        "other": HeldSlots(held=2, until=NOW + 9),
        "dead": HeldSlots(held=9, until=NOW - 1),
        "me": HeldSlots(held=5, until=NOW + 9),
    }
    state, admission = admit(HostState(slots=slots), limit, SETTINGS, asking(9, held=1), now=NOW, random=0.0)
    assert (admission.admitted, len(admission.wait_until), admission.reason) == (2, 7, "concurrency limit")
    assert state.slots == {"other": slots["other"], "me": HeldSlots(held=3, until=NOW + 30)}


def test_whose_turn_is_near_is_kept_at_hand() -> None:
    """As many as can start within that time; nobody is told a moment that they would miss."""
    limit, ask = HostLimit(rate=10.0, burst=1), replace(asking(20), keep=100)
    state, admission = admit(HostState(), limit, SETTINGS, ask, now=NOW, random=0.0)
    assert (admission.admitted, admission.kept, len(admission.wait_until)) == (1, 7, 12)
    assert admission.ask_again_at == pytest.approx(NOW + 0.1)
    assert min(admission.wait_until) > NOW + 0.7
    _, later = admit(state, limit, SETTINGS, replace(asking(7), keep=100), now=NOW + 0.1001, random=0.0)
    assert (later.admitted, later.kept, later.wait_until) == (1, 6, ())


def test_a_refusal_is_never_from_a_state_that_others_have_left() -> None:
    """It changes the state, so that the store is asked whether that still is the one."""
    slots = {"other": HeldSlots(held=5, until=NOW + 9)}
    before = HostState(slots=slots, tail=NOW + 50, mean=0.1)
    after, admission = admit(
        before, HostLimit(concurrency=5), SETTINGS, replace(asking(1), keep=9), now=NOW, random=0.0
    )
    assert (admission.admitted, admission.kept, admission.wait_until) == (0, 1, ())
    assert after != before


def test_a_late_or_doubled_release_does_no_harm() -> None:
    """Each writes how many it has, so the last write is right."""
    state = HostState().with_slots("me", 3, now=NOW, until=NOW + 30)
    for _ in range(2):
        state = state.with_slots("me", 2, now=NOW, until=NOW + 30)
        assert state.in_flight(NOW) == 2
    assert state.with_slots("me", 0, now=NOW, until=NOW + 30) == HostState()


def test_the_breaker_opens_probes_and_closes() -> None:
    """Open for a time, then two probes; what started before it opened says nothing about it."""
    breaker = CircuitBreaker().trip(SETTINGS.breaker, started=NOW - 1, now=NOW)
    assert (breaker.phase(NOW), breaker.phase(NOW + 5)) == (CircuitPhase.OPEN, CircuitPhase.HALF_OPEN)
    assert breaker.trip(SETTINGS.breaker, started=NOW, now=NOW + 1) == breaker
    assert breaker.succeeded(started=NOW - 1, now=NOW + 6) == breaker
    assert breaker.failed(SETTINGS.breaker, started=NOW - 1, now=NOW + 6) == breaker
    state, admission = admit(HostState(breaker=breaker), None, SETTINGS, asking(9), now=NOW + 6, random=0.0)
    assert (admission.admitted, admission.reason) == (2, "circuit half open")
    again, admission = admit(state, None, SETTINGS, asking(9), now=NOW + 7, random=0.0)
    assert (admission.admitted, again) == (0, state)
    assert max(admission.wait_until) - min(admission.wait_until) > 20
    closed = state.breaker.succeeded(started=NOW + 6, now=NOW + 8)
    assert closed.phase(NOW + 8) is CircuitPhase.CLOSED
    assert closed.trip(SETTINGS.breaker, started=NOW + 7, now=NOW + 9) == closed
    assert closed.trip(SETTINGS.breaker, started=NOW + 8, now=NOW + 9).phase(NOW + 9) is CircuitPhase.OPEN


def test_a_probe_that_is_throttled_closes_the_circuit() -> None:
    """The host is there again, and says when."""
    state = HostState(breaker=CircuitBreaker(since=NOW - 9, until=NOW - 1, cooldown=5))
    after = state.throttled(SETTINGS, 30.0, started=NOW, now=NOW + 1)
    assert after.breaker.phase(NOW + 1) is CircuitPhase.CLOSED
    assert after.closed_until(NOW + 1) == NOW + 31


def test_each_failed_probe_doubles_the_rest_up_to_the_longest() -> None:
    breaker, now, rests = CircuitBreaker().trip(SETTINGS.breaker, started=NOW, now=NOW), NOW, []
    for _ in range(5):
        rests.append(breaker.until - now)
        now = breaker.until + 1
        breaker = breaker.failed(SETTINGS.breaker, started=now, now=now)
    assert rests == [5, 10, 20, 40, 40]


def test_probes_that_nobody_hears_of_are_replaced() -> None:
    """Their consumer may have died."""
    breaker = CircuitBreaker(since=NOW - 9, until=NOW - 1, cooldown=5)
    probing, _ = admit(HostState(breaker=breaker), None, SETTINGS, asking(1), now=NOW, random=0.0)
    _, soon = admit(probing, None, SETTINGS, asking(1), now=NOW + 10, random=0.0)
    _, late = admit(probing, None, SETTINGS, asking(1), now=NOW + 31, random=0.0)
    assert (soon.admitted, late.admitted) == (0, 1)


def test_an_open_breaker_is_no_reason_to_write() -> None:
    """Ten thousand tasks that wait for it cost the store nothing but their snoozes."""
    state = HostState(breaker=CircuitBreaker(since=NOW, until=NOW + 20, cooldown=20))
    after, admission = admit(state, HostLimit(rate=1.0), SETTINGS, asking(100), now=NOW, random=0.4)
    assert after is state
    assert admission.reason == "circuit open"
    assert all(NOW + 20 <= due <= NOW + 40 for due in admission.wait_until)
    assert max(admission.wait_until) - min(admission.wait_until) > 15


def slowed(*wishes: float | None, now: float = NOW) -> BackPressure:
    slowdown = BackPressure()
    for number, wish in enumerate(wishes):
        slowdown = slowdown.throttled(started=now + number, now=now + number, retry_after=wish, longest=300.0)
    return slowdown


def test_a_retry_after_is_heeded_and_cut() -> None:
    assert slowed(30.0).until == NOW + 30
    assert slowed(9999.0).until == NOW + 300
    assert slowed(30.0, 1.0).until == NOW + 30


def test_without_one_the_pause_doubles() -> None:
    assert [slowed(*[None] * times).until - (NOW + times - 1) for times in (1, 2, 3)] == pytest.approx(
        [1, 2, 4], rel=0.05
    )
    assert slowed(*[None] * 99).until <= NOW + 98 + LONGEST_PAUSE


def test_a_crowd_that_is_refused_at_once_counts_once() -> None:
    """What had started before we slowed down says nothing new."""
    slowdown = slowed(None)
    same = slowdown.throttled(started=NOW - 1, now=NOW + 0.5, retry_after=None, longest=300.0)
    assert same == slowdown
    longer = slowdown.throttled(started=NOW - 1, now=NOW + 0.5, retry_after=60.0, longest=300.0)
    assert (longer.until, longer.level) == (NOW + 60.5, slowdown.level)


def test_a_slowdown_recovers_by_itself() -> None:
    """The distance between starts is halved with each quiet stretch, until there is none."""
    slowdown = slowed(*[None] * 4)
    gaps = [slowdown.gap(slowdown.until + turn * RECOVERY) for turn in range(6)]
    assert gaps[:4] == pytest.approx([gaps[0] / 2**turn for turn in range(4)])
    assert gaps[-1] == 0
    assert not HostState(back_pressure=slowdown).is_troubled(slowdown.until + 6 * RECOVERY)


def test_after_the_pause_tasks_start_at_a_distance() -> None:
    state = HostState(back_pressure=BackPressure(since=NOW - 1, until=NOW, level=3))
    after, admission = admit(state, None, SETTINGS, asking(5), now=NOW, random=0.0)
    assert (admission.admitted, len(admission.wait_until), admission.reason) == (1, 4, "told to slow down")
    assert admit(after, None, SETTINGS, asking(1), now=NOW + 0.1, random=0.0)[1].admitted == 0
    assert admit(after, None, SETTINGS, asking(1), now=NOW + 0.25, random=0.0)[1].admitted == 1


def test_a_host_without_limits_and_trouble_is_open_to_all() -> None:
    assert admit(HostState(), None, SETTINGS, asking(9), now=NOW, random=0.0) == (
        HostState(),
        HostAdmission(admitted=9),
    )
